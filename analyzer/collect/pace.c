/* SPDX-License-Identifier: MIT */
#include "collect/pace.h"

#include "base/clock.h"

#include <sys/resource.h>

static int64_t involuntary_switches(void)
{
	struct rusage used;
	return getrusage(RUSAGE_SELF, &used) == 0 ? used.ru_nivcsw : 0;
}

void pace_begin(struct pace *p, bool hurry)
{
	p->hurry = hurry;
	if (p->allowed_ns == 0)
		p->allowed_ns = PACE_MAX_NS;
	p->over = false;
	p->switches = involuntary_switches();
	p->begin_ns = clock_monotonic_ns();
}

bool pace_over(struct pace *p)
{
	p->over = clock_monotonic_ns() - p->begin_ns >= (p->hurry ? PACE_HURRY_NS : p->allowed_ns);
	return p->over;
}

uint64_t pace_next(uint64_t allowed_ns, bool used_up, bool disturbed)
{
	if (disturbed)
		return allowed_ns / 2 > PACE_MIN_NS ? allowed_ns / 2 : PACE_MIN_NS;
	if (used_up)
		return allowed_ns * 2 < PACE_MAX_NS ? allowed_ns * 2 : PACE_MAX_NS;
	return allowed_ns;
}

void pace_end(struct pace *p)
{
	if (!p->hurry)
		p->allowed_ns = pace_next(p->allowed_ns, p->over, involuntary_switches() != p->switches);
}
