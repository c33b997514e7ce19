/* SPDX-License-Identifier: MIT */
#ifndef CLI_MSG_H
#define CLI_MSG_H

/*
 * What people are told. Messages go to stderr and begin with "kvscope: "; data goes to stdout. Only cmd_*.c, main and
 * the stages that talk to people (run, report) call these.
 */

#include <stdbool.h>
#include <stdio.h>

/* "kvscope: TEXT\n" in one write. */
void msg_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void msg_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Notes are not shown from here on (--quiet); errors always are. */
void msg_quiet(bool quiet);

/* Escape sequences for a terminal, empty strings where colours are not wanted (no terminal, NO_COLOR, TERM=dumb). */
struct colours {
	const char *bold, *dim, *red, *yellow, *green, *reset;
};
const struct colours *colours_for(FILE *stream);
/* Columns of the terminal behind the stream, or `otherwise` if there is none. */
int terminal_columns(FILE *stream, int otherwise);

/* Flushes stdout; if anything could not be written (a full disk, a closed pipe) says so and returns EXIT_TROUBLE. */
int finish_stdout(int status);

#endif
