/* SPDX-License-Identifier: MIT */
#ifndef HTML_SCALE_H
#define HTML_SCALE_H

/* From values to places in a chart, and where its axis is labelled. */

#include <stdbool.h>
#include <stddef.h>

#define SCALE_TICKS_MAX 12

/*
 * Round values from 0 to at least max, at most `most` steps (1 to SCALE_TICKS_MAX - 1) of 1, 2 or 5 times a power of
 * ten. Returns how many were written; the last one is the axis' end. max <= 0 or not finite: 0 and 1.
 */
size_t scale_ticks(double max, size_t most, double out[SCALE_TICKS_MAX]);
/* The same in seconds: steps of 1, 2, 5, 10, 15, 30 s, min, h, and ticks end before max. */
size_t scale_time_ticks(double max, size_t most, double out[SCALE_TICKS_MAX]);

/*
 * A time axis on which long stretches without anything are cut short. Intervals are added in any order, then
 * scale_time_finish; scale_time_at maps seconds to 0..100 (percent of the width).
 */
struct scale_time {
	struct scale_span *spans; /* where something happens: ascending, disjoint */
	size_t n, capacity;
	double shown; /* seconds of the axis, cuts included */
	double cut;   /* seconds that a cut takes up */
	bool no_memory;
};

struct scale_span {
	double from, to;
	double at; /* where on the axis it begins, in seconds of it */
};

void scale_time_add(struct scale_time *s, double from, double to);
/* Gaps longer than `longest` become cuts, each of width longest / 4 (all of them at most a quarter
 * of the rest). May be called again with a larger value. Returns 0, or -1: no memory. */
int scale_time_finish(struct scale_time *s, double longest) __attribute__((warn_unused_result));
double scale_time_at(const struct scale_time *s, double seconds);
void scale_time_release(struct scale_time *s);

#endif
