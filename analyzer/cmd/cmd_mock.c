/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/msg.h"
#include "mock/mock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Escaped as JSON its texts still fit one send of the HTTP server. */
#define SCRIPT_BYTES_MAX ((size_t)4 << 20)

enum {
	OPT_PORT,
	OPT_PREFILL_RATE,
	OPT_DECODE_RATE,
	OPT_CACHE_TOKENS,
	OPT_BLOCK,
	OPT_CACHE_MIN,
	OPT_CACHE_TTL,
	OPT_CACHE_LOOKBACK,
	OPT_CACHE_SEQUENCES,
	OPT_CACHE_TOKEN_BYTES,
	OPT_CACHE_WHOLE,
	OPT_CONTEXT,
	OPT_NO_CACHE,
	OPT_PARALLEL,
	OPT_SCRIPT,
	OPT_LOG,
	OPT_MODEL,
	OPT_SYSTEM_TURNS,
	OPT_BILLING,
	OPT_THINKING,
	OPT_HEAD,
	OPT_NO_REPORT,
	OPT_ENGINE,
	OPT_FLAG,
};

static const struct option_spec options[] = {
	[OPT_PORT] = {.name = "port", .letter = 'p', .arg = "N", .help = "port on 127.0.0.1 (default 0: any free one)"},
	[OPT_PREFILL_RATE] = {.name = "prefill-rate",
			      .arg = "RATE",
			      .help = "prompt tokens per second (default 4000; 0: no time)"},
	[OPT_DECODE_RATE] = {.name = "decode-rate",
			     .arg = "RATE",
			     .help = "output tokens per second (default 100; 0: no time)"},
	[OPT_CACHE_TOKENS] = {.name = "cache-tokens",
			      .arg = "N",
			      .help = "capacity of the prefix cache (default 262144)"},
	[OPT_BLOCK] = {.name = "block", .arg = "N", .help = "tokens per cache block (default 16, or the engine's)"},
	[OPT_CACHE_MIN] = {.name = "cache-min",
			   .arg = "N",
			   .help = "shortest prefix that is cached, of every model (default: the engine's)"},
	[OPT_CACHE_TTL] = {.name = "cache-ttl",
			   .arg = "SECONDS",
			   .help = "time to live of what is cached (default: the engine's)"},
	[OPT_CACHE_LOOKBACK] = {.name = "cache-lookback",
				.arg = "N",
				.help = "blocks that a breakpoint looks back (default: the engine's)"},
	[OPT_CACHE_SEQUENCES] = {.name = "cache-sequences",
				 .arg = "N",
				 .help = "sequences kept apart from slots (default: the engine's)"},
	[OPT_CACHE_TOKEN_BYTES] = {.name = "cache-token-bytes",
				   .arg = "N",
				   .help = "bytes of a token, for limits in bytes (default 131072)"},
	[OPT_CACHE_WHOLE] = {.name = "cache-whole",
			     .help = "a kept state cannot be shortened, as in models with windows"},
	[OPT_CONTEXT] = {.name = "context",
			 .arg = "N",
			 .help = "longest prompt in tokens (default: none, of engines 262144)"},
	[OPT_NO_CACHE] = {.name = "no-cache", .help = "prefill every prompt from its start"},
	[OPT_PARALLEL] = {.name = "parallel",
			  .arg = "N",
			  .help = "requests computed at a time, others wait (default 1, or the engine's)"},
	[OPT_SCRIPT] = {.name = "script", .arg = "FILE", .help = "what to answer (JSON, see docs/mock.md)"},
	[OPT_LOG] = {.name = "log", .arg = "FILE", .help = "write one JSON line per request"},
	[OPT_MODEL] = {.name = "model", .arg = "NAME", .help = "model named by /v1/models (default mock)"},
	[OPT_SYSTEM_TURNS] = {.name = "system-turns",
			      .arg = "HOW",
			      .help = "system turns in messages: keep, hoist, user, refuse (default keep)"},
	[OPT_BILLING] = {.name = "billing",
			 .arg = "HOW",
			 .help = "billing line in the system prompt: keep, mask, remove (default keep)"},
	[OPT_THINKING] = {.name = "thinking",
			  .arg = "HOW",
			  .help = "thinking in the history: keep, drop-old, drop (default keep)"},
	[OPT_HEAD] = {.name = "head", .arg = "FIRST", .help = "a prompt begins with: tools, system (default tools)"},
	[OPT_NO_REPORT] = {.name = "no-report", .help = "leave what was cached out of the usage"},
	[OPT_ENGINE] = {.name = "engine",
			.arg = "NAME[@VERSION]",
			.help = "imitate what a client sees of this engine; \"list\" says which there are"},
	[OPT_FLAG] = {.name = "flag",
		      .arg = "FLAG",
		      .help = "as if the engine had been started with this flag, such as metrics; may be repeated"},
	{0},
};

