/* SPDX-License-Identifier: MIT */
/* Which requests of a report are replayed, and what each of them waits for. */
#include "hand_trace.h"

#include "replay/plan.h"

#include <math.h>
#include <stdio.h>

struct fixture {
	struct hand_trace *h;
	struct report r;
	struct plan p;
	char error[256];
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){.h = hand_new()};
}

static int build(struct fixture *f, struct plan_options options)
{
	assert_int_equal(report_build_with(hand_prompt, &f->h->t, 1, &f->r, f->error, sizeof(f->error)), 0);
	return plan_build(&f->r, &options, &f->p, f->error, sizeof(f->error));
}

static void end(struct fixture *f)
{
	plan_release(&f->p);
	report_release(&f->r);
	hand_free(f->h);
}

/* hand_add leaves the stop reason "end_turn". */
static void calls_tool(struct exchange *x)
{
	free(x->response.stop_reason);
	x->response.stop_reason = strdup("tool_use");
}

static void assert_waits(const struct plan *p, size_t request, const char *expected)
{
	char text[128] = "";
	for (size_t i = 0; i < p->requests[request].ndeps; i++) {
		size_t n = strlen(text);
		snprintf(text + n, sizeof(text) - n, "%s%u", i ? " " : "", p->deps[p->requests[request].first_dep + i]);
	}
	if (strcmp(text, expected) != 0)
		fail_msg("request %zu waits for \"%s\", expected \"%s\"", request, text, expected);
}

static void assert_seconds(double found, double expected)
{
	if (!(fabs(found - expected) < 1e-6))
		fail_msg("%.9f s, expected %.9f s", found, expected);
}

/* A loop of tools, then a person: one after the other, gaps from the end of one to the start of the next. */
static void one_lineage_is_a_chain(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	struct exchange *x = hand_add(f.h, "s", NULL, 0, 2, 1, "S:sys*200 U:task*400");
	calls_tool(x);
	hand_usage(x, 100, -1, 11);
	hand_usage(hand_add(f.h, "s", NULL, 5, 1, 0.5, "S:sys*200 U:task*400 A:call R:out"), 30, 100, 21);
	hand_add(f.h, "s", NULL, 60, 1, 0.5, "S:sys*200 U:task*400 A:call R:out A:done U:more");
	assert_int_equal(build(&f, (struct plan_options){0}), 0);
	assert_int_equal(f.p.n, 3);
	assert_int_equal(f.p.sessions, 1);
	assert_waits(&f.p, 0, "");
	assert_waits(&f.p, 1, "0");
	assert_waits(&f.p, 2, "1");
	assert_seconds(f.p.requests[0].gap_s, 0);
	assert_seconds(f.p.requests[1].gap_s, 5 - 3.001);
	assert_seconds(f.p.requests[2].gap_s, 60 - 6.501);
	/* After a tool call a tool had the time, after the end of a turn a person. */
	assert_false(f.p.requests[1].idle);
	assert_true(f.p.requests[2].idle);
	assert_int_equal(f.p.requests[1].prompt, 130);
	assert_int_equal(f.p.requests[1].again, 100);
	assert_int_equal(f.p.requests[1].output, 21);
	assert_int_equal(f.p.requests[2].output, TOKENS_UNKNOWN);
	assert_seconds(f.p.requests[1].ttft_s, 1);
	assert_seconds(f.p.requests[1].decode_s, 0.5);

	/* As captured: 60 + 1.501 s, less the person's pause. */
	const double durations[3] = {3.001, 1.501, 1.501};
	assert_seconds(plan_session_seconds(&f.p, durations), 61.501 - (60 - 6.501));
	end(&f);
}

/*
 * Two agents at a time; the main conversation goes on when both have ended, a third agent that has not is not waited
 * for:
 *
 *   main   0 ─┬────────────────────── 4
 *   a         ├─ 1 ──┐                ┊
 *   b         ├─ 2 ──┴────────────────┘
 *   c         └─ 3 ───────────────────────────
 */
static void agents_run_side_by_side(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	calls_tool(hand_add(f.h, "s", NULL, 0, 0.5, 0.4, "S:main*900 U:task*400"));
	hand_add(f.h, "s", "a", 1, 1, 1, "S:agent*500 U:one*300");
	hand_add(f.h, "s", "b", 1.2, 2, 2, "S:agent*500 U:two*300");
	hand_add(f.h, "s", "c", 1.4, 9, 9, "S:agent*500 U:three*300");
	hand_add(f.h, "s", NULL, 6, 0.5, 0.4, "S:main*900 U:task*400 A:call R:out");
	assert_int_equal(build(&f, (struct plan_options){0}), 0);
	assert_int_equal(f.p.n, 5);
	for (size_t agent = 1; agent <= 3; agent++)
		assert_waits(&f.p, agent, "0");
	assert_int_equal(f.p.requests[1].role, LINEAGE_SUBAGENT);
	/* Its own lineage's, and the agents' that had ended. */
	assert_waits(&f.p, 4, "0 1 2");
	assert_seconds(f.p.requests[4].gap_s, 6 - 5.201);
	/* An answer that calls a tool was waited for by no person, nor was an agent's. */
	assert_false(f.p.requests[4].idle);
	end(&f);
}

