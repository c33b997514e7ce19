/* SPDX-License-Identifier: MIT */
#ifndef CMD_REPLAY_OPTIONS_H
#define CMD_REPLAY_OPTIONS_H

/* The options of `kvscope replay`, and what they say. */

#include "cli/command.h"
#include "cmd/replay_session.h"

enum replay_option {
	OPT_BACKEND,
	OPT_ENGINE,
	OPT_MODEL,
	OPT_ARMS,
	OPT_FIX,
	OPT_REPEAT,
	OPT_ORDER,
	OPT_UNLOAD,
	OPT_PREFILL_ONLY,
	OPT_MAX_TOKENS,
	OPT_PACE,
	OPT_INLINE_SYSTEM,
	OPT_SESSION,
	OPT_LIMIT,
	OPT_QUICK,
	OPT_FULL,
	OPT_RESUME,
	OPT_TIMEOUT,
	OPT_ALL,
	OPT_HTML,
	OPT_CACERT,
};

extern const struct option_spec replay_option_specs[];

#define REPLAY_BACKENDS_MAX 16

/* The backends in the order given; the one of side requests apart. */
struct replay_backends {
	const char *main[REPLAY_BACKENDS_MAX], *side; /* side NULL: none */
	size_t nmain;
};

/* Returns 0, or -1 after having said what is wrong. */
int replay_options_read(const struct command_line *cl, struct session_settings *s, struct plan_options *plan,
			struct replay_backends *b);

#endif
