/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "bench/result.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/msg.h"
#include "cmd/bench_system.h"
#include "cmd/output.h"
#include "engines/probe.h"
#include "report/units.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* LM Studio's. */
#define DEFAULT_URL "http://localhost:1234"
#define LIMIT_S 300.0
#define BUSY_LOAD 0.7 /* running processes per processor */

enum {
	OPT_BACKEND,
	OPT_ENGINE,
	OPT_MODEL,
	OPT_REPEAT,
	OPT_SYSTEM,
	OPT_SYSTEM_TOKENS,
	OPT_FROM_TRACE,
	OPT_QUERY_TOKENS,
	OPT_MAX_TOKENS,
	OPT_QUERIES,
	OPT_FULL,
	OPT_OUT,
	OPT_TIMEOUT,
};

static const struct option_spec options[] = {
	[OPT_BACKEND] = {.name = "backend",
			 .letter = 'b',
			 .arg = "URL",
			 .help = "what to measure (default " DEFAULT_URL ")"},
	[OPT_ENGINE] = {.name = "engine",
			.letter = 'e',
			.arg = "ENGINE[@VERSION]",
			.help = "what answers there, if it is not recognised (also: mock, openai)"},
	[OPT_MODEL] = {.name = "model", .arg = "NAME", .help = "model to ask for (default: the one that is loaded)"},
	[OPT_REPEAT] = {.name = "repeat", .letter = 'n', .arg = "N", .help = "repeats (default 3)"},
	[OPT_SYSTEM] = {.name = "system", .arg = "FILE", .help = "the system prompt"},
	[OPT_SYSTEM_TOKENS] = {.name = "system-tokens",
			       .arg = "N",
			       .help = "a made-up system prompt of about so many tokens (default 4000)"},
	[OPT_FROM_TRACE] = {.name = "from-trace",
			    .help = "the system prompt and tools of the trace that is named, or of the newest one"},
	[OPT_QUERY_TOKENS] = {.name = "query-tokens",
			      .arg = "LIST",
			      .help = "length of the query, one or more as in 50,500 (default 50)"},
	[OPT_MAX_TOKENS] = {.name = "max-tokens", .arg = "N", .help = "tokens of an answer at most (default 16)"},
	[OPT_QUERIES] = {.name = "queries", .arg = "N", .help = "queries of the projection (default 10)"},
	[OPT_FULL] = {.name = "full", .help = "all repeats, even if they take more than five minutes"},
	[OPT_OUT] = {.name = "out",
		     .letter = 'o',
		     .arg = "DIR",
		     .help = "write results.json, the answers and chart.svg there"},
	[OPT_TIMEOUT] = {.name = "timeout", .arg = "SECONDS", .help = "per request (default 3600)"},
	{0},
};

static const char *const examples[] = {
	"kvscope bench",
	"kvscope bench --backend http://localhost:8080 --system-tokens 8000 --out bench",
	"kvscope bench -b http://localhost:8000/v1 --from-trace session.jsonl",
	"kvscope bench -b http://localhost:8080 --json | jq '.sizes[0].whole.gain'",
	NULL,
};

/* ---- what people see while it runs */

static void show_progress(void *context, size_t done, size_t all, double left_s)
{
	char left[UNITS_CHARS];

	(void)context;
	if (!isatty(STDERR_FILENO) || all == 0)
		return;
	fprintf(stderr, "\r\033[K%zu of %zu requests, about %s left", done, all, units_seconds(left_s, left));
	fflush(stderr);
}

static void clear_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void show_note(void *context, const char *line)
{
	(void)context;
	msg_note("%s", line);
}

/* ---- the options */

static int read_sizes(const struct command_line *cl, const char *list, struct bench_options *o)
{
	char expected[80];

	o->nsizes = 0;
	for (const char *at = list;;) {
		char *end;
		errno = 0;
		long n = strtol(at, &end, 10);
		if (end == at || errno || n < 1 || n > 1000000 || o->nsizes == BENCH_SIZES_MAX ||
		    (*end && *end != ',')) {
			snprintf(expected, sizeof(expected), "a list of at most %d numbers from 1 to 1000000",
				 BENCH_SIZES_MAX);
			return option_wrong(cl, OPT_QUERY_TOKENS, list, expected);
		}
		o->query_tokens[o->nsizes++] = n;
		if (!*end)
			return 0;
		at = end + 1;
	}
}

static int read_options(const struct command_line *cl, struct bench_options *o, unsigned *queries,
			struct client_options *co)
{
	uint64_t repeats = 3, system = 4000, max = 16, n = 10;
	const char *sizes = option_value(cl, OPT_QUERY_TOKENS);
	unsigned sources =
		option_given(cl, OPT_SYSTEM) + option_given(cl, OPT_SYSTEM_TOKENS) + option_given(cl, OPT_FROM_TRACE);

