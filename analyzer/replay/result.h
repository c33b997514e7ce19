/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_RESULT_H
#define REPLAY_RESULT_H

/* Results for people, programs and browsers: of one backend, or of several side by side. All append. */

#include "base/text_style.h"
#include "replay/summary.h"

/* One backend (or pair of backends) that the session was replayed to. */
struct result {
	const struct replay *replay;
	struct summary summary;
};

/* list is ranked: the first is the one to use. style->all: every request, however many there are. */
void result_text(const struct result *list, size_t n, const struct text_style *style, struct buf *to);
void result_json(const struct result *list, size_t n, struct buf *to);

/* The longest a request of the schedule was sent too late, over all runs; NaN without a schedule. */
double result_worst_lag(const struct replay *r);

/* Session time of the best usable warm arm, NaN: none; and which arm that is. What the ranking goes by. */
double result_seconds(const struct result *r, size_t *arm);
/* Best first; those without a figure last. */
void result_rank(struct result *list, size_t n);
/* "http://a:1 (main), http://b:2 (side)" */
void result_backend(const struct replay *r, struct buf *to);

#endif
