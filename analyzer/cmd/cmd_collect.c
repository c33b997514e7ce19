/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/json_out.h"
#include "cli/command.h"
#include "cli/msg.h"
#include "collect/collector.h"
#include "run/leftover.h"
#include "run/ring_users.h"
#include "run/trace_file.h"
#include "trace/excerpt.h"
#include "trace/place.h"
#include "trace/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define USERS_MAX 1024

enum { OPT_OUTPUT, OPT_NOW };

static const struct option_spec options[] = {
	[OPT_OUTPUT] = {.name = "output",
			.letter = 'o',
			.arg = "FILE",
			.help = "where the trace goes (default: beside the run's own, named NAME-later.jsonl)"},
	[OPT_NOW] = {.name = "now", .help = "take what is there and do not wait for processes that still live"},
	{0},
};

/* ---- the list */

struct list {
	struct json_out *json; /* NULL: for people */
	size_t n;
};

/* Words of a command line and names of folders may hold anything; a terminal gets them as text. */
static void print_escaped(const char *text)
{
	struct buf escaped;
	buf_init(&escaped, (size_t)16 << 20);
	escape_for_terminal(str_from(text), &escaped);
	fwrite(escaped.p ? escaped.p : "", 1, escaped.n, stdout);
	buf_release(&escaped);
}

static void print_command(char *const *command)
{
	for (size_t i = 0; command && command[i]; i++) {
		if (i > 0)
			putchar(' ');
		print_escaped(command[i]);
	}
}

static void list_one(void *context, const char *ring)
{
	struct list *list = context;
	struct leftover note;
	char error[512];

	if (leftover_read(ring, &note, error, sizeof(error)) < 0) {
		msg_error("%s", error);
		goto out;
	}
	size_t alive = ring_users(ring, NULL, 0);
	list->n++;
	if (list->json) {
		json_out_object(list->json, NULL);
		json_out_cstr(list->json, "ring", ring);
		json_out_array(list->json, "command");
		for (size_t i = 0; note.command[i]; i++)
			json_out_cstr(list->json, NULL, note.command[i]);
		json_out_end(list->json);
		json_out_cstr(list->json, "cwd", note.cwd);
		json_out_cstr(list->json, "trace", note.trace);
		json_out_uint(list->json, "alive", alive);
		json_out_end(list->json);
	} else {
		printf("%s\n  ", ring);
		print_command(note.command);
		if (note.cwd) {
			fputs("\n  in ", stdout);
			print_escaped(note.cwd);
		}
		printf("\n  %zu process%s alive\n", alive, alive == 1 ? "" : "es");
	}
out:
	leftover_release(&note);
}

static int list_orphans(const struct command_line *cl)
{
	struct buf text;
	struct json_out json = {0};
	struct list list = {.json = cl->json ? &json : NULL};

	buf_init(&text, (size_t)64 << 20);
	json_out_init(&json, &text, true);
	if (cl->json)
		json_out_array(&json, NULL);
	leftover_each(list_one, &list);
	if (cl->json) {
		json_out_end(&json);
		printf("%.*s\n", STR_FMT(buf_str(&text)));
	} else if (list.n == 0) {
		msg_note("there is no orphaned ring; nothing to collect");
	} else {
		msg_note("finish one with: kvscope collect RING");
	}
	buf_release(&text);
	return finish_stdout(EXIT_OK);
}

/* ---- collecting */

static void adopt_users(struct collector *c, const char *ring)
{
	int32_t *pids = calloc(USERS_MAX, sizeof(*pids));
	size_t n = pids ? ring_users(ring, pids, USERS_MAX) : 0;
	for (size_t i = 0; i < n && i < USERS_MAX; i++)
		collector_adopt(c, pids[i]);
	free(pids);
}

/* What the run wrote before it was killed is not written again. */
static void skip_written(struct collector *c, const char *trace)
{
	struct trace written;
	char error[512];
	if (trace_read(trace, &written, error, sizeof(error)) == 0) {
		for (size_t i = 0; i < written.nexchanges; i++)
			collector_skip(c, written.exchanges[i].pid, written.exchanges[i].times.request_start);
		for (size_t i = 0; i < written.nopaque; i++)
			collector_skip(c, written.opaque[i].pid, written.opaque[i].start_ns);
	}
	trace_release(&written);
}

