/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *format, ...)
{
	va_list args;

	fputs("agent: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

void *need(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

static void reserve(struct text *t, size_t more)
{
	size_t wanted = t->n + more + 1;

	if (wanted <= t->room)
		return;
	t->room = wanted * 2;
	t->p = need(realloc(t->p, t->room));
}

void text_add(struct text *t, const char *p, size_t n)
{
	reserve(t, n);
	memcpy(t->p + t->n, p, n);
	t->n += n;
	t->p[t->n] = '\0';
}

void text_addf(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		die("cannot format text");
	reserve(t, (size_t)n);
	va_start(args, format);
	vsnprintf(t->p + t->n, (size_t)n + 1, format, args);
	va_end(args);
	t->n += (size_t)n;
}

void text_clear(struct text *t)
{
	t->n = 0;
	if (t->p)
		t->p[0] = '\0';
}

void text_release(struct text *t)
{
	free(t->p);
	*t = (struct text){0};
}
