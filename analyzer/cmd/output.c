/* SPDX-License-Identifier: MIT */
#include "cmd/output.h"

#include "cli/command.h"
#include "cli/msg.h"
#include "report/units.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_MODE 0600

int output_text(const struct buf *text, int status)
{
	if (text->failed) {
		msg_error("out of memory");
		return EXIT_TROUBLE;
	}
	if (text->n > 0)
		fwrite(text->p, 1, text->n, stdout);
	return finish_stdout(status);
}

static int write_all(int fd, const struct buf *content)
{
	size_t at = 0;

	while (at < content->n) {
		ssize_t n = write(fd, content->p + at, content->n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += (size_t)n;
	}
	return 0;
}

int output_file(const char *command, const char *file, unsigned mode, const struct buf *content)
{
	if (strcmp(file, "-") == 0 || content->failed)
		return output_text(content, EXIT_OK) == EXIT_OK ? 0 : -1;
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	int failed = fd < 0 || write_all(fd, content) < 0 ? errno : 0;

	if (fd >= 0 && close(fd) < 0 && !failed)
		failed = errno;
	if (!failed)
		return 0;
	msg_error("%s: %s: %s", command, file, strerror(failed));
	return -1;
}

int output_possible(const char *command, const char *file)
{
	struct stat st;
	int failed = 0;

	if (strcmp(file, "-") == 0)
		return 0;
	if (stat(file, &st) == 0) {
		failed = S_ISDIR(st.st_mode) ? EISDIR : access(file, W_OK) < 0 ? errno : 0;
	} else if (errno != ENOENT) {
		failed = errno;
	} else {
		char *copy = strdup(file);
		failed = !copy ? ENOMEM : access(dirname(copy), W_OK | X_OK) < 0 ? errno : 0;
		free(copy);
	}
	if (!failed)
		return 0;
	msg_error("%s: %s: %s", command, file, strerror(failed));
	return -1;
}

int output_page(const char *command, const char *file, const struct buf *page)
{
	char size[UNITS_CHARS];

	if (output_file(command, file, PAGE_MODE, page) < 0)
		return -1;
	if (strcmp(file, "-") != 0)
		msg_note("wrote %s, %s", file, units_bytes(page->n, size));
	return 0;
}
