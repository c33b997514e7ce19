/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/msg.h"
#include "run/fix.h"
#include "run/leftover.h"
#include "run/summary.h"
#include "trace/place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Room for a body of 5 MB that a client hands over in one call: at 4 MiB most of such were lost between two polls. */
#define RING_BYTES_DEFAULT ((uint64_t)8 << 20)
#define RING_BYTES_MAX ((uint64_t)KVS_RING_SLOTS_MAX * KVS_SLOT_BYTES)
#define KEEP_DEFAULT 50

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
	struct watch watch;
	uint64_t keep;
	bool wants_fix, quiet;

	struct launch launch;
	struct preflight preflight;
	struct fix fix;
};

static int parse(const struct command_line *cl, struct run *r)
{
	static const char *const contents[] = {[CONTENT_FULL] = "full", [CONTENT_NONE] = "none", NULL};
	unsigned content = CONTENT_FULL;
	const char *upstream = option_value(cl, OPT_UPSTREAM);
	struct watch *w = &r->watch;
	char error[512];

	w->argv = cl->args;
	w->output = option_value(cl, OPT_OUTPUT);
	w->ring_bytes = RING_BYTES_DEFAULT;
	w->follow = !option_given(cl, OPT_NO_FOLLOW);
	r->wants_fix = option_given(cl, OPT_FIX);
	r->quiet = option_given(cl, OPT_QUIET);
	msg_quiet(r->quiet);
	if (cl->nargs == 0) {
		msg_error("run: which command? (kvscope run [OPTIONS] -- COMMAND [ARG...])");
		return -1;
	}
	if (option_choice(cl, OPT_CONTENT, contents, &content) < 0)
		return -1;
	w->content = (enum content_mode)content;
	w->relay = upstream != NULL;
	w->relayed.cacert = option_value(cl, OPT_CACERT);
	if (upstream && upstream_parse(upstream, &w->relayed.upstream, error, sizeof(error)) < 0) {
		msg_error("run: %s", error);
		return -1;
	}
	if (w->relayed.cacert && !w->relay) {
		msg_error("run: --cacert is for the relay: it needs --upstream");
		return -1;
	}
	if (option_size(cl, OPT_RING_SIZE, &w->ring_bytes) < 0 || option_uint(cl, OPT_KEEP, 0, 1000000, &r->keep) < 0)
		return -1;
	if (w->ring_bytes == 0 || w->ring_bytes > RING_BYTES_MAX) {
		msg_error("run: --ring-size: at most %" PRIu64 "M", RING_BYTES_MAX >> 20);
		return -1;
	}
	return 0;
}

/* What cannot be executed leaves no trace; exec, not we, has the last word on that. */
static bool executable(const struct preflight *p)
{
	return p->verdict != PREFLIGHT_NOT_FOUND && p->verdict != PREFLIGHT_NOT_EXECUTABLE;
}

static void look(struct run *r)
{
	char words[PATH_MAX + 512];
	const char *command = r->watch.argv[0];

	preflight_look(command, &r->preflight);
	preflight_words(&r->preflight, command, words, sizeof(words));
	if (words[0] && !r->watch.relay && executable(&r->preflight))
		msg_note("%s: its requests will not be seen", words);
	r->watch.needs_asan = r->preflight.needs_asan;
}

static void say_exec_failed(const struct run *r)
{
	char words[PATH_MAX + 512];
	const char *command = r->watch.argv[0];
	int error = r->launch.end.exec_errno;

	/* exec says the same of a missing interpreter as of a missing command. */
	preflight_words(&r->preflight, command, words, sizeof(words));
	if (error == ENOENT && r->preflight.asked[0] && words[0])
		msg_error("%s", words);
	else
		msg_error("%s: %s", command, error == ENOENT ? "command not found" : strerror(error));
}

static void finish(struct run *r)
{
	struct collector_summary summary;

	watch_finish(&r->watch, &r->launch.end, &summary);
	if (r->launch.end.exec_errno == 0)
		summary_say(&r->watch, &r->preflight, &summary, !r->quiet);
	else
		unlink(r->watch.trace);
	if (r->watch.folder && r->keep > 0)
		trace_place_prune(r->watch.folder, (size_t)r->keep);
	leftover_sweep();
}

static void release(struct run *r)
{
	fix_release(&r->fix);
	watch_release(&r->watch);
}

static int run_run(const struct command_line *cl)
{
	struct run r = {.keep = KEEP_DEFAULT};
	struct watch *w = &r.watch;

	if (parse(cl, &r) < 0)
		return EXIT_TROUBLE;
	launch_init(&r.launch);
	look(&r);
	if (r.wants_fix)
		fix_apply(w->argv[0], &r.fix);
	w->fix = (const char *const *)r.fix.settings;
	if (executable(&r.preflight) && watch_start(w, &r.launch.old_mask) < 0) {
		release(&r);
		return EXIT_TROUBLE;
	}

	if (launch_start(&r.launch, w->argv) < 0)
		r.launch.end.exec_errno = errno;
	else if (w->relayed.process)
		relay_process_command(w->relayed.process, r.launch.pid);
	launch_wait(&r.launch, COLLECTOR_POLL_MS, w->collector ? watch_tick : NULL, w);
	if (r.launch.end.exec_errno)
		say_exec_failed(&r);
	if (w->collector)
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
