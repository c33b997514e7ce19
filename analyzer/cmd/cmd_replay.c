/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "cli/command.h"
#include "cli/msg.h"
#include "cmd/input.h"
#include "cmd/output.h"
#include "cmd/replay_session.h"
#include "replay/result_html.h"
#include "trace/place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OPT_BACKEND,
	OPT_ENGINE,
	OPT_MODEL,
	OPT_ARMS,
	OPT_FIX,
	OPT_REPEAT,
	OPT_ORDER,
	OPT_PREFILL_ONLY,
	OPT_MAX_TOKENS,
	OPT_PACE,
	OPT_INLINE_SYSTEM,
	OPT_SESSION,
	OPT_LIMIT,
	OPT_QUICK,
	OPT_FULL,
	OPT_RESUME,
	OPT_TIMEOUT,
	OPT_ALL,
	OPT_HTML,
	OPT_CACERT,
};

static const struct option_spec options[] = {
	[OPT_BACKEND] = {.name = "backend",
			 .letter = 'b',
			 .arg = "URL",
			 .help = "where to send it; several are ranked, side=URL takes the side requests"},
	[OPT_ENGINE] = {.name = "engine",
			.letter = 'e',
			.arg = "ENGINE[@VERSION][+TEMPLATE]",
			.help = "what answers there, if it is not recognised (also: mock, openai)"},
	[OPT_MODEL] = {.name = "model", .arg = "NAME", .help = "model to ask for (default: the one that is loaded)"},
	[OPT_ARMS] = {.name = "arms",
		      .arg = "LIST",
		      .help = "of off, asis, fixed, asis2 (default all; asis2 is asis again, for the noise floor)"},
	[OPT_FIX] = {.name = "fix",
		     .arg = "LIST",
		     .help = "an arm for each of strip-billing, pin-version-suffix, system-inline, drop-total-tokens, "
			     "sort-tools, keep-thinking"},
	[OPT_REPEAT] = {.name = "repeat", .letter = 'n', .arg = "N", .help = "how often each arm runs (default 5)"},
	[OPT_ORDER] = {.name = "order", .arg = "HOW", .help = "of the arms: abba (default), random"},
	[OPT_PREFILL_ONLY] = {.name = "prefill-only", .help = "one token per answer"},
	[OPT_MAX_TOKENS] = {.name = "max-tokens",
			    .arg = "N",
			    .help = "tokens per answer at most; recorded (default): as many as in the capture"},
	[OPT_PACE] = {.name = "pace",
		      .arg = "HOW",
		      .help = "asap (default): without the pauses of tools and people; recorded: with them"},
	[OPT_INLINE_SYSTEM] = {.name = "inline-system",
			       .arg = "HOW",
			       .help = "system turns in messages: keep (default), user, merge"},
	[OPT_SESSION] = {.name = "session", .arg = "ID", .help = "only the session whose id begins so"},
	[OPT_LIMIT] = {.name = "limit", .arg = "N", .help = "only the first N requests"},
	[OPT_QUICK] = {.name = "quick", .help = "a sample for the cold arm, three repeats at most"},
	[OPT_FULL] = {.name = "full", .help = "no sample, even if it takes more than ten minutes"},
	[OPT_RESUME] = {.name = "resume", .help = "go on with the same replay where it was stopped"},
	[OPT_TIMEOUT] = {.name = "timeout", .arg = "SECONDS", .help = "per request (default 3600)"},
	[OPT_ALL] = {.name = "all", .letter = 'a', .help = "every request in the table"},
	[OPT_HTML] = {.name = "html", .arg = "FILE", .help = "write a page with charts, too"},
	[OPT_CACERT] = {.name = "cacert", .arg = "FILE", .help = "certificates to trust (PEM)"},
	{0},
};