static const char *const examples[] = {
	"kvscope mock --port 8090 --log mock.jsonl",
	"kvscope mock --script examples/scripts/bash-loop.json --prefill-rate 2000",
	"kvscope mock --system-turns hoist --billing remove --head system",
	"kvscope mock --engine llama.cpp --flag slot-save-path=/tmp --flag cache-ram=0",
	NULL,
};

/* ---- SIGINT and SIGTERM end the loop: the handler writes to a pipe that the loop watches */

static int stop_pipe[2] = {-1, -1};
static struct loop *stop_loop;

static void on_signal(int number)
{
	int error = errno;
	char byte = (char)number;
	(void)!write(stop_pipe[1], &byte, 1);
	errno = error;
}

static void stop_ready(struct loop_fd *w, short revents)
{
	(void)w;
	(void)revents;
	loop_stop(stop_loop);
}

static int catch_signals(struct loop *l, struct loop_fd *watch)
{
	struct sigaction action = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};

	if (pipe(stop_pipe) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (fcntl(stop_pipe[i], F_SETFL, O_NONBLOCK) < 0 || fcntl(stop_pipe[i], F_SETFD, FD_CLOEXEC) < 0)
			return -1;
	stop_loop = l;
	*watch = (struct loop_fd){.fd = stop_pipe[0], .ready = stop_ready};
	if (loop_watch(l, watch, POLLIN) < 0 || sigaction(SIGINT, &action, NULL) < 0 ||
	    sigaction(SIGTERM, &action, NULL) < 0 || sigaction(SIGPIPE, &ignore, NULL) < 0)
		return -1;
	return 0;
}

static void release_signals(void)
{
	for (int i = 0; i < 2; i++)
		if (stop_pipe[i] >= 0)
			close(stop_pipe[i]);
}

/* ---- the command */

static int read_script(struct script *script, const char *path)
{
	struct buf text;
	char why[320];
	int status = -1;

	if (!path)
		return script_init(script);
	buf_init(&text, SCRIPT_BYTES_MAX);
	FILE *f = fopen(path, "r");
	if (!f) {
		msg_error("%s: %s", path, strerror(errno));
		goto out;
	}
	for (;;) {
		char *to = buf_reserve(&text, 65536);
		if (!to) {
			msg_error("%s: longer than %zu bytes", path, SCRIPT_BYTES_MAX);
			goto out;
		}
		size_t n = fread(to, 1, 65536, f);
		text.n += n;
		if (n == 0)
			break;
	}
	if (ferror(f)) {
		msg_error("%s: %s", path, strerror(errno));
		goto out;
	}
	if (script_parse(script, buf_str(&text), why, sizeof(why)) < 0) {
		msg_error("%s: %s", path, why);
		goto out;
	}
	status = 0;
out:
	if (f)
		fclose(f);
	buf_release(&text);
	return status;
}

static int read_rendering(const struct command_line *cl, struct mock_rendering *how)
{
	/* In the order of the enumerations in mock/render.h. */
	static const char *const system_turns[] = {"keep", "hoist", "user", "refuse", NULL};
	static const char *const billing[] = {"keep", "mask", "remove", NULL};
	static const char *const thinking[] = {"keep", "drop-old", "drop", NULL};
	static const char *const head[] = {"tools", "system", NULL};
	unsigned turns = how->system_turns, bill = how->billing, think = how->thinking, first = how->system_first;

	if (option_choice(cl, OPT_SYSTEM_TURNS, system_turns, &turns) < 0 ||
	    option_choice(cl, OPT_BILLING, billing, &bill) < 0 ||
	    option_choice(cl, OPT_THINKING, thinking, &think) < 0 || option_choice(cl, OPT_HEAD, head, &first) < 0)
		return -1;
	*how = (struct mock_rendering){(enum mock_system_turns)turns, (enum mock_billing)bill,
				       (enum mock_thinking)think, first == 1};
	return 0;
}

