/* SPDX-License-Identifier: MIT */
#include "cmd/judge.h"

#include "cli/msg.h"
#include "verdict/verdict.h"

int judge_by(const char *command, const char *engine, struct report *report, struct why *out)
{
	struct backend backend = why_recognise(report);
	const char *what;
	char error[512];

	*out = (struct why){0};
	if (engine && backend_parse(str_from(engine), &backend, &what) < 0) {
		msg_error("%s: --engine: \"%s\": %s", command, engine, what);
		return -1;
	}
	if (why_build(report, &backend, backend.engine != ENGINE_UNKNOWN, out, error, sizeof(error)) < 0) {
		msg_error("%s: %s", command, error);
		return -1;
	}
	return 0;
}

int judge_best(const char *command, const char *engine, struct report *report, struct why *out)
{
	struct why list[WHY_CANDIDATES];
	char error[512];
	size_t n = 0;
	int result = 0;

	if (engine || report->all.tokens.cached_of == 0 || why_recognise(report).engine != ENGINE_UNKNOWN)
		return judge_by(command, engine, report, out);
	*out = (struct why){.nmisses = 0};
	while (result == 0 && n < WHY_CANDIDATES) {
		result = why_build(report, &why_candidates[n], false, &list[n], error, sizeof(error));
		n++;
	}
	if (result == 0) {
		size_t best = verdict_choose(report, list, n);
		*out = list[best];
		list[best] = (struct why){.nmisses = 0};
	} else {
		msg_error("%s: %s", command, error);
	}
	while (n > 0)
		why_release(&list[--n]);
	return result;
}
