/* SPDX-License-Identifier: MIT */
#ifndef DOCTOR_PROGRAM_H
#define DOCTOR_PROGRAM_H

/*
 * Which client a command starts, and its version, without letting it near a network: from the package.json that comes
 * with it, from its file's name (".../versions/2.1.330"), or, for a program called claude, from `--version`, run in a
 * network namespace of its own with nothing in it, an empty environment and home, and at most ten seconds.
 */

#include "why/breaker.h"

#include <limits.h>
#include <stdbool.h>

enum program_how {
	PROGRAM_UNKNOWN,
	PROGRAM_PACKAGE,   /* package.json beside it */
	PROGRAM_FILE_NAME, /* of the file itself */
	PROGRAM_ASKED,     /* it was run with --version, without a network */
};

struct program {
	bool found;
	char path[PATH_MAX]; /* what would be started, links resolved; "" when not found */
	bool claude;         /* it is Claude Code, as far as names tell */
	char version[64];    /* as it says; "": unknown */
	struct client_version parsed;
	enum program_how how;
	char detail[PATH_MAX]; /* the package.json; or why nothing could be found */
};

/* command: argv, NULL-terminated; an interpreter (node, bun) before its script is passed over. Never fails. */
void program_look(char *const *command, const char *path, struct program *out);
const char *program_how_words(enum program_how how);

#endif
