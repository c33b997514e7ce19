/* SPDX-License-Identifier: MIT */
#ifndef BASE_TEXT_STYLE_H
#define BASE_TEXT_STYLE_H

/*
 * How text for people is to look. Whoever prints knows the stream (cli/msg.h: text_style_for); the stages that make the
 * text are told.
 */

#include <stdbool.h>

struct text_style {
	int columns; /* to fill */
	bool all;    /* nothing is shortened, and what is usual is told, too */
	/* Escape sequences, or "" each. */
	const char *bold, *dim, *red, *yellow, *green, *reset;
};

#define TEXT_STYLE_COLUMNS 100
#define TEXT_STYLE_PLAIN                                                                                               \
	((struct text_style){TEXT_STYLE_COLUMNS, .bold = "", .dim = "", .red = "", .yellow = "", .green = "",          \
			     .reset = ""})

#endif
