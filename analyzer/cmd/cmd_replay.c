/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/msg.h"
#include "cmd/input.h"
#include "cmd/output.h"
#include "cmd/replay_options.h"
#include "cmd/replay_session.h"
#include "replay/result_html.h"
#include "trace/place.h"

#include <stdlib.h>
#include <string.h>

#define SEED_STEP (UINT64_C(1) << 52)

static const char *const examples[] = {
	"kvscope replay --backend http://localhost:8080 --prefill-only",
	"kvscope replay session.jsonl -b http://localhost:8000/v1 --fix strip-billing,system-inline",
	"kvscope replay -b http://gpu:8000 -b http://laptop:8080 -b side=http://laptop:8081",
	"kvscope replay -b http://localhost:8080 --json | jq '.speedup, .arms.off.verification'",
	NULL,
};

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
	/* What was measured is not lost for want of a page. */
	if (page && write_page(page, list, n) < 0)
		return print_text(cl, list, n, EXIT_TROUBLE);
	return page && strcmp(page, "-") == 0 ? status : print_text(cl, list, n, status);
}

static bool any_side_request(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->requests[i].role == LINEAGE_SIDE)
			return true;
	return false;
}

static int replay_all(const struct command_line *cl, struct client *client, struct report *report,
		      const struct plan *plan, const struct replay_backends *b, struct session_settings *s)
{
	struct replay replays[2 * REPLAY_BACKENDS_MAX];
	struct result results[2 * REPLAY_BACKENDS_MAX];
	size_t n = 0, begun = 0;
	int status = EXIT_TROUBLE;
	bool failed = false;

	/* Each main backend alone, then with the one for side requests. */
	const char *side = b->side && any_side_request(plan) ? b->side : NULL;
	if (side && b->nmain == 1 && strcmp(side, b->main[0]) == 0)
		msg_note("side requests go to %s in any case: there is no other mode to compare", side);
	if (b->side && !side)
		msg_note("there is no side request in this session: nothing is sent to %s", b->side);
	for (size_t i = 0; i < b->nmain * (side ? 2 : 1) && !interrupted; i++) {
		const char *use = i < b->nmain ? NULL : side;
		/* With itself beside it, it is what it is alone. */
		if (use && strcmp(use, b->main[i % b->nmain]) == 0)
			continue;
		if (session_replay(client, report, plan, b->main[i % b->nmain], use, s, &replays[begun]) < 0) {
			replay_release(&replays[begun]);
			failed = true;
			continue;
		}
		/* No nonce twice: the same backend comes again, with another one beside it. */
		s->options.seed += SEED_STEP;
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
		status = failed ? EXIT_TROUBLE : status;
	}
out:
	for (size_t i = 0; i < n; i++)
		summary_release(&results[i].summary);
	for (size_t i = 0; i < begun; i++)
		replay_release(&replays[i]);
	return status;
}

static int with_client(const struct command_line *cl, struct report *report, const struct plan *plan,
		       const struct replay_backends *b, struct session_settings *s)
{
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
	interrupt_catch();
	status = replay_all(cl, client, report, plan, b, s);
	free(folder);
	free(fallback);
	client_free(client);
	return status;
}

static int replay_traces(const struct command_line *cl, struct input *in, const struct replay_backends *b,
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
	struct replay_backends b;
	struct input in = {0};
	int status = EXIT_TROUBLE;

	const char *page = option_value(cl, OPT_HTML);

	if (replay_options_read(cl, &s, &po, &b) < 0 || (page && output_possible("replay", page) < 0))
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
	.options = replay_option_specs,
	.group = COMMAND_EVERYDAY,
	.takes_json = true,
	.run = run_replay,
};
