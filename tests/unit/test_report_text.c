/* SPDX-License-Identifier: MIT */
#include "hand_trace.h"

#include "report/report_blind.h"
#include "report/report_json.h"
#include "report/report_text.h"
#include "report/units.h"

#include <math.h>

static void build(struct hand_trace *h, struct report *r)
{
	char error[256];
	assert_int_equal(report_build_with(hand_prompt, &h->t, 1, r, error, sizeof(error)), 0);
}

static void counts(void **state)
{
	(void)state;
	static const struct {
		int64_t n;
		const char *text;
	} cases[] = {{-1, "-"},        {0, "0"},          {999, "999"},       {1000, "1.00k"},
		     {9994, "9.99k"},  {9995, "10.0k"},   {99949, "99.9k"},   {99950, "100k"},
		     {999499, "999k"}, {999500, "1.00M"}, {4970000, "4.97M"}, {INT64_MAX, "9.22E"}};
	char out[UNITS_CHARS];
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(units_count(cases[i].n, out), cases[i].text);
	assert_string_equal(units_bytes(0, out), "0 B");
	assert_string_equal(units_bytes(28140, out), "28.1 kB");
}

static void durations(void **state)
{
	(void)state;
	static const struct {
		double s;
		const char *text;
	} cases[] = {{NAN, "-"},         {0, "0 ms"},       {0.0004, "0 ms"},  {0.35, "350 ms"}, {0.99949, "999 ms"},
		     {0.9996, "1.00 s"}, {9.994, "9.99 s"}, {9.996, "10.0 s"}, {99.96, "100 s"}, {312, "312 s"},
		     {600, "10 min"},    {3960, "66 min"},  {36000, "10 h"}};
	char out[UNITS_CHARS];
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(units_seconds(cases[i].s, out), cases[i].text);
	assert_string_equal(units_rate(NAN, out), "-");
	assert_string_equal(units_rate(4.52, out), "4.5/s");
	assert_string_equal(units_rate(45.2, out), "45/s");
	assert_string_equal(units_rate(14911, out), "14.9k/s");
}

/* What a trace says must not drive the terminal. */
static void text_from_a_trace(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
		size_t columns;
		bool pad;
	} cases[] = {
		{"model", "model", 8, false},
		{"model", "model   ", 8, true},
		{"a-long-name", "a-lon...", 8, false},
		{"exactly8", "exactly8", 8, false},
		{"\033[31m\n", "?[31m?", 8, false},
		{"\xc2\x9b"
		 "31m",
		 "??31m", 8, false},
		{"gr\xc3\xbc\xc3\x9f"
		 "e",
		 "gr\xc3\xbc\xc3\x9f"
		 "e",
		 5, false},
		{"\xff\xc3", "??", 8, false},
		{NULL, "-", 8, false},
		{"abc", "..", 2, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf to;
		buf_init(&to, 256);
		units_text(&to, cases[i].in, cases[i].columns, cases[i].pad);
		assert_string_equal(to.p, cases[i].out);
		buf_release(&to);
	}
}

static void lineage_names(void **state)
{
	(void)state;
	char name[8];
	report_lineage_name(0, name);
	assert_string_equal(name, "A");
	report_lineage_name(25, name);
	assert_string_equal(name, "Z");
	report_lineage_name(26, name);
	assert_string_equal(name, "AA");
	report_lineage_name(26 + 26 * 26, name);
	assert_string_equal(name, "AAA");
	report_lineage_name(UINT32_MAX - 1, name);
	assert_int_equal(strlen(name), 7);
}

static void assert_headline(struct hand_trace *h, const char *expected)
{
	struct report r;
	struct buf text;
	buf_init(&text, 4096);
	build(h, &r);
	report_headline(&r, &text);
	assert_string_equal(text.p, expected);
	buf_release(&text);
	report_release(&r);
}

static void headlines(void **state)
{
	(void)state;
	struct hand_trace *h = hand_new();
	assert_headline(h, "No request to a language model was seen.");
	struct exchange *x = hand_add(h, "s", NULL, 0, 2, 0.999, "S:sys*200 U:task");
	x->api = KVS_API_ANTHROPIC_COUNT_TOKENS;
	assert_headline(h, "Only requests that count tokens were seen, none that a model answers.");
	x->api = KVS_API_ANTHROPIC_MESSAGES;
	hand_usage(x, 26000, -1, 30);
	assert_headline(h,
			"1 request sent 26.0k prompt tokens (reported); none of them had been sent before in the same "
			"conversation. Of 3.00 s in requests, 2.00 s were waiting for the first token.");
	hand_usage(hand_add(h, "s", NULL, 5, 1, 0.999, "S:sys*200 U:task A:a U:b"), 27000, -1, 30);
	assert_headline(
		h, "2 requests sent 53.0k prompt tokens (reported); 26.0k of them had been sent before in the same "
		   "conversation. Of 5.00 s in requests, 3.00 s were waiting for the first token.");
	x = hand_add(h, "s", NULL, 9, 1, 0.999, "");
	x->response.status = 0;
	x->times.first_content = 0;
	for (int i = 0; i < 2; i++)
		h->exchanges[i].times.grade = GRADE_DEGENERATE;
	assert_headline(
		h, "3 requests sent 53.0k prompt tokens (reported), not counting 1 prompt of unknown size; 26.0k of "
		   "them had been sent before in the same conversation. They took 7.00 s; how long they waited "
		   "for the first token is not known. 1 request failed.");
	hand_free(h);
}