static const char *const examples[] = {
	"kvscope replay --backend http://localhost:8080 --prefill-only",
	"kvscope replay session.jsonl -b http://localhost:8000/v1 --fix strip-billing,system-inline",
	"kvscope replay -b http://gpu:8000 -b http://laptop:8080 -b side=http://laptop:8081",
	"kvscope replay -b http://localhost:8080 --json | jq '.speedup, .arms.off.verification'",
	NULL,
};

#define BACKENDS_MAX 16

static volatile sig_atomic_t interrupted;

/* The second one ends the program. */
static void on_interrupt(int number)
{
	interrupted = 1;
	signal(number, SIG_DFL);
}

/* ---- options */

static int choice(const struct command_line *cl, int option, const char *const *words, int *out)
{
	const char *value = option_value(cl, option);

	for (int i = 0; value && words[i]; i++) {
		if (strcmp(value, words[i]) == 0) {
			*out = i;
			return 0;
		}
	}
	if (value)
		msg_error("replay: --%s: \"%s\" is not known", options[option].name, value);
	return value ? -1 : 0;
}

/* Calls take for each word between commas. 0, or -1 after having said which is unknown. */
static int each_word(const struct command_line *cl, int option, bool (*take)(struct session_settings *, struct str),
		     struct session_settings *s)
{
	struct str rest = str_from(option_value(cl, option));

	while (rest.n > 0) {
		const char *comma = memchr(rest.p, ',', rest.n);
		struct str word = {rest.p, comma ? (size_t)(comma - rest.p) : rest.n};
		if (!take(s, word)) {
			msg_error("replay: --%s: \"%.*s\" is not known", options[option].name, STR_FMT(word));
			return -1;
		}
		rest.p += word.n + (comma != NULL);
		rest.n -= word.n + (comma != NULL);
	}
	return 0;
}

static bool take_fix(struct session_settings *s, struct str word)
{
	uint32_t fix = fix_named(word);
	s->fixes |= fix;
	return fix != 0;
}

static bool take_arm(struct session_settings *s, struct str word)
{
	static const char *const names[] = {"off", "asis", "fixed", "asis2"};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (str_eq(word, str_from(names[i]))) {
			s->arms[i] = true;
			return true;
		}
	}
	return false;
}

static int read_settings(const struct command_line *cl, struct session_settings *s, struct plan_options *plan)
{
	static const char *const orders[] = {"abba", "random", NULL}, *const paces[] = {"asap", "recorded", NULL};
	static const char *const inlines[] = {"keep", "user", "merge", NULL};
	const char *max_tokens = option_value(cl, OPT_MAX_TOKENS);
	uint64_t repeats = 5, limit = 0, tokens = 0;
	int order = ORDER_ABBA, pace = PACE_ASAP, how = INLINE_KEEP;

	*s = (struct session_settings){.engine = option_value(cl, OPT_ENGINE), .model = option_value(cl, OPT_MODEL)};
	if (option_uint(cl, OPT_REPEAT, 1, 1000, &repeats) < 0 || option_uint(cl, OPT_LIMIT, 1, 1000000, &limit) < 0 ||
	    choice(cl, OPT_ORDER, orders, &order) < 0 || choice(cl, OPT_PACE, paces, &pace) < 0 ||
	    choice(cl, OPT_INLINE_SYSTEM, inlines, &how) < 0 || each_word(cl, OPT_FIX, take_fix, s) < 0 ||
	    each_word(cl, OPT_ARMS, take_arm, s) < 0)
		return -1;
	bool recorded = !max_tokens || strcmp(max_tokens, "recorded") == 0;
	if (!recorded && option_uint(cl, OPT_MAX_TOKENS, 1, 10000000, &tokens) < 0)
		return -1;
	if (!option_given(cl, OPT_ARMS))
		s->arms[0] = s->arms[1] = s->arms[2] = s->arms[3] = true;
	if (s->fixes || s->arms[3])
		s->arms[1] = true; /* what they are compared with */
	s->arms_given = option_given(cl, OPT_ARMS);
	s->quick = option_given(cl, OPT_QUICK);
	s->full = option_given(cl, OPT_FULL);
	s->resume = option_given(cl, OPT_RESUME);
	s->options = (struct replay_options){
		.inline_system = (enum inline_system)how,
		.pace = (enum pace)pace,
		.order = (enum arm_order)order,
		.repeats = (unsigned)repeats,
		.max_tokens = option_given(cl, OPT_PREFILL_ONLY) ? 1
			      : recorded                         ? -1
								 : (int64_t)tokens,
		.seed = clock_realtime_ns() / 1000,
		.stop = &interrupted,
	};
	*plan = (struct plan_options){.session = option_value(cl, OPT_SESSION), .limit = (size_t)limit};
	return 0;
}

