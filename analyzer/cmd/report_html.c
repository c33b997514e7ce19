/* SPDX-License-Identifier: MIT */
#include "cmd/report_html.h"

#include "cli/command.h"
#include "cli/msg.h"
#include "cmd/judge.h"
#include "cmd/output.h"
#include "html/page.h"

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
	if (output_page("report", file, &text) == 0)
		status = EXIT_OK;
out:
	why_release(&why);
	buf_release(&text);
	return status;
}
