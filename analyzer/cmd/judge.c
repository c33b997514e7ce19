/* SPDX-License-Identifier: MIT */
#include "cmd/judge.h"

#include "cli/msg.h"

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
