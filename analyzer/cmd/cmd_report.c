/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "cli/command.h"
#include "cli/msg.h"
#include "cmd/follow_names.h"
#include "cmd/input.h"
#include "cmd/output.h"
#include "cmd/report_html.h"
#include "cost/forecast.h"
#include "report/report_json.h"
#include "report/report_text.h"
#include "trace/reader.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW_POLL_MS 250

enum { OPT_FOLLOW, OPT_ALL, OPT_HTML, OPT_ENGINE };

static const struct option_spec options[] = {
	[OPT_FOLLOW] = {.name = "follow",
			.letter = 'f',
			.help = "one line per request as it happens, until the run ends"},
	[OPT_ALL] = {.name = "all", .letter = 'a', .help = "do not shorten long tables"},
	[OPT_HTML] = {.name = "html", .arg = "FILE", .help = "write a page with charts instead (-: to stdout)"},
	[OPT_ENGINE] =
		{.name = "engine",
		 .letter = 'e',
		 .arg = "ENGINE[@VERSION][+TEMPLATE]",
		 .help = "the backend, where its answers do not show it: when its prefill ends, what it does to a "
			 "prompt"},
	{0},
};

static const char *const examples[] = {
	"kvscope report",
	"kvscope report --all session.jsonl",
	"kvscope report --json | jq '.tokens'",
	"kvscope report --html report.html",
	"kvscope report --follow          # in a second terminal",
	NULL,
};

/*
 * By the backend that is given or recognised, if any: where it does not say what it reused, that is estimated by what
 * its rules let a cache reuse.
 */
static int cost_of(const struct command_line *cl, struct report *report, struct cost *cost)
{
	const char *engine = option_value(cl, OPT_ENGINE), *what;
	struct backend backend = why_recognise(report);
	struct why why = {.nmisses = 0};
	char error[512];
	int result = 0;

	if (engine && backend_parse(str_from(engine), &backend, &what) < 0) {
		msg_error("report: --engine: \"%s\": %s", engine, what);
		return -1;
	}
	struct cost_options how = {.engine = engine ? backend.engine : ENGINE_UNKNOWN};
	if (backend.engine != ENGINE_UNKNOWN && report->all.tokens.cached_of == 0) {
		result = why_build(report, &backend, true, &why, error, sizeof(error));
		how.why = &why;
	}
	if (result < 0 || cost_build(report, &how, cost, error, sizeof(error)) < 0) {
		msg_error("report: %s", error);
		result = -1;
	}
	why_release(&why);
	return result;
}

static int print_report(const struct command_line *cl, struct trace *traces, size_t n)
{
	struct report report;
	struct cost cost = {0};
	struct anatomy anatomy = {.ntools = 0};
	struct buf text;
	char error[512];
	int status = EXIT_TROUBLE;

	buf_init(&text, BUF_UNLIMITED);
	if (report_build(traces, n, &report, error, sizeof(error)) < 0) {
		msg_error("report: %s", error);
		goto out;
	}
	if (cost_of(cl, &report, &cost) < 0)
		goto out;
	if (anatomy_build(&report, &cost, &anatomy, error, sizeof(error)) < 0) {
		msg_error("report: %s", error);
		goto out;
	}
	if (option_given(cl, OPT_HTML)) {
		status =
			report_html(option_value(cl, OPT_HTML), option_value(cl, OPT_ENGINE), &report, &cost, &anatomy);
		goto out;
	}
	if (cl->json) {
		report_json(&report, &cost, &anatomy, &text);
	} else {
		struct text_style style = text_style_for(stdout, option_given(cl, OPT_ALL));
		report_text(&report, &cost, &anatomy, &style, &text);
	}
	status = output_text(&text, EXIT_OK);
out:
	buf_release(&text);
	anatomy_release(&anatomy);
	cost_release(&cost);
	report_release(&report);
	return status;
}

static int report_files(const struct command_line *cl, char *const *paths, size_t n)
{
	struct input in;
	int status = EXIT_TROUBLE;

	if (input_read("report", paths, n, &in) == 0)
		status = print_report(cl, in.traces, in.n);
	input_release(&in);
	return status;
}

/* How far the follower has told what is in the trace. */
struct told {
	size_t exchanges, requests;
	struct follow_names names;
};

/* Warns of requests that nobody has answered yet, where they will take long. */
static void print_forecasts(const struct report *report, const struct cost *cost, const struct told *told,
			    struct buf *to)
{
	const struct trace *trace = &report->traces[0];
	const struct text_style style = text_style_for(stdout, true);

	for (size_t i = told->requests; i < trace->nrequests; i++) {
		struct forecast f;
		if (trace_find_exchange(trace, trace->requests[i].id) != SIZE_MAX)
			continue;
		forecast_make(report, cost, &trace->requests[i], &f);
		if (!forecast_warns(&f))
			continue;
		buf_puts(to, style.yellow);
		forecast_text(&f, f.after ? follow_names_of(&told->names, f.after) : 0, to);
		buf_puts(to, style.reset);
	}
}

