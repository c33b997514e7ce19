/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_STATE_H
#define REPLAY_STATE_H

/*
 * The samples of a replay that goes on, as a JSONL file: what --resume goes on from. Its name is a digest of all that
 * makes two replays the same (requests, backend, arms, options), so another one is never mixed in.
 */

#include "replay/replay.h"

#include <stdio.h>

struct state {
	char *path;
	FILE *file; /* NULL: samples are not kept */
};

/*
 * Opens the file in `folder`; with resume what it holds is read into the replay first (replay_prepare was called), else
 * it is emptied. Returns 0, or -1 with one line in error. state_close in either case.
 */
int state_open(struct state *s, const char *folder, struct replay *r, bool resume, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void state_add(struct state *s, size_t arm, unsigned repeat, size_t request, const struct sample *sample);
/* done: nothing is left to go on with, the file goes. */
void state_close(struct state *s, bool done);

#endif
