/* SPDX-License-Identifier: MIT */
#ifndef CMD_REPLAY_SESSION_H
#define CMD_REPLAY_SESSION_H

/* Of `kvscope replay`: one backend (or pair of them), from its detection to its samples. Tells people on stderr. */

#include "replay/replay.h"
#include "replay/state.h"

struct session_settings {
	const char *engine, *model; /* NULL: as the server says */
	bool arms[4];               /* off, asis, fixed, asis2 */
	uint32_t fixes;             /* arms of their own */
	bool arms_given;            /* by name: none is left out to save time */
	bool full;                  /* no sample, however long it takes */
	bool quick;
	bool resume;
	const char *state_folder; /* NULL: samples are not kept */
	struct replay_options options;
};

/*
 * Replays the plan to `main_url` and, if it is not NULL, its side requests to `side_url`. Returns 0, also when it was
 * stopped with some samples; -1 after having said why there is no result. replay_release for the caller in either case.
 */
int session_replay(struct client *client, struct report *report, const struct plan *plan, const char *main_url,
		   const char *side_url, const struct session_settings *settings, struct replay *out);

#endif
