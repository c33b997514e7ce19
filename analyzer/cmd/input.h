/* SPDX-License-Identifier: MIT */
#ifndef CMD_INPUT_H
#define CMD_INPUT_H

/* Which traces a command is to read, and reading them. What goes wrong is said on stderr, prefixed with the command's
 * name. */

#include "trace/reader.h"

#include <stddef.h>

/*
 * The trace that is meant when none is named: the newest that was made in this directory, else the newest of all; which
 * one it is is said on stderr. The caller frees it; NULL after having said why there is none.
 */
char *input_newest(const char *command);

struct input {
	struct trace *traces;
	size_t n;
};

/*
 * Reads the traces of these paths ("-": standard input); with n == 0 the newest. Says where a trace could not be read
 * to its end. Returns 0, or -1 after having said what is wrong. input_release in either case.
 */
int input_read(const char *command, char *const *paths, size_t n, struct input *out);
void input_release(struct input *in);

#endif
