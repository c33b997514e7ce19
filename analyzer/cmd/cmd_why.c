/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/msg.h"
#include "cmd/input.h"
#include "cmd/output.h"
#include "cost/cost.h"
#include "engines/probe.h"
#include "why/ask.h"
#include "why/candidates.h"
#include "why/why_text.h"

enum { OPT_ENGINE, OPT_BACKEND, OPT_ALL, OPT_CHECK };

static const struct option_spec options[] = {
	[OPT_ENGINE] = {.name = "engine",
			.letter = 'e',
			.arg = "ENGINE[@VERSION][+TEMPLATE]",
			.help = "judge by what this backend does to a prompt (vllm@0.28+qwen3)"},
	[OPT_BACKEND] = {.name = "backend",
			 .arg = "URL",
			 .help = "judge by this running server, and let its template and tokenizer count"},
	[OPT_ALL] = {.name = "all", .letter = 'a', .help = "every cause, expected ones too, and every miss"},
	[OPT_CHECK] = {.name = "check", .help = "exit with status 1 if there is an unexpected miss"},
	{0},
};

static const char *const examples[] = {
	"kvscope why",
	"kvscope why --engine vllm+qwen3 session.jsonl",
	"kvscope why --backend http://localhost:8080",
	"kvscope why --json | jq '.misses[] | select(.expected | not)'",
	NULL,
};

/* A server that is asked. Sends nothing before judge_all has found misses. */
struct asked {
	struct client *client; /* NULL: none was named */
	struct base_url base;
	struct engine_facts facts;
};

/* What its template was seen to do. */
static void say_layout(const struct engine_facts *f)
{
	bool turns = f->system_turns != FATE_UNKNOWN, head = f->head_order != HEAD_UNKNOWN;
	if (turns || head)
		msg_note("%s, by its own template: %s%s%s%s", f->name,
			 turns ? "system turns inside messages[] are " : "",
			 turns ? system_turn_fate_name(f->system_turns) : "", turns && head ? ", " : "",
			 head ? head_order_name(f->head_order) : "");
}

static int connect_to(const struct command_line *cl, struct asked *a)
{
	const struct client_options how = {.connect_s = 5, .request_s = 120};
	const char *url = option_value(cl, OPT_BACKEND), *what;
	char error[400];

	if (!url)
		return 0;
	if (base_url_parse(str_from(url), &a->base, &what) < 0) {
		msg_error("why: --backend: %s", what);
		return -1;
	}
	a->client = client_new(&how, &what);
	if (!a->client) {
		msg_error("why: %s", what);
		return -1;
	}
	if (engine_detect(a->client, &a->base, option_value(cl, OPT_ENGINE), NULL, &a->facts, error, sizeof(error)) <
	    0) {
		msg_error("why: %s", error);
		return -1;
	}
	engine_ask_layout(a->client, &a->base, &a->facts);
	say_layout(&a->facts);
	return 0;
}

static void disconnect(struct asked *a)
{
	if (a->facts.profile)
		engine_facts_release(&a->facts);
	client_free(a->client);
	base_url_release(&a->base);
}

/* The counts of the first verdict's misses, by the server itself. */
static int ask(struct asked *a, struct report *report, struct why_verdicts *v)
{
	struct ask_counts counts;
	struct why *w = &v->list[0];

	if (!a->client || v->n == 0)
		return 0;
	if (ask_misses(a->client, &a->base, &a->facts, report, w, &counts) < 0) {
		msg_error("out of memory");
		return -1;
	}
	if (w->nmisses + counts.refuted == 0)
		return 0;
	if (a->facts.profile->counts == COUNTS_NONE) {
		msg_note("%s (%s) has no route that lays out or counts a prompt: counts stay as the requests' were, "
			 "reported or estimated",
			 a->facts.name, a->base.root);
		return 0;
	}
	msg_note("%s (%s): of %llu misses %llu were counted by template and tokenizer, %llu by length alone",
		 a->facts.name, a->base.root, (unsigned long long)(w->nmisses + counts.refuted),
		 (unsigned long long)counts.counted, (unsigned long long)counts.lengths);
	if (counts.refuted)
		msg_note("%llu are none: its template lays these prompts out alike",
			 (unsigned long long)counts.refuted);
	if (counts.counted + counts.lengths < counts.asked && counts.error[0])
		msg_note("the rest could not be counted: %s", counts.error);
	return 0;
}