	if (option_uint(cl, OPT_REPEAT, 1, 1000, &repeats) < 0 ||
	    option_uint(cl, OPT_SYSTEM_TOKENS, 1, 2000000, &system) < 0 ||
	    option_uint(cl, OPT_MAX_TOKENS, 1, 100000, &max) < 0 || option_uint(cl, OPT_QUERIES, 2, 100000, &n) < 0 ||
	    option_double(cl, OPT_TIMEOUT, 1, 1e6, &co->request_s) < 0 || read_sizes(cl, sizes ? sizes : "50", o) < 0)
		return -1;
	if (sources > 1) {
		msg_error("bench: of --system, --system-tokens and --from-trace only one can be meant");
		return -1;
	}
	if (cl->nargs > (option_given(cl, OPT_FROM_TRACE) ? 1 : 0)) {
		msg_error("bench: does not know what to do with \"%s\"", cl->args[cl->nargs - 1]);
		return -1;
	}
	o->repeats = (unsigned)repeats;
	o->system_tokens = (int64_t)system;
	o->max_tokens = (int64_t)max;
	o->limit_s = option_given(cl, OPT_FULL) ? 0 : LIMIT_S;
	o->seed = clock_realtime_ns() / 1000;
	o->stop = &interrupted;
	*queries = (unsigned)n;
	return 0;
}

/* The text, absent where it is to be made up. */
static int read_system(const struct command_line *cl, struct buf *out)
{
	if (option_given(cl, OPT_SYSTEM))
		return bench_system_file(option_value(cl, OPT_SYSTEM), out);
	if (option_given(cl, OPT_FROM_TRACE))
		return bench_system_trace(cl->nargs ? cl->args[0] : NULL, out);
	return 0;
}

/* ---- the backend */

static void tell_of_load(const struct base_url *base)
{
	double load;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (base->loopback && processors > 0 && getloadavg(&load, 1) == 1 && load > BUSY_LOAD * (double)processors)
		msg_note("this machine is busy (load %.1f on %ld processors): times will scatter and be too long", load,
			 processors);
}

static int find_backend(const struct command_line *cl, struct client *client, struct bench *b)
{
	char error[512];
	const char *why, *url = option_value(cl, OPT_BACKEND);

	b->url = url ? url : DEFAULT_URL;
	if (base_url_parse(str_from(b->url), &b->base, &why) < 0) {
		msg_error("bench: --backend: %s", why);
		return -1;
	}
	if (engine_detect(client, &b->base, option_value(cl, OPT_ENGINE), option_value(cl, OPT_MODEL), &b->facts, error,
			  sizeof(error)) < 0) {
		msg_error("bench: %s%s", error,
			  url ? "" : " (LM Studio's default address; --backend URL names another)");
		return -1;
	}
	if (b->facts.model_loaded == KNOWN_NO || !b->facts.model) {
		msg_error("bench: %s: no model is loaded", b->base.root);
		return -1;
	}
	if (b->facts.busy == KNOWN_YES) {
		msg_error("bench: %s is at work for somebody else: its times would say nothing", b->base.root);
		return -1;
	}
	tell_of_load(&b->base);
	if (engine_probe(client, &b->base, &b->facts, error, sizeof(error)) < 0) {
		msg_error("bench: %s", error);
		return -1;
	}
	if (b->facts.cached_reported == KNOWN_NO && b->facts.profile->cached_switch)
		msg_note("%s tells no cached tokens: start it with %s", b->facts.name, b->facts.profile->cached_switch);
	return 0;
}

/* ---- the files */

static int write_file(const char *dir, const char *name, const struct buf *content)
{
	struct buf path;
	int status = -1;

	buf_init(&path, 1 << 16);
	buf_printf(&path, "%s/%s", dir, name);
	if (path.failed)
		msg_error("bench: %s: the name is too long", dir);
	else
		status = output_file("bench", path.p, 0666, content);
	buf_release(&path);
	return status;
}

/* The answers of the first run with the cache on. */
static int write_answers(const struct bench *b, const char *dir)
{
	const struct bench_run *run = NULL;
	struct buf text;
	char name[40];
	int status = 0;

	for (size_t i = 0; i < b->nruns && !run; i++)
		if (b->runs[i].mode == BENCH_ON)
			run = &b->runs[i];
	buf_init(&text, (size_t)64 << 20);
	for (unsigned k = 0; run && k <= BENCH_WITH && status == 0; k++) {
		buf_reset(&text);
		bench_response_json(run, k, &text);
		if (k < BENCH_WITH)
			snprintf(name, sizeof(name), "response_%u.json", k + 1);
		else
			snprintf(name, sizeof(name), "response_baseline.json");
		status = write_file(dir, name, &text);
	}
	buf_release(&text);
	return status;
}

