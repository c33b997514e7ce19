/* SPDX-License-Identifier: MIT */
#include "cli/msg.h"

#include "base/buf.h"
#include "cli/command.h"
#include "trace/excerpt.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool quiet_notes;

void msg_quiet(bool quiet)
{
	quiet_notes = quiet;
}

/* Bytes of a sequence that sets a colour at p; 0: it is none. */
static size_t colour(const char *p, const char *end)
{
	const char *q = p + 2;
	if (end - p < 3 || p[0] != '\033' || p[1] != '[')
		return 0;
	while (q < end && ((*q >= '0' && *q <= '9') || *q == ';'))
		q++;
	return q < end && *q == 'm' ? (size_t)(q + 1 - p) : 0;
}

/* File names, server names and what stands in traces must not drive a terminal: colours are all that goes through. */
static void defuse(struct str line, struct buf *out)
{
	const char *end = line.p + line.n;
	while (line.p < end) {
		size_t n = colour(line.p, end);
		buf_append(out, line.p, n);
		line.p += n;
		const char *stop = line.p < end ? memchr(line.p + 1, '\033', (size_t)(end - line.p - 1)) : NULL;
		n = (size_t)((stop ? stop : end) - line.p);
		if (line.p < end && colour(line.p, end) == 0) {
			escape_for_terminal((struct str){line.p, n}, out);
			line.p += n;
		}
	}
}

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list args)
{
	struct buf words, line;
	buf_init(&words, 1 << 16);
	buf_init(&line, 1 << 19);
	buf_vprintf(&words, format, args);
	buf_puts(&line, "kvscope: ");
	defuse(buf_str(&words), &line);
	buf_putc(&line, '\n');
	fwrite(line.p, 1, line.n, stderr);
	fflush(stderr);
	buf_release(&words);
	buf_release(&line);
}

void msg_error(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
}

void msg_note(const char *format, ...)
{
	if (quiet_notes)
		return;
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
}

static bool coloured(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no_color && *no_color) && term && strcmp(term, "dumb") != 0 && isatty(fileno(stream));
}

static int columns_of(FILE *stream)
{
	const char *wanted = getenv("COLUMNS");
	struct winsize size;
	char *end;

	if (wanted && *wanted) {
		long n = strtol(wanted, &end, 10);
		if (*end == '\0' && n > 0 && n <= UINT16_MAX)
			return (int)n;
	}
	if (isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return TEXT_STYLE_COLUMNS;
}

struct text_style text_style_for(FILE *stream, bool all)
{
	struct text_style style = TEXT_STYLE_PLAIN;

	style.all = all;
	style.columns = columns_of(stream);
	if (coloured(stream)) {
		style.bold = "\033[1m";
		style.dim = "\033[2m";
		style.red = "\033[31m";
		style.yellow = "\033[33m";
		style.green = "\033[32m";
		style.reset = "\033[0m";
	}
	return style;
}

int finish_stdout(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno != EPIPE)
		msg_error("cannot write to standard output: %s", strerror(errno));
	return EXIT_TROUBLE;
}
