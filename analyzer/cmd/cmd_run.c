/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "cli/command.h"
#include "cli/msg.h"
#include "collect/collector.h"
#include "kvscope/env.h"
#include "run/afterword.h"
#include "run/env.h"
#include "run/explain.h"
#include "run/fix.h"
#include "run/launch.h"
#include "run/leftover.h"
#include "run/preflight.h"
#include "run/relayed.h"
#include "run/trace_file.h"
#include "trace/place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for a body of 5 MB that a client hands over in one call: at 4 MiB most of such were lost between two polls. */
#define RING_BYTES_DEFAULT ((uint64_t)8 << 20)
#define RING_BYTES_MAX ((uint64_t)KVS_RING_SLOTS_MAX * KVS_SLOT_BYTES)
#define KEEP_DEFAULT 50
/* Processes that the command left behind get this long for what is on its way, or to end as well. */
#define GRACE_QUIET_MS 100
#define GRACE_MAX_MS 1000

enum { OPT_OUTPUT, OPT_CONTENT, OPT_UPSTREAM, OPT_CACERT, OPT_RING_SIZE, OPT_NO_FOLLOW, OPT_KEEP, OPT_FIX, OPT_QUIET };

static const struct option_spec options[] = {
	[OPT_OUTPUT] = {.name = "output", .letter = 'o', .arg = "FILE", .help = "where the trace goes"},
	[OPT_CONTENT] = {.name = "content",
			 .arg = "full|none",
			 .help = "keep bodies, or only their lengths and keyed hashes (default: full)"},
	[OPT_UPSTREAM] = {.name = "upstream",
			  .arg = "URL",
			  .help = "record by a relay on loopback in front of this server, for TLS and static programs"},
	[OPT_CACERT] = {.name = "cacert",
			.arg = "FILE",
			.help = "certificates that the relay trusts besides the usual ones"},
	[OPT_RING_SIZE] = {.name = "ring-size",
			   .arg = "SIZE",
			   .help = "memory between client and collector (default: 8M)"},
	[OPT_NO_FOLLOW] = {.name = "no-follow", .help = "record the command alone, not the programs it starts"},
	[OPT_KEEP] = {.name = "keep",
		      .arg = "N",
		      .help = "how many traces to keep in the default place (default: 50; 0: all)"},
	[OPT_FIX] = {.name = "fix", .help = "set what the last trace of this command made here asks for, and say what"},
	[OPT_QUIET] = {.name = "quiet", .letter = 'q', .help = "say nothing unless something goes wrong"},
	{0},
};

struct run {
	char **argv;
	const char *output; /* NULL: the default place */
	enum content_mode content;
	uint64_t ring_bytes;
	uint64_t keep;
	bool follow;
	bool relay; /* through `relayed`, in place of the preloaded library */
	struct relayed relayed;
	bool wants_fix, quiet;

	struct launch launch;
	struct preflight preflight;
	struct fix fix;
	bool said; /* the one line before the command */
	/* Set while the command is watched. */
	struct collector *collector;
	char *folder; /* of the default place */
	char *trace;
	char *ring;
};

static int parse(const struct command_line *cl, struct run *r)
{
	static const char *const contents[] = {[CONTENT_FULL] = "full", [CONTENT_NONE] = "none", NULL};
	unsigned content = CONTENT_FULL;
	const char *upstream = option_value(cl, OPT_UPSTREAM);
	char error[512];

	r->argv = cl->args;
	r->output = option_value(cl, OPT_OUTPUT);
	r->ring_bytes = RING_BYTES_DEFAULT;
	r->keep = KEEP_DEFAULT;
	r->follow = !option_given(cl, OPT_NO_FOLLOW);
	r->wants_fix = option_given(cl, OPT_FIX);
	r->quiet = option_given(cl, OPT_QUIET);
	msg_quiet(r->quiet);
	if (cl->nargs == 0) {
		msg_error("run: which command? (kvscope run [OPTIONS] -- COMMAND [ARG...])");
		return -1;
	}
	if (option_choice(cl, OPT_CONTENT, contents, &content) < 0)
		return -1;
	r->content = (enum content_mode)content;
	r->relay = upstream != NULL;
	r->relayed.cacert = option_value(cl, OPT_CACERT);
	if (upstream && upstream_parse(upstream, &r->relayed.upstream, error, sizeof(error)) < 0) {
		msg_error("run: %s", error);
		return -1;
	}
	if (r->relayed.cacert && !r->relay) {
		msg_error("run: --cacert is for the relay: it needs --upstream");
		return -1;
	}
	if (option_size(cl, OPT_RING_SIZE, &r->ring_bytes) < 0 || option_uint(cl, OPT_KEEP, 0, 1000000, &r->keep) < 0)
		return -1;
	if (r->ring_bytes == 0 || r->ring_bytes > RING_BYTES_MAX) {
		msg_error("run: --ring-size: at most %" PRIu64 "M", RING_BYTES_MAX >> 20);
		return -1;
	}
	return 0;
}