/* The backends in the order given; those of side requests apart. */
struct backends {
	const char *main[BACKENDS_MAX], *side[BACKENDS_MAX];
	size_t nmain, nside;
};

static int read_backends(const struct command_line *cl, struct backends *b)
{
	*b = (struct backends){.nmain = 0};
	if (option_count(cl, OPT_BACKEND) > BACKENDS_MAX) {
		msg_error("replay: at most %d backends", BACKENDS_MAX);
		return -1;
	}
	for (size_t i = 0; i < option_count(cl, OPT_BACKEND); i++) {
		const char *url = option_nth(cl, OPT_BACKEND, i);
		if (strncmp(url, "side=", 5) == 0)
			b->side[b->nside++] = url + 5;
		else
			b->main[b->nmain++] = strncmp(url, "main=", 5) == 0 ? url + 5 : url;
	}
	if (b->nmain == 0) {
		msg_error("replay: which backend? --backend URL");
		return -1;
	}
	return 0;
}

/* ---- running and printing */

static void note_wait(void *context, const char *line)
{
	(void)context;
	msg_note("%s", line);
}

static int write_page(const char *file, const struct result *list, size_t n)
{
	struct buf page;

	buf_init(&page, BUF_UNLIMITED);
	if (result_html(list, n, &page) < 0)
		page.failed = true;
	int status = output_page("replay", file, &page);
	buf_release(&page);
	return status;
}

static int print_text(const struct command_line *cl, const struct result *list, size_t n, int status)
{
	const struct text_style style = text_style_for(stdout, option_given(cl, OPT_ALL));
	struct buf text;

	buf_init(&text, BUF_UNLIMITED);
	if (cl->json)
		result_json(list, n, &text);
	else
		result_text(list, n, &style, &text);
	status = output_text(&text, status);
	buf_release(&text);
	return status;
}

static int print_results(const struct command_line *cl, const struct result *list, size_t n)
{
	const char *page = option_value(cl, OPT_HTML);
	bool rejected = false, stopped = false;

	for (size_t i = 0; i < n; i++) {
		stopped = stopped || list[i].replay->stopped;
		for (size_t a = 0; a < list[i].replay->narms; a++)
			rejected = rejected || list[i].summary.arms[a].verification.verdict == VERDICT_REJECTED;
	}
	int status = stopped ? EXIT_TROUBLE : rejected ? EXIT_FINDINGS : EXIT_OK;
	if (page && write_page(page, list, n) < 0)
		return EXIT_TROUBLE;
	return page && strcmp(page, "-") == 0 ? status : print_text(cl, list, n, status);
}

