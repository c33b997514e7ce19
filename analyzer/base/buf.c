/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max < BUF_UNLIMITED ? max : BUF_UNLIMITED};
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->failed = false;
	if (b->p)
		b->p[0] = '\0';
}

void buf_release(struct buf *b)
{
	free(b->p);
	buf_init(b, b->max);
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (b->failed || n > b->max || b->n > b->max - n) {
		b->failed = true;
		return NULL;
	}
	size_t need = b->n + n + 1;
	if (need > b->capacity) {
		size_t grown = b->capacity + b->capacity / 2;
		if (grown < 64)
			grown = 64;
		if (grown > b->max + 1)
			grown = b->max + 1;
		if (grown < need)
			grown = need;
		char *p = realloc(b->p, grown);
		if (!p) {
			b->failed = true;
			return NULL;
		}
		b->p = p;
		b->capacity = grown;
	}
	b->p[need - 1] = '\0';
	return b->p + b->n;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
	/* The usual case: there is room, and then the maximum allows it, too. */
	if (n < b->capacity - b->n && !b->failed) {
		if (n)
			memcpy(b->p + b->n, p, n);
		b->n += n;
		b->p[b->n] = '\0';
		return 0;
	}
	char *to = buf_reserve(b, n);
	if (!to)
		return -1;
	if (n)
		memcpy(to, p, n);
	b->n += n;
	return 0;
}

int buf_append_str(struct buf *b, struct str s)
{
	return buf_append(b, s.p, s.n);
}

int buf_puts(struct buf *b, const char *cstr)
{
	return buf_append(b, cstr, strlen(cstr));
}

int buf_putc(struct buf *b, char c)
{
	if (b->capacity - b->n <= 1 || b->failed)
		return buf_append(b, &c, 1);
	b->p[b->n++] = c;
	b->p[b->n] = '\0';
	return 0;
}

int buf_vprintf(struct buf *b, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (n < 0) {
		b->failed = true;
		return -1;
	}
	char *to = buf_reserve(b, (size_t)n);
	if (!to)
		return -1;
	vsnprintf(to, (size_t)n + 1, format, args);
	b->n += (size_t)n;
	return 0;
}

int buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int r = buf_vprintf(b, format, args);
	va_end(args);
	return r;
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
	} else if (n) {
		memmove(b->p, b->p + n, b->n - n);
		b->n -= n;
	}
	if (b->p)
		b->p[b->n] = '\0';
}

struct str buf_str(const struct buf *b)
{
	return (struct str){b->p ? b->p : "", b->n};
}

char *buf_steal(struct buf *b)
{
	if (!buf_reserve(b, 0))
		return NULL;
	char *p = b->p;
	b->p = NULL;
	buf_release(b);
	return p;
}
