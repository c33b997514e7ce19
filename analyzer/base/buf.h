/* SPDX-License-Identifier: MIT */
#ifndef BASE_BUF_H
#define BASE_BUF_H

/*
 * A growing byte buffer with a hard maximum given at init. Whatever would pass the maximum, or cannot be allocated, is
 * refused whole: the call returns -1, the content stays as it was and `failed` stays set until the next reset, so that
 * a run of appends can be checked once at its end.
 *
 * The bytes are always followed by a 0 that does not count, so text in a buffer can be handed to C string functions.
 *
 *     struct buf b;
 *     buf_init(&b, 1 << 20);
 *     buf_printf(&b, "%d apples", 3);
 *     if (b.failed) ...
 *     buf_release(&b);
 */

#include "base/str.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *p;
	size_t n;
	size_t capacity;
	size_t max;
	bool failed;
};

#define BUF_UNLIMITED ((size_t)1 << 40)

void buf_init(struct buf *b, size_t max);
/* Empties, keeps the memory. */
void buf_reset(struct buf *b);
/* Frees; the buffer may be used again as after buf_init with the same maximum. */
void buf_release(struct buf *b);
/*
 * Makes room for n more bytes and returns where they go, NULL on failure. The caller fills them and adds n to b->n; one
 * who fills fewer adds those and terminates them himself.
 */
char *buf_reserve(struct buf *b, size_t n);
int buf_append(struct buf *b, const void *p, size_t n);
int buf_append_str(struct buf *b, struct str s);
int buf_puts(struct buf *b, const char *cstr);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
struct str buf_str(const struct buf *b);
/* Hands the terminated content to the caller (frees with free()) and leaves the buffer empty; NULL if it had failed. */
char *buf_steal(struct buf *b);

#endif