static int replay_all(const struct command_line *cl, struct client *client, struct report *report,
		      const struct plan *plan, const struct backends *b, struct session_settings *s)
{
	struct replay replays[2 * BACKENDS_MAX];
	struct result results[2 * BACKENDS_MAX];
	size_t n = 0, begun = 0;
	int status = EXIT_TROUBLE;

	/* Each main backend alone, then with the last one named for side requests. */
	const char *side = b->nside ? b->side[b->nside - 1] : NULL;
	for (size_t i = 0; i < b->nmain * (side ? 2 : 1) && !interrupted; i++) {
		const char *use = i < b->nmain ? NULL : side;
		if (session_replay(client, report, plan, b->main[i % b->nmain], use, s, &replays[begun]) < 0) {
			replay_release(&replays[begun]);
			continue;
		}
		results[n].replay = &replays[begun++];
		if (summary_build(results[n].replay, &results[n].summary) < 0) {
			msg_error("out of memory");
			n++;
			goto out;
		}
		n++;
	}
	if (n > 0) {
		result_rank(results, n);
		status = print_results(cl, results, n);
	}
out:
	for (size_t i = 0; i < n; i++)
		summary_release(&results[i].summary);
	for (size_t i = 0; i < begun; i++)
		replay_release(&replays[i]);
	return status;
}

static int with_client(const struct command_line *cl, struct report *report, const struct plan *plan,
		       const struct backends *b, struct session_settings *s)
{
	struct sigaction on = {.sa_handler = on_interrupt};
	struct client_options co = {
		.retries = 4, .ca_file = option_value(cl, OPT_CACERT), .stop = &interrupted, .note = note_wait};
	char error[512], *fallback = NULL;
	const char *why;
	int status = EXIT_TROUBLE;

	if (option_double(cl, OPT_TIMEOUT, 1, 1e6, &co.request_s) < 0)
		return EXIT_TROUBLE;
	struct client *client = client_new(&co, &why);
	if (!client) {
		msg_error("replay: %s", why);
		return EXIT_TROUBLE;
	}
	char *folder = trace_place_folder(&fallback, error, sizeof(error));
	s->state_folder = folder;
	sigaction(SIGINT, &on, NULL);
	sigaction(SIGTERM, &on, NULL);
	status = replay_all(cl, client, report, plan, b, s);
	free(folder);
	free(fallback);
	client_free(client);
	return status;
}

static int replay_traces(const struct command_line *cl, struct input *in, const struct backends *b,
			 struct session_settings *s, const struct plan_options *po)
{
	struct report report;
	struct plan plan = {0};
	char error[512];
	int status = EXIT_TROUBLE;

	if (report_build(in->traces, in->n, &report, error, sizeof(error)) < 0 ||
	    plan_build(&report, po, &plan, error, sizeof(error)) < 0)
		msg_error("replay: %s", error);
	else
		status = with_client(cl, &report, &plan, b, s);
	plan_release(&plan);
	report_release(&report);
	return status;
}

static int run_replay(const struct command_line *cl)
{
	struct session_settings s;
	struct plan_options po;
	struct backends b;
	struct input in = {0};
	int status = EXIT_TROUBLE;

	if (read_settings(cl, &s, &po) < 0 || read_backends(cl, &b) < 0)
		return EXIT_TROUBLE;
	if (input_read("replay", cl->args, (size_t)cl->nargs, &in) == 0)
		status = replay_traces(cl, &in, &b, &s, &po);
	input_release(&in);
	return status;
}

const struct command cmd_replay = {
	.name = "replay",
	.summary = "Measure the session on a backend: cache off, as is, fixed",
	.synopsis = "[OPTIONS] --backend URL [TRACE...]",
	.description = "Sends the captured requests again, in arms that differ in one thing: nothing reused (off), as "
		       "captured\n"
		       "with the cache on (asis), with the fixes that help against this backend's prefix breakers "
		       "(fixed). Each\n"
		       "arm is proved by the engine's own count of cached tokens: a cold one that was not cold is "
		       "rejected.\n\n"
		       "Requests are sent byte for byte as captured but for what must change, and the result says what "
		       "that is.\n"
		       "Ctrl-C keeps and reports what is done. Keys come from ANTHROPIC_API_KEY, OPENAI_API_KEY or "
		       "~/.netrc.\n\n"
		       "Exit status: 0; 1 when an arm was rejected; 2 when it was stopped or could not be done.",
	.examples = examples,
	.options = options,
	.group = COMMAND_EVERYDAY,
	.takes_json = true,
	.run = run_replay,
};