/* What ran when the request began does not count, but what its lineage had ended before that does. */
static void an_answer_under_way_is_passed_over(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	calls_tool(hand_add(f.h, "s", NULL, 0, 0.5, 0.4, "S:main*900 U:task*400"));
	calls_tool(hand_add(f.h, "s", "a", 1, 0.5, 0.5, "S:agent*500 U:one*300"));
	hand_add(f.h, "s", "a", 3, 9, 1, "S:agent*500 U:one*300 A:call R:out");
	hand_add(f.h, "s", NULL, 5, 0.5, 0.4, "S:main*900 U:task*400 A:call R:out");
	assert_int_equal(build(&f, (struct plan_options){0}), 0);
	assert_waits(&f.p, 2, "0 1");
	assert_waits(&f.p, 3, "0 1");
	end(&f);
}

/* Sessions know nothing of each other. */
static void sessions_do_not_wait_for_each_other(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	hand_add(f.h, "first-session", NULL, 0, 1, 1, "S:one*900 U:a*400");
	hand_add(f.h, "second-session", NULL, 5, 1, 1, "S:two*900 U:b*400");
	hand_add(f.h, "first-session", NULL, 9, 1, 1, "S:one*900 U:a*400 A:x U:c");
	assert_int_equal(build(&f, (struct plan_options){0}), 0);
	assert_int_equal(f.p.sessions, 2);
	assert_waits(&f.p, 1, "");
	assert_waits(&f.p, 2, "0");
	plan_release(&f.p);

	/* --session takes those whose id begins so, --limit the first of what is left. */
	assert_int_equal(plan_build(&f.r, &(struct plan_options){.session = "first"}, &f.p, f.error, sizeof(f.error)),
			 0);
	assert_int_equal(f.p.n, 2);
	assert_int_equal(f.p.sessions, 1);
	assert_waits(&f.p, 1, "0");
	plan_release(&f.p);
	assert_int_equal(plan_build(&f.r, &(struct plan_options){.limit = 2}, &f.p, f.error, sizeof(f.error)), 0);
	assert_int_equal(f.p.n, 2);
	plan_release(&f.p);
	assert_int_equal(plan_build(&f.r, &(struct plan_options){.session = "third"}, &f.p, f.error, sizeof(f.error)),
			 -1);
	assert_non_null(strstr(f.error, "no request to replay in such a session"));
	end(&f);
}

/* What cannot be replayed is counted, and waited for by nobody. */
static void others_are_left_out(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	hand_add(f.h, "s", NULL, 0, 1, 1, "S:main*900 U:task*400");
	struct exchange *failed = hand_add(f.h, "s", NULL, 3, 1, 1, "S:main*900 U:task*400 A:x U:y");
	failed->response.status = 529;
	struct exchange *counts = hand_add(f.h, "s", NULL, 6, 1, 1, "S:main*900 U:task*400 A:x U:y");
	counts->api = KVS_API_ANTHROPIC_COUNT_TOKENS;
	hand_add(f.h, "s", NULL, 9, 1, 1, "S:main*900 U:task*400 A:x U:y");
	assert_int_equal(build(&f, (struct plan_options){0}), 0);
	assert_int_equal(f.p.n, 2);
	assert_int_equal(f.p.failed, 1);
	assert_int_equal(f.p.counts_only, 1);
	assert_int_equal(f.p.unreadable, 0);
	assert_waits(&f.p, 1, "0");
	end(&f);

	begin(&f);
	hand_add(f.h, "s", NULL, 0, 1, 1, "S:main*900 U:task*400")->response.status = 500;
	assert_int_equal(build(&f, (struct plan_options){0}), -1);
	assert_string_equal(f.error, "there is no request to replay");
	assert_int_equal(f.p.failed, 1);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_lineage_is_a_chain),
		cmocka_unit_test(agents_run_side_by_side),
		cmocka_unit_test(an_answer_under_way_is_passed_over),
		cmocka_unit_test(sessions_do_not_wait_for_each_other),
		cmocka_unit_test(others_are_left_out),
	};
	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