/* Why the command will run without being watched. */
static void say_unwatched(struct run *r, const char *why)
{
	msg_error("%s runs, but nothing is recorded: %s", r->argv[0], why);
	r->said = true;
}

/* ---- before */

/* Sets r->trace. Returns EXIT_OK, or EXIT_TROUBLE after having said why there is no place for a trace. */
static int choose_trace(struct run *r)
{
	char error[512];

	if (r->output) {
		if (trace_file_check(r->output, error, sizeof(error)) < 0) {
			msg_error("%s", error);
			return EXIT_TROUBLE;
		}
		r->trace = strdup(r->output);
		return EXIT_OK;
	}
	char *fallback = NULL;
	r->folder = trace_place_folder(&fallback, error, sizeof(error));
	if (r->folder)
		r->trace = trace_place_new(r->folder, r->argv[0], clock_realtime_ns(), getpid());
	else
		say_unwatched(r, error);
	if (r->trace && fallback) {
		msg_note("%s; the trace goes to %s", fallback, r->folder);
		r->said = true;
	}
	free(fallback);
	return EXIT_OK;
}

static int apply_environment(struct run *r, const char *library)
{
	char linked[PATH_MAX];
	struct env_settings settings = {
		.library = library,
		.ring = r->ring,
		.follow = r->follow,
		.needs_asan = r->preflight.needs_asan,
	};
	if (!env_preloadable(library)) {
		if (leftover_link_library(r->ring, library, linked, sizeof(linked)) < 0)
			return -1;
		settings.library = linked;
	}
	return env_apply(&settings);
}

static void nothing(void *context)
{
	(void)context;
}

static void unwatch(struct run *r)
{
	if (r->relayed.process)
		relayed_finish(&r->relayed, COLLECTOR_POLL_MS, nothing, NULL);
	if (r->ring)
		leftover_remove(r->ring);
	free(r->ring);
	r->ring = NULL;
}

static int open_collector(struct run *r, char *error, size_t error_bytes)
{
	char cwd[PATH_MAX];
	struct trace_header header = {
		.command = (const char *const *)r->argv,
		.cwd = getcwd(cwd, sizeof(cwd)),
		.fix = (const char *const *)r->fix.settings,
		.capture_mode = r->relay ? "relay" : "preload",
		.upstream = r->relay ? r->relayed.upstream.url : NULL,
		.content = r->content,
	};
	return collector_open(r->ring, r->trace, r->output != NULL, &header, &r->collector, error, error_bytes);
}

/* For `kvscope collect`, should we not live to finish. Without it the ring is collected all the same. */
static void leave_note(struct run *r)
{
	char cwd[PATH_MAX];
	char *trace = realpath(r->trace, NULL);
	struct leftover note = {
		.ring = r->ring,
		.command = r->argv,
		.cwd = getcwd(cwd, sizeof(cwd)),
		.trace = trace,
		.upstream = r->relay ? r->relayed.upstream.url : NULL,
		.content = r->content,
	};
	leftover_write(&note);
	free(trace);
}

/*
 * Ring, trace and environment. What fails is said, and the command then runs unwatched; only a trace file that was
 * asked for by name and cannot be written is EXIT_TROUBLE.
 */
