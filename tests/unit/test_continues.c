/* SPDX-License-Identifier: MIT */
#include "hand_trace.h"

#include "collect/continues.h"
#include "cost/forecast.h"
#include "trace/line_request.h"

#include <stdio.h>

/* A request as the pipeline hands it out when its last byte was sent: words as in hand_trace.h. */
static void ask(struct continues_memory *m, uint64_t id, const char *model, const char *words, struct continues *out)
{
	struct exchange x;
	struct prompt_part parts[32];
	uint32_t messages = 0, tools = 0, systems = 0;

	exchange_init(&x, 0, 0);
	x.id = id;
	x.peer = strdup("127.0.0.1:8080");
	x.session = strdup("s");
	x.model = strdup(model);
	x.request.path = strdup("/v1/messages");
	size_t n = 0;
	for (; *words; words += strspn(words, " ")) {
		size_t length = strcspn(words, " ");
		struct prompt_part *p = &parts[n++];
		*p = (struct prompt_part){.kind = PART_MESSAGE,
					  .normalised = digest_of((struct str){words, length}),
					  .normalised_bytes = 100,
					  .block = BLOCK_TEXT};
		if (*words == 'T')
			p->kind = PART_TOOL;
		if (*words == 'S' || *words == 'B')
			p->kind = PART_SYSTEM;
		if (*words == 'B')
			p->block = BLOCK_BILLING;
		p->message = p->kind == PART_TOOL ? tools++ : p->kind == PART_SYSTEM ? systems++ : messages++;
		words += length;
	}
	x.prompt.parts = parts;
	x.prompt.nparts = n;
	continues_add(m, &x, out);
	x.prompt.parts = NULL;
	x.prompt.nparts = 0;
	exchange_release(&x);
}

static void a_conversation_continues(void **state)
{
	(void)state;
	struct continues_memory *m = continues_new();
	struct continues c;
	ask(m, 1, "a", "B:1 S:sys U:task T:bash T:read", &c);
	assert_int_equal(c.exchange, 0);
	assert_int_equal(c.parts, 4); /* without the billing block */
	assert_int_equal(c.bytes, 400);
	/* Another billing block is no difference. */
	ask(m, 2, "a", "B:2 S:sys U:task A:call U:result T:bash T:read", &c);
	assert_int_equal(c.exchange, 1);
	assert_true(c.whole);
	assert_int_equal(c.same_parts, 4);
	assert_int_equal(c.same_bytes, 400);
	assert_int_equal(c.kind, PART_MESSAGE);
	assert_int_equal(c.message, 1);
	/* A tool changes: tools come first, whatever the order on the wire. */
	ask(m, 3, "a", "B:2 S:sys U:task A:call U:result A:b U:c T:bash T:other", &c);
	assert_int_equal(c.exchange, 2);
	assert_false(c.whole);
	assert_int_equal(c.same_parts, 1);
	assert_int_equal(c.kind, PART_TOOL);
	assert_int_equal(c.message, 1);
	/* Another model is another backend. */
	ask(m, 4, "b", "S:sys U:task", &c);
	assert_int_equal(c.exchange, 0);
	/* Nothing but the same again: there is no place behind it. */
	ask(m, 5, "b", "S:sys U:task", &c);
	assert_int_equal(c.exchange, 4);
	assert_true(c.whole);
	assert_false(c.has_place);
	/* What was broken goes on from where it was. */
	ask(m, 6, "a", "B:2 S:sys U:task A:call U:result A:b U:c A:d T:bash T:other", &c);
	assert_int_equal(c.exchange, 3);
	assert_true(c.whole);
	continues_free(m);
}

/* Two conversations under one key keep apart, and more than are remembered do no harm. */
static void conversations_keep_apart(void **state)
{
	(void)state;
	struct continues_memory *m = continues_new();
	struct continues c;
	ask(m, 1, "a", "T:x U:one", &c);
	ask(m, 2, "a", "T:x S:y S:z U:two", &c);
	ask(m, 3, "a", "T:x U:one A:1", &c);
	assert_int_equal(c.exchange, 1);
	ask(m, 4, "a", "T:x S:y S:z U:two A:2", &c);
	assert_int_equal(c.exchange, 2);
	for (uint64_t id = 5; id < 60; id++) {
		char model[16];
		snprintf(model, sizeof(model), "m%llu", (unsigned long long)id);
		ask(m, id, model, "S:other U:x", &c);
		assert_int_equal(c.exchange, 0);
	}
	ask(m, 60, "a", "T:x U:one A:1 U:3", &c);
	assert_int_equal(c.exchange, 0); /* forgotten */
	continues_free(m);
}

