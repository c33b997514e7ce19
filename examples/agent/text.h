/* SPDX-License-Identifier: MIT */
#ifndef AGENT_TEXT_H
#define AGENT_TEXT_H

/*
 * A growing, always terminated piece of text. {0} is an empty one; text_release frees it. Ends the program when memory
 * runs out: an example has nothing better to do then.
 */

#include <stddef.h>

struct text {
	char *p; /* NULL while empty */
	size_t n;
	size_t room;
};

void text_add(struct text *t, const char *p, size_t n);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_clear(struct text *t);
void text_release(struct text *t);

/* Says what is wrong on stderr and ends the program. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Returns p, or ends the program when p is NULL: for allocations that can only fail for want of memory. */
void *need(void *p);

#endif