static int watch(struct run *r)
{
	char library[PATH_MAX], error[512];

	if (choose_trace(r) != EXIT_OK)
		return EXIT_TROUBLE;
	if (!r->trace)
		return EXIT_OK;
	if (!r->relay && env_find_shim(library) < 0) {
		snprintf(error, sizeof(error), KVS_SHIM_NAME " is not in %.400s", library);
		say_unwatched(r, error);
		return EXIT_OK;
	}
	if (ring_create(r->ring_bytes, &r->ring, error, sizeof(error)) < 0) {
		say_unwatched(r, error);
		return EXIT_OK;
	}
	/* Before the collector: it would inherit the lock that says that the ring has a reader. */
	if (r->relay && relayed_start(&r->relayed, r->ring, &r->launch.old_mask, error, sizeof(error)) < 0) {
		msg_error("run: %s", error);
		unwatch(r);
		return EXIT_TROUBLE;
	}
	if (open_collector(r, error, sizeof(error)) < 0) {
		unwatch(r);
		if (r->output) {
			msg_error("%s", error);
			return EXIT_TROUBLE;
		}
		say_unwatched(r, error);
		return EXIT_OK;
	}
	leave_note(r);
	if (r->relay && relayed_warn(&r->relayed))
		r->said = true;
	if ((r->relay ? relayed_environment(&r->relayed) : apply_environment(r, library)) < 0)
		say_unwatched(r, "the environment has no room for it");
	return EXIT_OK;
}

static void look(struct run *r)
{
	char words[PATH_MAX + 512];
	preflight_look(r->argv[0], &r->preflight);
	preflight_words(&r->preflight, r->argv[0], words, sizeof(words));
	if (words[0] && !r->relay && r->preflight.verdict != PREFLIGHT_NOT_FOUND &&
	    r->preflight.verdict != PREFLIGHT_NOT_EXECUTABLE) {
		msg_note("%s: its requests will not be seen", words);
		r->said = true;
	}
}

/* ---- after */

static void say_exec_failed(const struct run *r)
{
	char words[PATH_MAX + 512];
	int error = r->launch.end.exec_errno;
	/* exec says the same of a missing interpreter as of a missing command. */
	preflight_words(&r->preflight, r->argv[0], words, sizeof(words));
	if (error == ENOENT && r->preflight.asked[0] && words[0])
		msg_error("%s", words);
	else
		msg_error("%s: %s", r->argv[0], error == ENOENT ? "command not found" : strerror(error));
}

static void format_bytes(uint64_t n, char *out, size_t out_bytes)
{
	static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
	double v = (double)n;
	size_t unit = 0;
	while (v >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		v /= 1000;
		unit++;
	}
	snprintf(out, out_bytes, unit > 0 && v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[unit]);
}

static void format_count(uint64_t n, char *out, size_t out_bytes)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	size_t at = 0;
	for (int i = 0; i < length && at + 2 < out_bytes; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
}

static void headline(const struct collector_summary *s, char *out, size_t out_bytes)
{
	char bytes[32], tokens[64] = "", count[32], failed[48] = "";
	format_bytes(s->requests_bytes, bytes, sizeof(bytes));
	if (s->prompt_tokens >= 0) {
		format_count((uint64_t)s->prompt_tokens, count, sizeof(count));
		snprintf(tokens, sizeof(tokens), ", %s prompt tokens reported", count);
	}
	if (s->failed > 0)
		snprintf(failed, sizeof(failed), " (%" PRIu64 " failed)", s->failed);
	snprintf(out, out_bytes, "%" PRIu64 " request%s%s, %s sent%s", s->exchanges, s->exchanges == 1 ? "" : "s",
		 failed, bytes, tokens);
}

/* All that is said after the command. */
static void say_summary(const struct run *r, const struct collector_summary *s)
{
	char line[PATH_MAX + 1024];

	if (s->exchanges > 0) {
		headline(s, line, sizeof(line));
		msg_note("%s", line);
	} else {
		struct base_url_override override;
		explain_find_override(&override);
		struct explain_facts facts = {
			.command = r->argv[0],
			.preflight = &r->preflight,
			.summary = s,
			.override = &override,
			.disabled = getenv(KVS_ENV_DISABLE) != NULL,
			.relay = r->relay,
		};
		const struct text_style style = text_style_for(stderr, false);
		explain_nothing_seen(&facts, line, sizeof(line));
		msg_note("%s0 requests seen%s: %s", style.bold, style.reset, line);
	}
	if (s->lost_records > 0 || s->holes > 0)
		msg_note("%" PRIu64 " records were lost and %" PRIu64
			 " places in the streams are missing (--ring-size)",
			 s->lost_records, s->holes);
	if (s->ring_corrupt)
		msg_error("the ring was damaged: the trace ends there");
	if (s->trace_error[0])
		msg_error("%s", s->trace_error);
	if (s->alive > 0)
		msg_note("%" PRIu64
			 " process%s of the run live%s on; to finish the trace when they end: kvscope collect %s",
			 s->alive, s->alive == 1 ? "" : "es", s->alive == 1 ? "s" : "", r->ring);
	if (s->exchanges > 0 && !r->quiet)
		afterword_say(r->trace);
	msg_note("trace: %s; next: kvscope report%s%s", r->trace, r->output ? " " : "", r->output ? r->output : "");
}