/* Prints the requests that have come since. */
static int print_news(struct trace *trace, struct told *told)
{
	struct report report;
	struct cost cost = {0};
	struct buf text;
	char error[512];
	int status = EXIT_TROUBLE;

	buf_init(&text, BUF_UNLIMITED);
	if (report_build(trace, 1, &report, error, sizeof(error)) < 0 ||
	    cost_build(&report, NULL, &cost, error, sizeof(error)) < 0) {
		msg_error("report: %s", error);
		goto out;
	}
	if (follow_names_read(&told->names, &report) < 0) {
		msg_error("report: out of memory");
		goto out;
	}
	struct text_style style = text_style_for(stdout, true);
	for (size_t i = 0; i < report.nexchanges; i++) {
		const struct report_exchange *e = &report.exchanges[i];
		if ((size_t)(e->x - trace->exchanges) >= told->exchanges)
			report_text_line(&report, e, follow_names_of(&told->names, e), &style, &text);
	}
	print_forecasts(&report, &cost, told, &text);
	status = output_text(&text, EXIT_OK);
out:
	buf_release(&text);
	cost_release(&cost);
	report_release(&report);
	return status;
}

/* Long traces take a while to look through: never spend more than a quarter of the time on it. */
static void wait_a_while(uint64_t busy_ns)
{
	uint64_t ns = FOLLOW_POLL_MS * NS_PER_MS;
	if (busy_ns * 3 > ns)
		ns = busy_ns * 3;
	struct timespec t = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
	nanosleep(&t, NULL);
}

static int follow(const char *path)
{
	struct trace trace;
	char error[512];
	struct told told = {0};
	int status = EXIT_TROUBLE;

	if (trace_open(path, &trace, error, sizeof(error)) < 0) {
		msg_error("report: %s", error);
		goto out;
	}
	for (;;) {
		uint64_t began = clock_monotonic_ns();
		if (trace_read_more(&trace, error, sizeof(error)) < 0) {
			msg_error("%s", error);
			goto out;
		}
		if (trace.nexchanges > told.exchanges || trace.nrequests > told.requests) {
			if (print_news(&trace, &told) != EXIT_OK)
				goto out;
			told.exchanges = trace.nexchanges;
			told.requests = trace.nrequests;
		}
		if (trace.warning) {
			msg_error("%s", trace.warning);
			goto out;
		}
		if (trace.has_footer)
			break;
		wait_a_while(clock_monotonic_ns() - began);
	}
	status = EXIT_OK;
out:
	follow_names_release(&told.names);
	trace_release(&trace);
	return status;
}

static int run_report(const struct command_line *cl)
{
	bool follows = option_given(cl, OPT_FOLLOW);
	char *const *paths = cl->args;
	size_t n = (size_t)cl->nargs;

	if (follows && (n > 1 || cl->json)) {
		msg_error(n > 1 ? "report: --follow wants one trace" : "report: --follow prints no JSON");
		return EXIT_TROUBLE;
	}
	if (follows && n > 0 && strcmp(paths[0], "-") == 0) {
		msg_error("report: --follow wants a file; a pipe is read to its end");
		return EXIT_TROUBLE;
	}
	if (option_given(cl, OPT_HTML) && (follows || cl->json)) {
		msg_error("report: --html goes with neither --follow nor --json");
		return EXIT_TROUBLE;
	}
	if (option_given(cl, OPT_ENGINE) && follows) {
		msg_error("report: --engine does not go with --follow");
		return EXIT_TROUBLE;
	}
	if (!follows)
		return report_files(cl, paths, n);
	char *newest = n == 0 ? input_newest("report") : NULL;
	int status = newest || n > 0 ? follow(n > 0 ? paths[0] : newest) : EXIT_TROUBLE;
	free(newest);
	return status;
}

const struct command cmd_report = {
	.name = "report",
	.summary = "Say where a session's time and tokens went",
	.synopsis = "[OPTIONS] [TRACE...]",
	.description = "Reads one or more traces and says which requests belong to one conversation, how many prompt\n"
		       "tokens were sent, how many of them the same conversation had sent before, how long the first\n"
		       "tokens took, and what the prompts were made of. Without TRACE: the newest one made in this\n"
		       "directory, else the newest.\n\n"
		       "Token counts are those that the backend reported; where it reported none they are estimated\n"
		       "from bytes and marked so (\"~\", \"estimated\"). What is not known is \"-\", or null in JSON.",
	.examples = examples,
	.options = options,
	.group = COMMAND_EVERYDAY,
	.takes_json = true,
	.run = run_report,
};
