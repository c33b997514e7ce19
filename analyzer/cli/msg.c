/* SPDX-License-Identifier: MIT */
#include "cli/msg.h"

#include "base/buf.h"
#include "cli/command.h"

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

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list args)
{
	struct buf line;
	buf_init(&line, 1 << 16);
	buf_puts(&line, "kvscope: ");
	buf_vprintf(&line, format, args);
	buf_putc(&line, '\n');
	fwrite(line.p, 1, line.n, stderr);
	fflush(stderr);
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

const struct colours *colours_for(FILE *stream)
{
	static const struct colours none = {"", "", "", "", "", ""};
	static const struct colours ansi = {"\033[1m", "\033[2m", "\033[31m", "\033[33m", "\033[32m", "\033[0m"};
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if ((no_color && *no_color) || !term || strcmp(term, "dumb") == 0 || !isatty(fileno(stream)))
		return &none;
	return &ansi;
}

int terminal_columns(FILE *stream, int otherwise)
{
	struct winsize size;
	if (isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return otherwise;
}

int finish_stdout(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno != EPIPE)
		msg_error("cannot write to standard output: %s", strerror(errno));
	return EXIT_TROUBLE;
}
