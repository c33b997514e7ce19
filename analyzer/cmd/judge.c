/* SPDX-License-Identifier: MIT */
#include "cmd/judge.h"

#include "cli/msg.h"
#include "why/candidates.h"

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
	struct why_verdicts v;
	char error[512];
	int result;

	if (engine || report->all.tokens.cached_of == 0 || why_recognise(report).engine != ENGINE_UNKNOWN)
		return judge_by(command, engine, report, out);
	*out = (struct why){.nmisses = 0};
	result = why_verdicts_build(report, &v, error, sizeof(error));
	if (result == 0) {
		*out = v.list[0];
		v.list[0] = (struct why){.nmisses = 0};
	} else {
		msg_error("%s: %s", command, error);
	}
	why_verdicts_release(&v);
	return result;
}
