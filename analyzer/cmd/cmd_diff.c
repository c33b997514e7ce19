/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/msg.h"
#include "cmd/input.h"
#include "cmd/judge.h"
#include "cmd/output.h"
#include "diff/diff_text.h"

#define TOLERANCE_DEFAULT 1.0

enum { OPT_ENGINE, OPT_ALL, OPT_CHECK, OPT_TOLERANCE, OPT_STATIC };

static const struct option_spec options[] = {
	[OPT_ENGINE] = {.name = "engine",
			.letter = 'e',
			.arg = "ENGINE[@VERSION][+TEMPLATE]",
			.help = "judge both by what this backend does to a prompt (vllm@0.28+qwen3)"},
	[OPT_ALL] = {.name = "all", .letter = 'a', .help = "every tool and system block that differs"},
	[OPT_CHECK] = {.name = "check", .help = "exit with status 1 if B is worse than A"},
	[OPT_TOLERANCE] = {.name = "tolerance",
			   .arg = "PERCENT",
			   .help = "of B's prompt tokens may be prefilled again beyond A's share (default: 1)"},
	[OPT_STATIC] = {.name = "static", .help = "worse, too: the same client version sends another static prefix"},
	{0},
};

static const char *const examples[] = {
	"kvscope diff before.jsonl after.jsonl",
	"kvscope diff --engine vllm+qwen3 --check --tolerance 2 good.jsonl new.jsonl",
	"kvscope diff --json a.jsonl b.jsonl | jq .static_prefix.changes",
	NULL,
};

static void write_diff(const struct command_line *cl, const struct diff *d, unsigned worse, double tolerance,
		       struct buf *to)
{
	const struct text_style style = text_style_for(stdout, option_given(cl, OPT_ALL));

	if (cl->json) {
		diff_json(d, worse, tolerance, to);
		return;
	}
	diff_text(d, &style, to);
	if (option_given(cl, OPT_CHECK))
		diff_text_verdict(d, worse, tolerance, &style, to);
}

static int print_diff(const struct command_line *cl, const struct report reports[2], const struct cost costs[2],
		      const struct why verdicts[2], double tolerance)
{
	struct diff d;
	struct buf text;
	int status = EXIT_TROUBLE;

	buf_init(&text, BUF_UNLIMITED);
	if (diff_build(reports, costs, verdicts, &d) == 0) {
		unsigned worse = diff_worse(&d, tolerance);
		if (!option_given(cl, OPT_STATIC))
			worse &= ~(unsigned)DIFF_OTHER_PREFIX;
		write_diff(cl, &d, worse, tolerance, &text);
		status = option_given(cl, OPT_CHECK) && worse ? EXIT_FINDINGS : EXIT_OK;
	}
	if (status == EXIT_TROUBLE)
		msg_error("out of memory");
	else
		status = output_text(&text, status);
	diff_release(&d);
	buf_release(&text);
	return status;
}

static int diff_traces(const struct command_line *cl, struct input *in, double tolerance)
{
	struct report reports[2];
	struct cost costs[2];
	struct why verdicts[2];
	int status = EXIT_TROUBLE;
	char error[512];

	memset(reports, 0, sizeof(reports));
	memset(costs, 0, sizeof(costs));
	memset(verdicts, 0, sizeof(verdicts));
	for (int i = 0; i < 2; i++) {
		if (report_build(&in->traces[i], 1, &reports[i], error, sizeof(error)) < 0 ||
		    cost_build(&reports[i], NULL, &costs[i], error, sizeof(error)) < 0) {
			msg_error("diff: %s", error);
			goto out;
		}
		if (judge_by("diff", option_value(cl, OPT_ENGINE), &reports[i], &verdicts[i]) < 0)
			goto out;
		cost_of_misses(&costs[i], &verdicts[i]);
	}
	status = print_diff(cl, reports, costs, verdicts, tolerance);
out:
	for (int i = 0; i < 2; i++) {
		why_release(&verdicts[i]);
		cost_release(&costs[i]);
		report_release(&reports[i]);
	}
	return status;
}

static int run_diff(const struct command_line *cl)
{
	struct input in;
	double tolerance = TOLERANCE_DEFAULT;
	int status = EXIT_TROUBLE;

	if (cl->nargs != 2) {
		msg_error("diff: two traces are wanted, A and B");
		return EXIT_TROUBLE;
	}
	if (option_double(cl, OPT_TOLERANCE, 0, 100, &tolerance) < 0)
		return EXIT_TROUBLE;
	if (input_read("diff", cl->args, 2, &in) == 0)
		status = diff_traces(cl, &in, tolerance);
	input_release(&in);
	return status;
}

const struct command cmd_diff = {
	.name = "diff",
	.summary = "Compare two traces: client versions, or a fix off and on",
	.synopsis = "[OPTIONS] A B",
	.description =
		"Prompt tokens, cache misses and seconds of two traces side by side, and which tools and system\n"
		"blocks of their static prefixes differ. Without --engine each is judged by the backend that its\n"
		"responses show, else by what the client put on the wire.\n\n"
		"With --check the exit status is 1 when B has more unexpected misses than A, or when a larger share\n"
		"of its prompt tokens was prefilled again, beyond the tolerance. That a static prefix changed is\n"
		"shown; it counts only with --static, and only where both clients say that they are the same version.",
	.examples = examples,
	.options = options,
	.group = COMMAND_WORKSHOP,
	.takes_json = true,
	.run = run_diff,
};