/* The engine and what its command line said. */
static int read_engine(const struct command_line *cl, struct mock_options *o)
{
	const char *name = option_value(cl, OPT_ENGINE);

	o->profile = mock_profile_named(name ? name : mock_profiles[0]->name, &o->version);
	if (!o->profile) {
		struct buf all;
		buf_init(&all, 1024);
		for (size_t i = 0; mock_profiles[i]; i++)
			buf_printf(&all, "%s%s", i ? ", " : "", mock_profiles[i]->name);
		msg_error("mock: --engine: \"%s\" is none of %s", name, all.failed ? "those known" : all.p);
		buf_release(&all);
		return -1;
	}
	o->settings = o->profile->settings;
	o->rendering = o->profile->rendering;
	for (size_t i = 0; i < option_count(cl, OPT_FLAG); i++) {
		const char *flag = option_nth(cl, OPT_FLAG, i);
		char why[160];
		int status = mock_settings_switch(&o->settings, o->profile->switches, flag, why, sizeof(why));
		if (status < 0)
			msg_error("mock: --flag: %s", why);
		else if (status > 0)
			msg_error("mock: --flag: \"%s\" is no flag that %s is known to have", flag, o->profile->title);
		if (status != 0)
			return -1;
	}
	return 0;
}

/* What the cache keeps: the mock's own options, behind the engine's. */
static int read_limits(const struct command_line *cl, struct mock_options *o)
{
	struct mock_limits *c = &o->settings.cache;
	const struct {
		int option;
		uint64_t min, max;
		size_t *to;
	} counts[] = {
		{OPT_PARALLEL, 1, 1000, &o->settings.parallel}, {OPT_CONTEXT, 1, 1000000000, &o->settings.context},
		{OPT_CACHE_TOKENS, 1, 1000000000, &c->tokens},  {OPT_BLOCK, 1, 4096, &c->block},
		{OPT_CACHE_MIN, 0, 1000000000, &c->min},        {OPT_CACHE_LOOKBACK, 1, 1000000, &c->lookback},
		{OPT_CACHE_SEQUENCES, 0, 1000000000, &c->kept}, {OPT_CACHE_TOKEN_BYTES, 1, 1000000000, &c->token_bytes},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint64_t n = *counts[i].to;
		if (option_uint(cl, counts[i].option, counts[i].min, counts[i].max, &n) < 0)
			return -1;
		*counts[i].to = (size_t)n;
	}
	if (option_double(cl, OPT_CACHE_TTL, 0, 1e6, &c->ttl_s) < 0)
		return -1;
	if (option_given(cl, OPT_CACHE_TOKENS)) {
		c->blocks = 0;
		c->kept_bytes = c->tokens * c->token_bytes;
	}
	o->any_model = option_given(cl, OPT_CACHE_MIN);
	if (option_given(cl, OPT_CACHE_WHOLE))
		c->whole = true;
	if (option_given(cl, OPT_NO_CACHE)) {
		c->tokens = 0;
		o->settings.state &= ~(unsigned)MOCK_CACHES;
	}
	if (c->block > 4096 || ((c->policy == POLICY_BLOCKS || c->policy == POLICY_RADIX) && c->block == 0) ||
	    o->settings.parallel == 0 || o->settings.parallel > 1000) {
		msg_error("mock: a block has 1 to 4096 tokens, and 1 to 1000 requests are computed at a time");
		return -1;
	}
	return 0;
}

static int read_options(const struct command_line *cl, struct mock_options *o)
{
	*o = (struct mock_options){.prefill_rate = 4000, .decode_rate = 100, .model = "mock"};
	if (read_engine(cl, o) < 0)
		return -1;
	uint64_t port = 0;
	if (option_uint(cl, OPT_PORT, 0, 65535, &port) < 0 ||
	    option_double(cl, OPT_PREFILL_RATE, 0, 1e9, &o->prefill_rate) < 0 ||
	    option_double(cl, OPT_DECODE_RATE, 0, 1e9, &o->decode_rate) < 0 || read_limits(cl, o) < 0 ||
	    read_rendering(cl, &o->rendering) < 0)
		return -1;
	if (cl->nargs > 0) {
		msg_error("mock: takes no argument, but got \"%s\"", cl->args[0]);
		return -1;
	}
	o->port = (uint16_t)port;
	if (option_given(cl, OPT_NO_REPORT))
		o->settings.state &= ~(unsigned)MOCK_REPORTS;
	if (option_given(cl, OPT_MODEL))
		o->model = option_value(cl, OPT_MODEL);
	return 0;
}