/* Until no process of the run is left, or somebody has had enough of waiting: false. */
static bool wait_for_users(struct collector *c, const char *ring)
{
	const struct timespec period = {.tv_nsec = COLLECTOR_POLL_MS * 1000000L}, none = {0};
	sigset_t enough, before;
	bool patient = true;

	sigemptyset(&enough);
	sigaddset(&enough, SIGINT);
	sigaddset(&enough, SIGTERM);
	sigaddset(&enough, SIGHUP);
	sigprocmask(SIG_BLOCK, &enough, &before);
	if (collector_alive(c) > 0)
		msg_note("waiting for %zu process%s (Ctrl-C: stop here, collect the rest later)", collector_alive(c),
			 collector_alive(c) == 1 ? "" : "es");
	for (;;) {
		if (collector_alive(c) == 0)
			collector_hurry(c);
		int n = collector_poll(c);
		if (n < 0)
			break;
		if (collector_alive(c) == 0 && !collector_behind(c)) {
			/* A child that has not recorded anything is known from /proc alone. */
			adopt_users(c, ring);
			if (collector_alive(c) == 0)
				break;
		}
		if (sigtimedwait(&enough, NULL, collector_alive(c) == 0 && collector_behind(c) ? &none : &period) > 0) {
			patient = false;
			break;
		}
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return patient;
}

/* A name in the default place, for when there is none beside the run's own trace. */
static char *default_output(const struct leftover *note)
{
	char error[512], *fallback = NULL, *path = NULL;
	char *folder = trace_place_folder(&fallback, error, sizeof(error));
	if (!folder)
		msg_error("%s", error);
	else
		path = trace_place_new(folder, note->command && note->command[0] ? note->command[0] : "collect",
				       clock_realtime_ns(), getpid());
	free(folder);
	free(fallback);
	return path;
}

/* Opens the collector, with *trace set to where it writes; the caller frees it in either case. */
static int open_collector(const struct command_line *cl, const char *ring, const struct leftover *note, char **trace,
			  struct collector **out)
{
	static const char *const nothing[] = {NULL};
	const char *output = option_value(cl, OPT_OUTPUT);
	char error[512] = "out of memory";
	struct trace_header header = {
		.command = note->command ? (const char *const *)note->command : nothing,
		.cwd = note->cwd,
		.capture_mode = note->upstream ? "relay" : "preload",
		.upstream = note->upstream,
		.content = note->content,
	};

	if (output && trace_file_check(output, error, sizeof(error)) < 0)
		goto fail;
	if (output)
		*trace = strdup(output);
	else if (note->trace)
		*trace = trace_file_later(note->trace);
	if (*trace && collector_open(ring, *trace, output != NULL, &header, out, error, sizeof(error)) == 0)
		return 0;
	if (output)
		goto fail;
	/* Its folder is gone, or has become read-only. */
	free(*trace);
	*trace = default_output(note);
	if (*trace && collector_open(ring, *trace, false, &header, out, error, sizeof(error)) == 0)
		return 0;
fail:
	msg_error("%s", error);
	return -1;
}

static void say_result(const struct collector_summary *s, const char *trace, const char *ring, bool kept)
{
	if (s->ring_corrupt)
		msg_error("%s is damaged: the trace ends there", ring);
	if (s->trace_error[0])
		msg_error("%s", s->trace_error);
	if (trace)
		msg_note("%" PRIu64 " request%s; trace: %s", s->exchanges, s->exchanges == 1 ? "" : "s", trace);
	else
		msg_note("nothing was left to collect");
	if (kept)
		msg_note("%" PRIu64 " process%s still live: kvscope collect %s", s->alive, s->alive == 1 ? "" : "es",
			 ring);
}

/* unnoted: why there is no note of the run, NULL: there is one. */
static int collect_ring(const struct command_line *cl, const char *ring, const struct leftover *note,
			const char *unnoted)
{
	struct collector *collector;
	struct collector_summary summary;
	struct collector_end end = {.exit_status = -1, .signal = -1};
	char *trace = NULL;

	if (open_collector(cl, ring, note, &trace, &collector) < 0) {
		free(trace);
		return EXIT_TROUBLE;
	}
	if (unnoted)
		msg_note("%s; only lengths and hashes are kept", unnoted);
	adopt_users(collector, ring);
	if (note->trace)
		skip_written(collector, note->trace);
	if (option_given(cl, OPT_NOW))
		collector_hurry(collector);
	else
		end.leave_open = !wait_for_users(collector, ring) && collector_alive(collector) > 0;
	collector_finish(collector, &end, &summary);

	bool empty = summary.exchanges == 0 && summary.opaque == 0 && summary.holes == 0 && summary.lost_records == 0;
	if (empty && !option_given(cl, OPT_OUTPUT))
		unlink(trace);
	if (!end.leave_open)
		leftover_remove(ring);
	say_result(&summary, empty && !option_given(cl, OPT_OUTPUT) ? NULL : trace, ring, end.leave_open);
	free(trace);
	return summary.ring_corrupt || summary.trace_error[0] ? EXIT_TROUBLE : EXIT_OK;
}

static int run_collect(const struct command_line *cl)
{
	struct leftover note = {0};
	char error[512];

	if (cl->nargs == 0)
		return list_orphans(cl);
	if (cl->nargs > 1) {
		msg_error("collect: one ring at a time");
		return EXIT_TROUBLE;
	}
	char *ring = realpath(cl->args[0], NULL);
	if (!ring) {
		msg_error("%s: %s", cl->args[0], strerror(errno));
		return EXIT_TROUBLE;
	}
	/* A ring whose note is missing is collected all the same; but nothing then says that content may be kept. */
	bool noted = leftover_read(ring, &note, error, sizeof(error)) == 0;
	if (!noted)
		note.content = CONTENT_NONE;
	int status = collect_ring(cl, ring, &note, noted ? NULL : error);
	leftover_release(&note);
	free(ring);
	return status;
}

static const char *const examples[] = {
	"kvscope collect",
	"kvscope collect --now /dev/shm/kvscope-…/ring",
	NULL,
};

const struct command cmd_collect = {
	.name = "collect",
	.summary = "Finish the trace of a run that was killed, or whose processes lived on",
	.synopsis = "[OPTIONS] [RING]",
	.description =
		"Without RING, lists the rings of yours that nobody collects from. With one, writes what is in it to "
		"a\n"
		"trace of its own beside the run's, waits until the processes that use it have ended, and removes it.",
	.examples = examples,
	.options = options,
	.group = COMMAND_WORKSHOP,
	.takes_json = true,
	.run = run_collect,
};