static void the_line_says_what_was_found(void **state)
{
	(void)state;
	struct exchange x;
	struct buf line;
	exchange_init(&x, 0, 0);
	x.id = 12;
	x.pid = 7;
	x.peer = strdup("127.0.0.1:8080");
	x.model = strdup("m");
	x.api = KVS_API_ANTHROPIC_MESSAGES;
	x.request.body_bytes = 61800;
	x.times.request_end = 5010000;
	struct continues c = {.exchange = 11,
			      .parts = 33,
			      .bytes = 60000,
			      .same_parts = 5,
			      .same_bytes = 1200,
			      .has_place = true,
			      .kind = PART_MESSAGE,
			      .message = 4,
			      .index = 1};
	buf_init(&line, 1 << 16);
	line_request(&line, &x, &c);
	cJSON *json = cJSON_ParseWithLength(line.p, line.n);
	struct trace_request r;
	assert_null(line_read_request(json, &r));
	assert_int_equal(r.id, 12);
	assert_string_equal(r.peer, "127.0.0.1:8080");
	assert_null(r.session);
	assert_int_equal(r.time_ns, 5010000);
	assert_int_equal(r.exchange, 11);
	assert_int_equal(r.same_bytes, 1200);
	assert_false(r.whole);
	assert_string_equal(r.path, "messages[4].content[1]");
	trace_request_release(&r);
	cJSON_Delete(json);
	json = cJSON_Parse("{\"id\":\"x\"}");
	assert_string_equal(line_read_request(json, &r), "id");
	trace_request_release(&r);
	cJSON_Delete(json);
	buf_release(&line);
	exchange_release(&x);
}

/* ---- what it will cost */

static void words_of(const struct report *r, const struct cost *c, struct trace_request *q, bool warns,
		     const char *expected)
{
	struct forecast f;
	struct buf text;
	forecast_make(r, c, q, &f);
	assert_int_equal(forecast_warns(&f), warns);
	buf_init(&text, 4096);
	forecast_text(&f, 0, &text);
	assert_string_equal(text.p, expected);
	buf_release(&text);
}

static void costs_are_foreseen(void **state)
{
	(void)state;
	struct hand_trace *h = hand_new();
	struct report r;
	struct cost c;
	char error[256];
	/* 4 bytes and 1 ms per token. */
	hand_usage(hand_add(h, "s", NULL, 0, 10, 1, "U:a*40000"), 10000, 0, 9);
	hand_usage(hand_add(h, "s", NULL, 20, 2, 1, "U:a*40000 A:b*8000"), 2000, 10000, 9);
	hand_usage(hand_add(h, "s", NULL, 40, 14, 1, "U:a*40000 A:b*8000 A:c*8000"), 14000, 0, 9);
	assert_int_equal(report_build_with(hand_prompt, &h->t, 1, &r, error, sizeof(error)), 0);
	assert_int_equal(cost_build(&r, NULL, &c, error, sizeof(error)), 0);
	char peer[] = "127.0.0.1:8080", model[] = "claude-test", path[] = "system[0]", other[] = "other";
	struct trace_request q = {.id = 9,
				  .peer = peer,
				  .model = model,
				  .prompt_bytes = 80000,
				  .exchange = 2,
				  .same_bytes = 48000,
				  .whole = true};
	words_of(&r, &c, &q, true, "#9    A  ~20.0k tokens, continues #2, expect 8.00 s\n");
	q.prompt_bytes = 48400;
	words_of(&r, &c, &q, false, "#9    A  ~12.1k tokens, continues #2, expect 100 ms\n");
	/* The last one was prefilled again as a whole although nothing of it had changed. */
	q = (struct trace_request){.id = 9,
				   .peer = peer,
				   .model = model,
				   .prompt_bytes = 60000,
				   .exchange = 3,
				   .same_bytes = 56000,
				   .whole = true};
	words_of(&r, &c, &q, true,
		 "#9    A  ~15.0k tokens, continues #3, of which only 0 were reused, expect 15.0 s\n");
	q.whole = false;
	q.same_bytes = 132;
	q.path = path;
	words_of(&r, &c, &q, true, "#9    A  ~15.0k tokens, diverges at token ~33 with system[0], expect 15.0 s\n");
	q.exchange = 0;
	words_of(&r, &c, &q, true, "#9       ~15.0k tokens, a new conversation, expect 15.0 s\n");
	q.model = other;
	words_of(&r, &c, &q, true, "#9       ~15.0k tokens, a new conversation; how long it takes is not known yet\n");
	q.prompt_bytes = 8000;
	words_of(&r, &c, &q, false, "#9       ~2.00k tokens, a new conversation; how long it takes is not known yet\n");
	q.prompt_bytes = 0;
	words_of(&r, &c, &q, false, "#9       ~- tokens, a new conversation; how long it takes is not known yet\n");
	cost_release(&c);
	report_release(&r);
	hand_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversation_continues),
		cmocka_unit_test(conversations_keep_apart),
		cmocka_unit_test(the_line_says_what_was_found),
		cmocka_unit_test(costs_are_foreseen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
