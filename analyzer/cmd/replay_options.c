/* SPDX-License-Identifier: MIT */
#include "cmd/replay_options.h"

#include "base/clock.h"
#include "cli/interrupt.h"
#include "cli/msg.h"
#include "client/base_url.h"

#include <string.h>

const struct option_spec replay_option_specs[] = {
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
	[OPT_UNLOAD] = {.name = "unload", .help = "load the model anew before every run (LM Studio, Ollama)"},
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

/* Calls take for each word between commas. 0, or -1 after having said which is unknown. */
static int each_word(const struct command_line *cl, int option, bool (*take)(struct session_settings *, struct str),
		     struct session_settings *s)
{
	struct str rest = str_from(option_value(cl, option));

	while (rest.n > 0) {
		const char *comma = memchr(rest.p, ',', rest.n);
		struct str word = {rest.p, comma ? (size_t)(comma - rest.p) : rest.n};
		if (!take(s, word)) {
			msg_error("replay: --%s: \"%.*s\" is not known", replay_option_specs[option].name,
				  STR_FMT(word));
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
	unsigned order = ORDER_ABBA, pace = PACE_ASAP, how = INLINE_KEEP;

	*s = (struct session_settings){.engine = option_value(cl, OPT_ENGINE), .model = option_value(cl, OPT_MODEL)};
	if (option_uint(cl, OPT_REPEAT, 1, 1000, &repeats) < 0 || option_uint(cl, OPT_LIMIT, 1, 1000000, &limit) < 0 ||
	    option_choice(cl, OPT_ORDER, orders, &order) < 0 || option_choice(cl, OPT_PACE, paces, &pace) < 0 ||
	    option_choice(cl, OPT_INLINE_SYSTEM, inlines, &how) < 0 || each_word(cl, OPT_FIX, take_fix, s) < 0 ||
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
	if (s->quick && s->full) {
		msg_error("replay: --quick or --full, not both");
		return -1;
	}
	s->resume = option_given(cl, OPT_RESUME);
	s->options = (struct replay_options){
		.inline_system = (enum inline_system)how,
		.pace = (enum pace)pace,
		.order = (enum arm_order)order,
		.repeats = (unsigned)repeats,
		.unload = option_given(cl, OPT_UNLOAD),
		.max_tokens = option_given(cl, OPT_PREFILL_ONLY) ? 1
			      : recorded                         ? -1
								 : (int64_t)tokens,
		.seed = clock_realtime_ns() / 1000,
		.stop = &interrupted,
	};
	*plan = (struct plan_options){.session = option_value(cl, OPT_SESSION), .limit = (size_t)limit};
	return 0;
}

static int read_backends(const struct command_line *cl, struct replay_backends *b)
{
	*b = (struct replay_backends){.nmain = 0};
	if (option_count(cl, OPT_BACKEND) > REPLAY_BACKENDS_MAX) {
		msg_error("replay: at most %d backends", REPLAY_BACKENDS_MAX);
		return -1;
	}
	for (size_t i = 0; i < option_count(cl, OPT_BACKEND); i++) {
		const char *url = option_nth(cl, OPT_BACKEND, i);
		bool side = strncmp(url, "side=", 5) == 0, main = strncmp(url, "main=", 5) == 0;
		struct base_url base;
		const char *why;
		/* All before the first of them is measured. */
		int status = base_url_parse(str_from(side || main ? url + 5 : url), &base, &why);
		base_url_release(&base);
		if (status < 0) {
			msg_error("replay: --backend: %s", why);
			return -1;
		}
		if (side && b->side) {
			msg_error("replay: one backend can take the side requests, not two");
			return -1;
		}
		if (side)
			b->side = url + 5;
		else
			b->main[b->nmain++] = main ? url + 5 : url;
	}
	if (b->nmain == 0) {
		msg_error("replay: which backend? --backend URL");
		return -1;
	}
	return 0;
}

int replay_options_read(const struct command_line *cl, struct session_settings *s, struct plan_options *plan,
			struct replay_backends *b)
{
	return read_settings(cl, s, plan) < 0 || read_backends(cl, b) < 0 ? -1 : 0;
}
