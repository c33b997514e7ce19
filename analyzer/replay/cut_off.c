/* SPDX-License-Identifier: MIT */
#include "replay/cut_off.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is added between two requests must be more than this to be told from what a tokenizer makes of it. */
#define GROWN_MIN 64

static bool cut_off(const struct replay *r, size_t arm, unsigned repeat, size_t request)
{
	const struct plan_request *p = &r->plan->requests[request];
	int64_t prompt = replay_sample(r, arm, repeat, request)->prompt;

	if (p->prompt < 0 || prompt < 0)
		return false;
	if (prompt < p->prompt / 2)
		return true;
	for (size_t i = request; i-- > 0;) {
		const struct plan_request *before = &r->plan->requests[i];
		const struct sample *s = replay_sample(r, arm, repeat, i);
		if (before->lineage != p->lineage || before->prompt < 0 || s->prompt < 0 || !sample_ok(s))
			continue;
		int64_t grown = p->prompt - before->prompt;
		return grown > GROWN_MIN && prompt - s->prompt < grown / 2;
	}
	return false;
}

void judge_cut_off(const struct replay *r, size_t arm, unsigned repeat, size_t request)
{
	struct sample *s = replay_sample(r, arm, repeat, request);
	char words[120];

	if (!sample_ok(s) || !engine_truncates(replay_target(r, request)->facts.backend.engine) ||
	    !cut_off(r, arm, repeat, request))
		return;
	snprintf(words, sizeof(words),
		 "the server cut the prompt off to %" PRId64 " of %" PRId64
		 " captured tokens: its context is too small",
		 s->prompt, r->plan->requests[request].prompt);
	s->outcome = CLIENT_FAILED;
	s->error = strdup(words);
}
