/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/msg.h"
#include "cmd/input.h"
#include "cost/cost.h"
#include "why/settings.h"
#include "why/why_text.h"

enum { OPT_ENGINE, OPT_ALL, OPT_CHECK };

static const struct option_spec options[] = {
	[OPT_ENGINE] = {.name = "engine",
			.letter = 'e',
			.arg = "ENGINE[@VERSION][+TEMPLATE]",
			.help = "judge by what this backend does to a prompt (vllm@0.28+qwen3)"},
	[OPT_ALL] = {.name = "all", .letter = 'a', .help = "every cause, expected ones too, and every miss"},
	[OPT_CHECK] = {.name = "check", .help = "exit with status 1 if there is an unexpected miss"},
	{0},
};

static const char *const examples[] = {
	"kvscope why",
	"kvscope why --engine vllm+qwen3 session.jsonl",
	"kvscope why --json | jq '.misses[] | select(.expected | not)'",
	NULL,
};

struct verdicts {
	struct why list[WHY_CANDIDATES];
	size_t n;
	uint64_t unexpected;
};

static int judge(struct report *report, const struct backend *backend, bool recognised, struct verdicts *v)
{
	char error[512];
	struct why *w = &v->list[v->n++];

	if (why_build(report, backend, recognised, w, error, sizeof(error)) < 0) {
		msg_error("why: %s", error);
		return -1;
	}
	v->unexpected += w->unexpected;
	return 0;
}

/* What each miss cost, by the time that the session took. */
static int price(const struct report *report, struct verdicts *v)
{
	const struct cost_options how = {.engine = v->list[0].recognised ? v->list[0].backend.engine : ENGINE_UNKNOWN};
	struct cost cost;
	char error[512];
	int result = cost_build(report, &how, &cost, error, sizeof(error));

	if (result < 0)
		msg_error("why: %s", error);
	for (size_t i = 0; result == 0 && i < v->n; i++)
		cost_of_misses(&cost, &v->list[i]);
	cost_release(&cost);
	return result;
}

static int judge_all(const struct command_line *cl, struct report *report, struct verdicts *v)
{
	const char *engine = option_value(cl, OPT_ENGINE);
	struct backend backend = why_recognise(report);
	const char *error;

	if (engine && backend_parse(str_from(engine), &backend, &error) < 0) {
		msg_error("why: --engine: \"%s\": %s", engine, error);
		return -1;
	}
	if (backend.engine != ENGINE_UNKNOWN)
		return judge(report, &backend, true, v);
	msg_note("the responses do not say which backend it was; one verdict each for some (--engine names one)");
	for (size_t i = 0; i < WHY_CANDIDATES; i++)
		if (judge(report, &why_candidates[i], false, v) < 0)
			return -1;
	return 0;
}

static void write_text(const struct command_line *cl, const struct report *report, const struct verdicts *v,
		       struct buf *to)
{
	const struct colours *c = colours_for(stdout);
	const struct why_text_style style = {.all = option_given(cl, OPT_ALL),
					     .bold = c->bold,
					     .dim = c->dim,
					     .red = c->red,
					     .green = c->green,
					     .yellow = c->yellow,
					     .reset = c->reset};
	for (size_t i = 0; i < v->n; i++) {
		if (i > 0)
			buf_putc(to, '\n');
		why_text(report, &v->list[i], &style, to);
	}
}

static int print_why(const struct command_line *cl, struct input *in)
{
	struct report report;
	struct verdicts v = {.n = 0};
	struct buf text;
	char error[512];
	int status = EXIT_TROUBLE;

	buf_init(&text, BUF_UNLIMITED);
	if (report_build(in->traces, in->n, &report, error, sizeof(error)) < 0) {
		msg_error("why: %s", error);
		goto out;
	}
	if (judge_all(cl, &report, &v) < 0 || price(&report, &v) < 0)
		goto out;
	if (cl->json)
		why_json(&report, v.list, v.n, &text);
	else
		write_text(cl, &report, &v, &text);
	if (text.failed) {
		msg_error("out of memory");
		goto out;
	}
	fwrite(text.p, 1, text.n, stdout);
	status = finish_stdout(option_given(cl, OPT_CHECK) && v.unexpected > 0 ? EXIT_FINDINGS : EXIT_OK);
out:
	while (v.n > 0)
		why_release(&v.list[--v.n]);
	report_release(&report);
	buf_release(&text);
	return status;
}

static int run_why(const struct command_line *cl)
{
	struct input in;
	int status = EXIT_TROUBLE;

	if (input_read("why", cl->args, (size_t)cl->nargs, &in) == 0)
		status = print_why(cl, &in);
	input_release(&in);
	return status;
}

const struct command cmd_why = {
	.name = "why",
	.summary = "Name the culprit of every prefix cache miss, and the fix",
	.synopsis = "[OPTIONS] [TRACE...]",
	.description =
		"For every request: how much of its prompt the same conversation had sent before, in the order in\n"
		"which the backend lays it out, where it first diverges, why, and what to do. Without TRACE: the\n"
		"newest one made in this directory, else the newest. Without --engine: the backend that the\n"
		"responses show; else one verdict each for some that differ.\n\n"
		"Expected misses (first request, compaction, another model, ...) are counted and not blamed.",
	.examples = examples,
	.options = options,
	.group = COMMAND_EVERYDAY,
	.takes_json = true,
	.run = run_why,
};
