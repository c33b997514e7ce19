/* SPDX-License-Identifier: MIT */
#include "html/scale.h"

#include "base/array.h"

#include <math.h>
#include <stdlib.h>

/* Cuts take up no more than this share of what happens, however many there are. */
#define CUTS_SHARE 0.25

static size_t fill(double step, double max, bool beyond, double out[SCALE_TICKS_MAX])
{
	size_t n = 0;
	while (n < SCALE_TICKS_MAX) {
		double v = step * (double)n;
		if (!beyond && v > max * (1 + 1e-9))
			break;
		out[n++] = v;
		if (beyond && v >= max * (1 - 1e-9))
			break;
	}
	return n;
}

size_t scale_ticks(double max, size_t most, double out[SCALE_TICKS_MAX])
{
	static const double steps[] = {1, 2, 5, 10};

	if (!isfinite(max) || max <= 0)
		max = 1;
	most = most < 1 ? 1 : most < SCALE_TICKS_MAX ? most : SCALE_TICKS_MAX - 1;
	double power = pow(10, floor(log10(max / (double)most)));
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (steps[i] * power * (double)most >= max * (1 - 1e-9))
			return fill(steps[i] * power, max, true, out);
	return fill(10 * power, max, true, out);
}

size_t scale_time_ticks(double max, size_t most, double out[SCALE_TICKS_MAX])
{
	static const double steps[] = {1,   2,    5,    10,   15,    30,    60,    120,   300,   600,
				       900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800};

	if (!isfinite(max) || max <= 0)
		max = 1;
	most = most < 1 ? 1 : most < SCALE_TICKS_MAX ? most : SCALE_TICKS_MAX - 1;
	for (size_t i = 0; max / (double)most > 0.5 && i < sizeof(steps) / sizeof(*steps); i++)
		if (steps[i] * (double)most >= max)
			return fill(steps[i], max, false, out);
	/* Less than half a second apart, or more than days. */
	double unit = max > 172800 ? 86400 : 1;
	size_t n = scale_ticks(max / unit, most, out), kept = 0;
	for (size_t i = 0; i < n; i++)
		if (out[i] * unit <= max * (1 + 1e-9))
			out[kept++] = out[i] * unit;
	return kept;
}

void scale_time_add(struct scale_time *s, double from, double to)
{
	if (!isfinite(from) || !isfinite(to) || to < from)
		return;
	struct scale_span *grown = array_grow(s->spans, &s->capacity, s->n + 1, sizeof(*grown));
	if (!grown) {
		s->no_memory = true;
		return;
	}
	s->spans = grown;
	s->spans[s->n++] = (struct scale_span){.from = from, .to = to};
}

static int by_from(const void *a, const void *b)
{
	const struct scale_span *x = a, *y = b;
	return x->from < y->from ? -1 : x->from > y->from;
}

int scale_time_finish(struct scale_time *s, double longest)
{
	size_t n = 0;

	if (s->no_memory)
		return -1;
	if (s->n > 1)
		qsort(s->spans, s->n, sizeof(*s->spans), by_from);
	for (size_t i = 0; i < s->n; i++) {
		struct scale_span *last = n > 0 ? &s->spans[n - 1] : NULL;
		if (last && s->spans[i].from - last->to <= longest)
			last->to = fmax(last->to, s->spans[i].to);
		else
			s->spans[n++] = s->spans[i];
	}
	s->n = n;
	double busy = 0;
	for (size_t i = 0; i < n; i++)
		busy += s->spans[i].to - s->spans[i].from;
	s->cut = n > 1 ? fmin(longest / 4, CUTS_SHARE * busy / (double)(n - 1)) : 0;
	s->shown = 0;
	for (size_t i = 0; i < n; i++) {
		s->shown += i > 0 ? s->cut : 0;
		s->spans[i].at = s->shown;
		s->shown += s->spans[i].to - s->spans[i].from;
	}
	return 0;
}

double scale_time_at(const struct scale_time *s, double seconds)
{
	size_t low = 0, high = s->n;

	if (s->n == 0 || s->shown <= 0)
		return 0;
	/* The last span that begins at or before it. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (s->spans[middle].from <= seconds)
			low = middle;
		else
			high = middle;
	}
	const struct scale_span *span = &s->spans[low];
	double at = span->at + fmax(seconds - span->from, 0);
	/* Inside a cut: its part that has passed. */
	if (seconds > span->to) {
		double gap = low + 1 < s->n ? s->spans[low + 1].from - span->to : INFINITY;
		at = span->at + (span->to - span->from) + s->cut * fmin((seconds - span->to) / gap, 1);
	}
	return fmin(at / s->shown, 1) * 100;
}

void scale_time_release(struct scale_time *s)
{
	free(s->spans);
	*s = (struct scale_time){0};
}
