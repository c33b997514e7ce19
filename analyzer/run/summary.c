/* SPDX-License-Identifier: MIT */
#include "run/summary.h"

#include "cli/msg.h"
#include "kvscope/env.h"
#include "report/units.h"
#include "run/afterword.h"
#include "run/explain.h"

#include <inttypes.h>
#include <stdlib.h>

static void headline(const struct collector_summary *s, char *out, size_t out_bytes)
{
	char bytes[UNITS_CHARS], tokens[64] = "", count[UNITS_CHARS], failed[48] = "";
	if (s->prompt_tokens >= 0)
		snprintf(tokens, sizeof(tokens), ", %s prompt tokens reported", units_count(s->prompt_tokens, count));
	if (s->failed > 0)
		snprintf(failed, sizeof(failed), " (%" PRIu64 " failed)", s->failed);
	snprintf(out, out_bytes, "%" PRIu64 " request%s%s, %s sent%s", s->exchanges, s->exchanges == 1 ? "" : "s",
		 failed, units_bytes(s->requests_bytes, bytes), tokens);
}

void summary_say(const struct watch *w, const struct preflight *preflight, const struct collector_summary *s,
		 bool judge)
{
	char line[PATH_MAX + 1024];

	if (s->exchanges > 0) {
		headline(s, line, sizeof(line));
		msg_note("%s", line);
	} else {
		struct base_url_override override;
		explain_find_override(&override);
		struct explain_facts facts = {
			.command = w->argv[0],
			.preflight = preflight,
			.summary = s,
			.override = &override,
			.disabled = getenv(KVS_ENV_DISABLE) != NULL,
			.relay = w->relay,
		};
		const struct text_style style = text_style_for(stderr, false);
		explain_nothing_seen(&facts, line, sizeof(line));
		msg_note("%s0 requests seen%s: %s", style.bold, style.reset, line);
	}
	if (s->lost_records > 0 || s->holes > 0)
		msg_note("%" PRIu64 " records were lost and %" PRIu64
			 " places in the streams are missing (--ring-size)",
			 s->lost_records, s->holes);
	if (s->ring_corrupt)
		msg_error("the ring was damaged: the trace ends there");
	if (s->trace_error[0])
		msg_error("%s", s->trace_error);
	if (s->alive > 0)
		msg_note("%" PRIu64
			 " process%s of the run live%s on; to finish the trace when they end: kvscope collect %s",
			 s->alive, s->alive == 1 ? "" : "es", s->alive == 1 ? "s" : "", w->ring);
	if (s->exchanges > 0 && judge)
		afterword_say(w->trace, s->exchanges);
	msg_note("trace: %s; next: kvscope report%s%s", w->trace, w->output ? " " : "", w->output ? w->output : "");
}
