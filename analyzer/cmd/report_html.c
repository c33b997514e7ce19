/* SPDX-License-Identifier: MIT */
#include "cmd/report_html.h"

#include "cli/command.h"
#include "cli/msg.h"
#include "cmd/judge.h"
#include "html/page.h"
#include "report/units.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The page holds excerpts of a session: it is for its owner, as the trace is. */
#define PAGE_MODE 0600

static int write_all(int fd, const struct buf *text)
{
	size_t at = 0;
	while (at < text->n) {
		ssize_t n = write(fd, text->p + at, text->n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += (size_t)n;
	}
	return 0;
}

static int save(const char *file, const struct buf *text)
{
	char size[UNITS_CHARS];
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, PAGE_MODE);
	int failed = fd < 0 || write_all(fd, text) < 0 ? errno : 0;

	if (fd >= 0 && close(fd) < 0 && !failed)
		failed = errno;
	if (failed) {
		msg_error("report: %s: %s", file, strerror(failed));
		return EXIT_TROUBLE;
	}
	msg_note("wrote %s, %s", file, units_bytes(text->n, size));
	return EXIT_OK;
}

int report_html(const char *file, const char *engine, struct report *report, const struct cost *cost,
		const struct anatomy *anatomy)
{
	struct why why;
	struct buf text;
	int status = EXIT_TROUBLE;

	buf_init(&text, BUF_UNLIMITED);
	if (judge_best("report", engine, report, &why) < 0)
		goto out;
	cost_of_misses(cost, &why);
	const struct page_input in = {.report = report, .cost = cost, .anatomy = anatomy, .why = &why};
	if (page_html(&in, &text) < 0) {
		msg_error("out of memory");
		goto out;
	}
	if (strcmp(file, "-") != 0) {
		status = save(file, &text);
		goto out;
	}
	fwrite(text.p, 1, text.n, stdout);
	status = finish_stdout(EXIT_OK);
out:
	why_release(&why);
	buf_release(&text);
	return status;
}
