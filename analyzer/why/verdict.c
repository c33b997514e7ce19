/* SPDX-License-Identifier: MIT */
/* Which backend is judged by, and what came out of it all. */
#include "why/why.h"

#include <math.h>
#include <stdlib.h>

struct backend why_recognise(const struct report *report)
{
	struct backend found = {0};
	for (size_t i = 0; i < report->nexchanges; i++) {
		const struct exchange *x = report->exchanges[i].x;
		enum engine engine =
			x->response.engine ? engine_from_name(str_from(x->response.engine)) : ENGINE_UNKNOWN;
		if (engine == ENGINE_UNKNOWN)
			continue;
		if (found.engine != ENGINE_UNKNOWN && found.engine != engine)
			return (struct backend){0};
		found.engine = engine;
		if (x->model)
			found.chat_template = template_of_model(str_from(x->model));
	}
	return found;
}

static int worse(const void *a, const void *b)
{
	const struct why_cause *x = a, *y = b;
	double sx = isnan(x->seconds_lost) ? 0 : x->seconds_lost, sy = isnan(y->seconds_lost) ? 0 : y->seconds_lost;
	if (x->cause->expected != y->cause->expected)
		return x->cause->expected ? 1 : -1;
	if (sx != sy)
		return sx > sy ? -1 : 1;
	return x->lost_tokens != y->lost_tokens ? (x->lost_tokens > y->lost_tokens ? -1 : 1)
						: (x->misses < y->misses) - (x->misses > y->misses);
}

size_t why_causes(const struct why *w, struct why_cause *out, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < w->nmisses; i++) {
		const struct why_miss *m = &w->misses[i];
		size_t k = 0;
		while (k < n && out[k].cause != m->cause)
			k++;
		if (k == max)
			continue;
		if (k == n)
			out[n++] = (struct why_cause){
				.cause = m->cause, .lost_tokens = TOKENS_UNKNOWN, .seconds_lost = NAN, .worst = i};
		struct why_cause *c = &out[k];
		c->misses++;
		if (m->lost_tokens != TOKENS_UNKNOWN) {
			if (m->lost_tokens > w->misses[c->worst].lost_tokens)
				c->worst = i;
			c->lost_tokens = (c->lost_tokens == TOKENS_UNKNOWN ? 0 : c->lost_tokens) + m->lost_tokens;
		}
		if (!isnan(m->seconds_lost))
			c->seconds_lost = (isnan(c->seconds_lost) ? 0 : c->seconds_lost) + m->seconds_lost;
	}
	qsort(out, n, sizeof(*out), worse);
	return n;
}