static int make_folder(const char *dir)
{
	struct stat st;
	int failed = mkdir(dir, 0777) < 0 && errno != EEXIST ? errno
		     : stat(dir, &st) < 0                    ? errno
		     : !S_ISDIR(st.st_mode)                  ? ENOTDIR
		     : access(dir, W_OK | X_OK) < 0          ? errno
							     : 0;
	if (!failed)
		return 0;
	msg_error("bench: %s: %s", dir, strerror(failed));
	return -1;
}

static int write_files(const struct bench *b, unsigned queries, const char *dir)
{
	struct buf json, chart;
	int status = -1;

	buf_init(&json, BUF_UNLIMITED);
	buf_init(&chart, BUF_UNLIMITED);
	bench_json(b, queries, &json);
	bench_chart(b, queries, &chart);
	if (write_answers(b, dir) == 0 && write_file(dir, "results.json", &json) == 0 &&
	    write_file(dir, "chart.svg", &chart) == 0)
		status = 0;
	buf_release(&json);
	buf_release(&chart);
	return status;
}

/* ---- the command */

static int print_result(const struct command_line *cl, const struct bench *b, unsigned queries)
{
	struct bench_figures f;
	struct buf out;

	buf_init(&out, BUF_UNLIMITED);
	if (cl->json)
		bench_json(b, queries, &out);
	else
		bench_text(b, queries, &out);
	bench_figures(b, 0, queries, &f);
	bool holds = f.proof == BENCH_PROVED || f.proof == BENCH_BY_TIME;
	int status = output_text(&out, b->stopped || f.proof == BENCH_UNKNOWN ? EXIT_TROUBLE
				       : holds                                ? EXIT_OK
									      : EXIT_FINDINGS);
	buf_release(&out);
	return status;
}

static int run_bench(const struct command_line *cl)
{
	struct bench b = {0};
	struct buf system;
	struct client_options co = {.retries = 2, .stop = &interrupted, .note = show_note};
	const struct bench_events events = {.progress = show_progress, .note = show_note};
	const char *why, *dir = option_value(cl, OPT_OUT);
	struct client *client = NULL;
	unsigned queries;
	char error[512];
	int status = EXIT_TROUBLE;

	buf_init(&system, (size_t)16 << 20);
	if (read_options(cl, &b.options, &queries, &co) < 0 || read_system(cl, &system) < 0)
		goto out;
	if (system.n)
		b.options.system = buf_str(&system);
	if (dir && make_folder(dir) < 0)
		goto out;
	client = client_new(&co, &why);
	if (!client) {
		msg_error("bench: %s", why);
		goto out;
	}
	interrupt_catch();
	if (find_backend(cl, client, &b) < 0)
		goto out;
	msg_note("%s at %s: a few minutes of requests that compute", b.facts.name, b.base.root);
	int sent = bench_run_all(&b, client, &events, error, sizeof(error));
	clear_progress();
	if (sent < 0) {
		msg_error("bench: %s", error);
		goto out;
	}
	/* What was measured is not lost for want of files. */
	bool kept = !dir || write_files(&b, queries, dir) == 0;
	status = print_result(cl, &b, queries);
	if (!kept)
		status = EXIT_TROUBLE;
out:
	client_free(client);
	bench_release(&b);
	buf_release(&system);
	return status;
}

const struct command cmd_bench = {
	.name = "bench",
	.summary = "Measure what a system prompt costs on a backend, cache off and on",
	.synopsis = "[OPTIONS] [TRACE]",
	.description = "Sends three requests with the same system prompt and one without it, with nothing reused and "
		       "with the\n"
		       "backend's prefix cache, a few times over, and says what the system prompt costs, what the "
		       "cache saves of\n"
		       "it, and what that comes to over several queries. Without --backend it asks LM Studio's default "
		       "address.\n"
		       "\n"
		       "What was reused is taken from the engine's own counts where it tells them. Times are of this "
		       "machine as\n"
		       "it was: let nothing else run. docs/interpreting.md tells how to read the result.\n"
		       "\n"
		       "Exit status 1: the engine's counts contradict the modes, so the figures do not hold.",
	.examples = examples,
	.options = options,
	.group = COMMAND_EVERYDAY,
	.takes_json = true,
	.run = run_bench,
};