static void tick(void *context)
{
	struct run *r = context;
	collector_poll(r->collector);
}

static void linger(struct run *r)
{
	int quiet_ms = 0;
	if (r->relayed.process)
		relayed_finish(&r->relayed, COLLECTOR_POLL_MS, tick, r);
	collector_poll(r->collector);
	for (int ms = 0; ms < GRACE_MAX_MS && quiet_ms < GRACE_QUIET_MS && collector_alive(r->collector) > 0;
	     ms += COLLECTOR_POLL_MS) {
		if (!launch_linger(COLLECTOR_POLL_MS))
			return;
		quiet_ms = collector_poll(r->collector) > 0 ? 0 : quiet_ms + COLLECTOR_POLL_MS;
	}
}

static void finish(struct run *r)
{
	struct collector_summary summary;
	struct collector_end end = {.exit_status = r->launch.end.exit_status, .signal = r->launch.end.signal};

	linger(r);
	end.leave_open = collector_alive(r->collector) > 0;
	collector_finish(r->collector, &end, &summary);
	if (r->launch.end.exec_errno == 0)
		say_summary(r, &summary);
	else
		unlink(r->trace);
	if (summary.alive == 0)
		unwatch(r);
	if (r->folder && r->keep > 0)
		trace_place_prune(r->folder, (size_t)r->keep);
	leftover_sweep();
}

static void release(struct run *r)
{
	fix_release(&r->fix);
	free(r->folder);
	free(r->trace);
	free(r->ring);
}

static int run_run(const struct command_line *cl)
{
	struct run r = {0};

	if (parse(cl, &r) < 0)
		return EXIT_TROUBLE;
	launch_init(&r.launch);
	look(&r);
	if (r.wants_fix)
		fix_apply(r.argv[0], &r.fix);
	/* What cannot be executed leaves no trace; exec, not we, has the last word on that. */
	if (r.preflight.verdict != PREFLIGHT_NOT_FOUND && r.preflight.verdict != PREFLIGHT_NOT_EXECUTABLE &&
	    watch(&r) != EXIT_OK) {
		release(&r);
		return EXIT_TROUBLE;
	}

	if (launch_start(&r.launch, r.argv) < 0)
		r.launch.end.exec_errno = errno;
	else if (r.relayed.process)
		relay_process_command(r.relayed.process, r.launch.pid);
	launch_wait(&r.launch, COLLECTOR_POLL_MS, r.collector ? tick : NULL, &r);
	if (r.launch.end.exec_errno)
		say_exec_failed(&r);
	if (r.collector)
		finish(&r);
	release(&r);
	launch_end_like(&r.launch.end);
}

static const char *const examples[] = {
	"kvscope run -- claude",
	"kvscope run -o session.jsonl -- claude -p \"say hello\"",
	"kvscope run --content none -- python3 agent.py",
	"kvscope run --upstream https://api.anthropic.com -- claude",
	NULL,
};

const struct command cmd_run = {
	.name = "run",
	.summary = "Run a command and record its requests to language models",
	.synopsis = "[OPTIONS] -- COMMAND [ARG...]",
	.description =
		"The command runs in the foreground as without kvscope: terminal, signals, job control, standard "
		"streams\n"
		"and exit status are its own. Its requests are read by a preloaded library and written to a trace "
		"file,\n"
		"by default a dated one in $XDG_STATE_HOME/kvscope (~/.local/state/kvscope).\n\n"
		"With --upstream the command gets the address of a relay on loopback as its base URL instead, in\n"
		"ANTHROPIC_BASE_URL and OPENAI_BASE_URL: what passes through it is recorded on its way to that server. "
		"So\n"
		"sessions over TLS, and programs that cannot be preloaded, can be recorded, too.\n\n"
		"Without it, what the command sends over TLS is known by size and time only. A trace with full "
		"content\n"
		"holds the session in clear text; the file is readable by you alone.\n\n"
		"Exit status: that of the command; 127 or 126 if it cannot be executed; 2 for wrong usage or a FILE "
		"that\n"
		"cannot be written. A command killed by a signal ends kvscope by the same signal.",
	.examples = examples,
	.options = options,
	.group = COMMAND_EVERYDAY,
	.stops_at_first_argument = true,
	.run = run_run,
};