static int serve(const struct mock_options *o, struct script *script, FILE *log, const char *log_path)
{
	struct loop loop;
	struct loop_fd stop_watch;
	struct mock mock;
	int status = EXIT_TROUBLE;

	loop_init(&loop);
	if (catch_signals(&loop, &stop_watch) < 0) {
		msg_error("mock: %s", strerror(errno));
		goto out;
	}
	if (mock_open(&mock, &loop, o, script, log) < 0) {
		msg_error("mock: cannot listen on 127.0.0.1:%u: %s", o->port, strerror(errno));
		goto out;
	}
	printf("listening on http://127.0.0.1:%u\n", mock.server.port);
	status = finish_stdout(EXIT_OK);
	if (status == EXIT_OK && loop_run(&loop) < 0) {
		msg_error("mock: poll: %s", strerror(errno));
		status = EXIT_TROUBLE;
	}
	mock_release(&mock);
	if (mock.log_errno) {
		msg_error("%s: %s", log_path, strerror(mock.log_errno));
		status = EXIT_TROUBLE;
	}
out:
	release_signals();
	loop_release(&loop);
	return status;
}

/* What can be imitated: version, whether it was checked, and the flags that are known. */
static int list_engines(void)
{
	for (size_t i = 0; mock_profiles[i]; i++) {
		const struct mock_profile *p = mock_profiles[i];
		printf("%-11s %-11s %s%s\n", p->name, p->version, p->checked ? "checked with " : "",
		       p->checked ? p->checked
		       : i == 0   ? "imitates nobody"
				  : "unverified");
		const char *last = "";
		for (const struct mock_switch *w = p->switches; w && w->name; w++) {
			bool value = w->value >= VALUE_COUNT;
			if (strcmp(w->name, last) != 0)
				printf("%12s--flag %s%s\n", "", w->name, value ? "=N" : "");
			last = w->name;
		}
	}
	return finish_stdout(EXIT_OK);
}

static int run_mock(const struct command_line *cl)
{
	const char *engine = option_value(cl, OPT_ENGINE);
	if (engine && strcmp(engine, "list") == 0)
		return list_engines();

	struct mock_options o;
	struct script script = {0};
	FILE *log = NULL;
	const char *log_path = option_value(cl, OPT_LOG);
	int status = EXIT_TROUBLE;

	if (read_options(cl, &o) < 0 || read_script(&script, option_value(cl, OPT_SCRIPT)) < 0)
		goto out;
	if (log_path) {
		log = fopen(log_path, "we");
		if (!log) {
			msg_error("%s: %s", log_path, strerror(errno));
			goto out;
		}
	}
	status = serve(&o, &script, log, log_path);
out:
	if (log)
		fclose(log);
	script_release(&script);
	return status;
}

const struct command cmd_mock = {
	.name = "mock",
	.summary = "Serve scripted answers from a KV-cached backend on loopback",
	.synopsis = "[OPTIONS]",
	.description =
		"Stands in for an inference server: Anthropic Messages and OpenAI Chat Completions on 127.0.0.1, with "
		"a\n"
		"prefix cache that decides what is cached and a prefill and decode that take their time. No model is\n"
		"involved: answers come from a script, without one every request gets a short text.\n"
		"\n"
		"Prints \"listening on http://127.0.0.1:PORT\" when it is ready and runs until SIGINT or SIGTERM.\n"
		"\n"
		"Servers and chat templates change a prompt before their cache sees it: --system-turns, --billing,\n"
		"--thinking and --head imitate what they do, --no-report engines that do not tell what they had.\n"
		"--engine imitates all that a client sees of one engine: routes, headers, usage, resets, its cache.",
	.examples = examples,
	.options = options,
	.group = COMMAND_WORKSHOP,
	.run = run_mock,
};
