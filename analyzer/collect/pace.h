/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_PACE_H
#define COLLECT_PACE_H

/*
 * How long the collector may work at a time while the program that it watches runs: as long as it likes where a
 * processor is free, and briefly where it takes one away from somebody. The kernel tells: who is made to give up a
 * processor that he wanted to go on using (an involuntary switch) has company. Then the time is halved, and doubled
 * again whenever it was used up undisturbed.
 *
 *     pace_begin(&p, false);
 *     while (!pace_over(&p) && work())
 *         ;
 *     pace_end(&p);
 */

#include <stdbool.h>
#include <stdint.h>

#define PACE_HURRY_NS UINT64_C(100000000)
#define PACE_MIN_NS UINT64_C(1000000)
#define PACE_MAX_NS UINT64_C(18000000)

struct pace {
	uint64_t allowed_ns; /* 0 at first: PACE_MAX_NS */
	uint64_t begin_ns;
	int64_t switches;
	bool hurry, over;
};

/* hurry: nobody is given precedence, this time. */
void pace_begin(struct pace *p, bool hurry);
/* A look at the clock. */
bool pace_over(struct pace *p);
void pace_end(struct pace *p);
/* What follows from a turn that was used up or not, disturbed or not: pace_end's reckoning. */
uint64_t pace_next(uint64_t allowed_ns, bool used_up, bool disturbed);

#endif