/* What each miss cost, by the time that the session took. */
static int price(const struct report *report, struct why_verdicts *v)
{
	struct cost_options how = {.engine = ENGINE_UNKNOWN};
	struct cost cost;
	char error[512];

	if (v->n == 0)
		return 0;
	if (v->list[0].recognised)
		how.engine = v->list[0].backend.engine;
	int result = cost_build(report, &how, &cost, error, sizeof(error));
	if (result < 0)
		msg_error("why: %s", error);
	for (size_t i = 0; result == 0 && i < v->n; i++)
		cost_of_misses(&cost, &v->list[i]);
	cost_release(&cost);
	return result;
}

static int judge_all(const struct command_line *cl, const struct asked *a, struct report *report,
		     struct why_verdicts *v)
{
	const char *engine = option_value(cl, OPT_ENGINE), *what;
	struct backend backend = why_recognise(report);
	struct render_rules rules;
	bool served = a->client && a->facts.backend.engine != ENGINE_UNKNOWN;
	char error[512];
	int result;

	if (engine && backend_parse(str_from(engine), &backend, &what) < 0) {
		msg_error("why: --engine: \"%s\": %s", engine, what);
		return -1;
	}
	if (served) {
		backend = a->facts.backend;
		engine_facts_rules(&a->facts, &rules);
	}
	if (report->nexchanges == 0)
		return 0;
	if (backend.engine != ENGINE_UNKNOWN)
		result = why_verdicts_one(report, &backend, served ? &rules : NULL, v, error, sizeof(error));
	else
		result = why_verdicts_build(report, v, error, sizeof(error));
	if (result < 0)
		msg_error("why: %s", error);
	else if (backend.engine == ENGINE_UNKNOWN && v->n == 1)
		msg_note("the responses do not say which backend it was; of %zu candidates all have this verdict "
			 "(--engine names one)",
			 v->ncandidates);
	else if (backend.engine == ENGINE_UNKNOWN)
		msg_note("the responses do not say which backend it was; %zu candidates come to %zu verdicts (--engine "
			 "names one)",
			 v->ncandidates, v->n);
	return result;
}

/* Of the backends that it can have been. */
static bool unexpected(const struct why_verdicts *v)
{
	size_t open = why_verdicts_open(v);
	for (size_t i = 0; i < open; i++)
		if (v->list[i].unexpected > 0)
			return true;
	return false;
}

static void write_text(const struct command_line *cl, const struct report *report, const struct why_verdicts *v,
		       struct buf *to)
{
	const struct text_style style = text_style_for(stdout, option_given(cl, OPT_ALL));
	why_text(report, v, &style, to);
}

static int print_why(const struct command_line *cl, struct input *in)
{
	struct report report;
	struct why_verdicts v = {.n = 0};
	struct asked asked = {.client = NULL};
	struct buf text;
	char error[512];
	int status = EXIT_TROUBLE;

	buf_init(&text, BUF_UNLIMITED);
	if (report_build(in->traces, in->n, &report, error, sizeof(error)) < 0) {
		msg_error("why: %s", error);
		goto out;
	}
	if (connect_to(cl, &asked) < 0 || judge_all(cl, &asked, &report, &v) < 0 || ask(&asked, &report, &v) < 0 ||
	    price(&report, &v) < 0)
		goto out;
	if (cl->json)
		why_json(&report, &v, &text);
	else
		write_text(cl, &report, &v, &text);
	status = output_text(&text, option_given(cl, OPT_CHECK) && unexpected(&v) ? EXIT_FINDINGS : EXIT_OK);
out:
	why_verdicts_release(&v);
	disconnect(&asked);
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
		"responses show; else one verdict per candidate (engines and templates), equal ones as one. Requests\n"
		"whose answers are not in the trace are not judged.\n\n"
		"With --backend a running server is asked: which engine it is, and how its template and tokenizer lay\n"
		"out the requests of misses (they are sent there; nothing is generated). Counts are then counted.\n\n"
		"Expected misses (first request, compaction, another model, ...) are counted and not blamed.",
	.examples = examples,
	.options = options,
	.group = COMMAND_EVERYDAY,
	.takes_json = true,
	.run = run_why,
};
