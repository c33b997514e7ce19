/* SPDX-License-Identifier: MIT */
#ifndef CMD_OUTPUT_H
#define CMD_OUTPUT_H

/* Where a command's data goes. What goes wrong is said on stderr. */

#include "base/buf.h"

/* To standard output. Returns status, or EXIT_TROUBLE where the text is not whole (no memory) or not all could be
 * written. */
int output_text(const struct buf *text, int status) __attribute__((warn_unused_result));
/*
 * To a file, whose old content is lost; mode as for open(). "-" is standard output. Returns 0, or -1 after having said
 * what is wrong, prefixed with the command's name.
 */
int output_file(const char *command, const char *file, unsigned mode, const struct buf *content)
	__attribute__((warn_unused_result));
/*
 * Before something that takes long: could output_file write there? Nothing is created. Returns 0, or -1 after having
 * said what is wrong.
 */
int output_possible(const char *command, const char *file) __attribute__((warn_unused_result));
/* A page with excerpts of a session, to a file that is for its owner alone, as the trace is; says how large it is. */
int output_page(const char *command, const char *file, const struct buf *page) __attribute__((warn_unused_result));

#endif