static struct hand_trace *session(void)
{
	struct hand_trace *h = hand_new();
	hand_usage(hand_add(h, "0f9b7c1e-1111-2222", NULL, 0, 4, 1, "B:x T:bash*40000 S:main*28000 U:do*600"), 17000,
		   -1, 46);
	struct exchange *x = hand_add(h, "0f9b7c1e-1111-2222", NULL, 0.5, 0.2, 0.1, "S:title*400 U:do*600");
	free(x->model);
	x->model = strdup("small\033[2J");
	hand_usage(hand_add(h, "0f9b7c1e-1111-2222", "a1", 6, 2, 1, "B:x T:bash*40000 S:agent*3000 U:look*600"), 11000,
		   -1, 20);
	x = hand_add(h, "0f9b7c1e-1111-2222", NULL, 10, 1, 1,
		     "B:y T:bash*40000 S:main*28000 U:do*600 A:call R:out*9000");
	hand_usage(x, 2800, 17000, 46);
	free(x->response.stop_reason);
	x->response.stop_reason = strdup("tool_use");
	x = hand_add(h, "0f9b7c1e-1111-2222", NULL, 14, 1, 1,
		     "B:y T:bash*40000 S:main*28000 U:do*600 A:call R:out*9000 U:more");
	x->response.status = 529;
	x->response.error = strdup("overloaded_error: try again");
	x->times.first_content = 0;
	h->t.ring_loss.dropped[KVS_DROP_FULL] = 2;
	return h;
}

static const char golden[] = "5 requests sent 67.8k prompt tokens (mixed). As far as the backend tells, 2.80k\n"
			     "were prefilled, all of them new. It does not tell for 3 requests. 6.70 s of 14.0\n"
			     "s were prefill. What a prefix cache that holds would save is not known. 1\n"
			     "request failed.\n"
			     "\n"
			     "Where the time went (2.00 s waiting for a person not counted)\n"
			     "                                                                     tokens\n"
			     "  new prefill      33.6%  ##########....................   4.70 s\n"
			     "  other prefill    14.3%  ####..........................   2.00 s\n"
			     "  decode           21.4%  ######........................   3.00 s\n"
			     "  tools, client    14.3%  ####..........................   2.00 s\n"
			     "  unknown          16.5%  #####.........................   2.30 s\n"
			     "\n"
			     "Session 0f9b7c1e-1111-2222  5 requests in 16.0 s, 1 failed\n"
			     "               requests   prompt  repeated     TTFT   decode  model\n"
			     "  A   main            3   ~56.6k    ~36.8k   5.00 s   2.00 s  claude-test\n"
			     "  B   side            1     ~238         0   200 ms   100 ms  small?[2J\n"
			     "  C   subagent        1    11.0k         0   2.00 s   1.00 s  claude-test\n"
			     "\n"
			     "Requests\n"
			     "     #  in  prompt     new  cached     TTFT   decode  tokens  answer\n"
			     "     1  A    17.0k   17.0k       -   4.00 s   1.00 s    45/s  200 end_turn\n"
			     "     2  B     ~238    ~238       -   200 ms   100 ms       -  200 end_turn\n"
			     "     3  C    11.0k   11.0k       -   2.00 s   1.00 s    19/s  200 end_turn\n"
			     "     4  A    19.8k   2.80k   17.0k   1.00 s   1.00 s    45/s  200 tool_use\n"
			     "     5  A   ~19.8k      ~2       -        -        -       -  529 overloaded_...\n"
			     "\n"
			     "System prompts (by normalised fingerprint)\n"
			     "  fingerprint           sent    bytes each  bytes in all    tokens\n"
			     "  3bfb99dd6ad0            3x       28.0 kB       84.0 kB    ~20.0k\n"
			     "  55a2b6cb31b7            1x       3.00 kB       3.00 kB      ~708\n"
			     "  e0e609e12eca            1x         400 B         400 B       ~95\n"
			     "A billing line, in 2 forms, stood before the system prompt of 4 requests; it is\n"
			     "left out of all comparisons.\n"
			     "\n"
			     "What the prompts were made of (shares by bytes)\n"
			     "                                                    tokens       bytes\n"
			     "  tools     60.2%  ##################............    40.8k      160 kB\n"
			     "  system    30.6%  #########.....................    20.8k     87.4 kB\n"
			     "  history    4.4%  #.............................    3.00k     10.2 kB\n"
			     "  new        4.8%  #.............................    3.23k     10.8 kB\n"
			     "\n"
			     "Not seen, or lost\n"
			     "2 records were lost because the ring was full (a larger --ring-size helps).\n"
			     "The time to the first token is unknown for 1 of 5 requests (no stream, or it\n"
			     "came at once).\n"
			     "\n"
			     "Next\n"
			     "  kvscope show hand.jsonl 1\n";

static void whole_report(void **state)
{
	(void)state;
	struct hand_trace *h = session();
	struct report r;
	struct cost cost;
	struct buf text;
	char error[256];
	buf_init(&text, 1 << 20);
	build(h, &r);
	assert_int_equal(cost_build(&r, NULL, &cost, error, sizeof(error)), 0);
	struct text_style plain = TEXT_STYLE_PLAIN;
	plain.columns = 80;
	report_text(&r, &cost, NULL, &plain, &text);
	assert_string_equal(text.p, golden);
	buf_release(&text);
	cost_release(&cost);
	report_release(&r);
	hand_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts),        cmocka_unit_test(durations), cmocka_unit_test(text_from_a_trace),
		cmocka_unit_test(lineage_names), cmocka_unit_test(headlines), cmocka_unit_test(whole_report),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
