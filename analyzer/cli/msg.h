/* SPDX-License-Identifier: MIT */
#ifndef CLI_MSG_H
#define CLI_MSG_H

/*
 * What people are told. Messages go to stderr and begin with "kvscope: "; data goes to stdout. Only cmd_*.c, main and
 * the stages that talk to people (run, report) call these.
 */

#include "base/text_style.h"

#include <stdio.h>

/* "kvscope: TEXT\n" in one write. */
void msg_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void msg_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Notes are not shown from here on (--quiet); errors always are. */
void msg_quiet(bool quiet);

/*
 * For text that goes to this stream: coloured on a terminal, unless NO_COLOR is set or TERM is dumb; as wide as COLUMNS
 * says, else as the terminal is, else TEXT_STYLE_COLUMNS.
 */
struct text_style text_style_for(FILE *stream, bool all);

/* Flushes stdout; if anything could not be written (a full disk, a closed pipe) says so and returns EXIT_TROUBLE. */
int finish_stdout(int status);

#endif
