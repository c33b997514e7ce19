/* SPDX-License-Identifier: MIT */
/* Writer → file → reader: what goes in comes out, byte for byte, and costs what it should. */
#include "unit/trace_file.h"

#include <math.h>

/* The exchange in the trace has the body and the prompt that the conversation has. */
static void check_exchange(struct trace *t, size_t at, struct conversation *c)
{
	struct exchange x;
	struct buf body;
	const struct trace_prompt_part *parts;
	size_t n;

	conversation_exchange(c, t->exchanges[at].id, &x);
	buf_init(&body, 1 << 26);
	if (trace_request_body(t, at, &body, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	assert_true(str_eq(buf_str(&body), buf_str(&x.request.body)));
	buf_reset(&body);
	assert_int_equal(trace_response_body(t, at, &body, error, sizeof(error)), 0);
	assert_true(str_eq(buf_str(&body), buf_str(&x.response.body)));

	assert_int_equal(trace_prompt(t, at, &parts, &n, error, sizeof(error)), 0);
	assert_int_equal(n, x.prompt.nparts);
	for (size_t i = 0; i < n; i++) {
		const struct prompt_part *want = &x.prompt.parts[i];
		const struct trace_part *have = &t->parts[parts[i].part];
		assert_int_equal(parts[i].message, want->message);
		assert_int_equal(parts[i].index, want->index);
		assert_int_equal(have->kind, want->kind);
		assert_int_equal(have->role, want->role);
		assert_int_equal(have->block, want->block);
		assert_int_equal(have->bytes, want->bytes);
		assert_int_equal(have->normalised_bytes, want->normalised_bytes);
		assert_memory_equal(&have->normalised, &want->normalised, sizeof(want->normalised));
		assert_true(have->exact);
	}
	buf_release(&body);
	exchange_release(&x);
}

static void test_fields(void **state)
{
	(void)state;
	struct conversation c = {.session = "s-1", .messages = 3, .text_size = 100};
	struct trace_writer *w = open_writer(CONTENT_FULL);
	struct exchange x;
	conversation_exchange(&c, 5, &x);
	x.sequence = 2;
	x.agent = strdup("agent-1");
	x.wants_stream = true;
	x.request.query = strdup("beta");
	x.request.headers = calloc(2, sizeof(*x.request.headers));
	x.request.nheaders = 2;
	x.request.headers[0] = (struct exchange_header){strdup("User-Agent"), strdup("claude/2")};
	x.request.headers[1] = (struct exchange_header){strdup("Authorization"), NULL};
	x.request.error = strdup("odd");
	x.response.timings = (struct engine_timings){12.345678, NAN, 100, 90, EXCHANGE_ABSENT};
	x.response.usage_start = (struct usage){1, 2, 3, 4, 5};
	x.response.stop_reason = strdup("end_turn");
	x.response.error = strdup("overloaded_error: words");
	x.response.arrivals_cut = true;
	x.times = (struct exchange_times){5000000, 5000001, 5000002, 5000003, 5000004, 0, 5000090, GRADE_RECORD_LEVEL};
	trace_writer_exchange(w, &x);
	trace_writer_process(w, &(struct pipeline_process){11, 10, "/usr/bin/node", 77, true, false});
	trace_writer_opaque(w, &(struct opaque_connection){.connection = 9,
							   .pid = 11,
							   .peer = "1.2.3.4:443",
							   .kind = "tls",
							   .server_name = "api.example",
							   .sent_bytes = 100,
							   .received_bytes = 200,
							   .start_ns = 50});
	close_writer(w);
	check_by_others();

	struct trace t;
	read_trace(&t);
	assert_int_equal(t.version, 1);
	assert_memory_equal(t.run_id, header.run_id, 16);
	assert_int_equal(t.monotonic_ns, header.monotonic_ns);
	assert_int_equal(t.realtime_ns, header.realtime_ns);
	assert_string_equal(t.command[2], "argument-canary");
	assert_null(t.command[3]);
	assert_string_equal(t.cwd, header.cwd);
	assert_int_equal(t.nexchanges, 1);
	const struct exchange *y = &t.exchanges[0];
	assert_int_equal(y->id, 5);
	assert_int_equal(y->pid, 4711);
	assert_int_equal(y->connection, 8);
	assert_int_equal(y->sequence, 2);
	assert_string_equal(y->peer, "127.0.0.1:8080");
	assert_string_equal(y->capture_mode, "preload");
	assert_int_equal(y->api, KVS_API_ANTHROPIC_MESSAGES);
	assert_string_equal(y->session, "s-1");
	assert_string_equal(y->agent, "agent-1");
	assert_string_equal(y->model, "test-model");
	assert_int_equal(y->max_tokens, 1024);
	assert_true(y->wants_stream);
	assert_string_equal(y->request.query, "beta");
	assert_int_equal(y->request.nheaders, 2);
	assert_string_equal(y->request.headers[0].value, "claude/2");
	assert_string_equal(y->request.headers[1].name, "Authorization");
	assert_null(y->request.headers[1].value);
	assert_string_equal(y->request.error, "odd");
	assert_int_equal(y->request.body_bytes, x.request.body_bytes);
	assert_memory_equal(&y->request.body_sha256, &x.request.body_sha256, sizeof(struct digest));
	assert_int_equal(y->prompt.messages, 3);
	assert_int_equal(y->prompt.kind_bytes[PART_MESSAGE], x.prompt.kind_bytes[PART_MESSAGE]);
	assert_true(y->prompt.has_system);
	assert_memory_equal(&y->prompt.system_fingerprint, &x.prompt.system_fingerprint, sizeof(struct digest));
	assert_int_equal(y->response.status, 200);
	assert_int_equal(y->response.usage.input, 0);
	assert_int_equal(y->response.usage.output, 12);
	assert_int_equal(y->response.usage.cache_read, EXCHANGE_ABSENT);
	assert_int_equal(y->response.usage_start.reasoning, 5);
	assert_int_equal(y->response.usage_end.input, EXCHANGE_ABSENT);
	assert_true(y->response.timings.prompt_ms == 12.345678);
	assert_true(isnan(y->response.timings.predicted_ms));
	assert_int_equal(y->response.timings.cached_tokens, 90);
	assert_string_equal(y->response.stop_reason, "end_turn");
	assert_string_equal(y->response.error, "overloaded_error: words");
	assert_int_equal(y->response.narrivals, 2);
	assert_int_equal(y->response.arrivals[1].time_ns, 5000070);
	assert_int_equal(y->response.arrivals[1].bytes, 300);
	assert_true(y->response.arrivals_cut);
	assert_memory_equal(&y->times, &x.times, sizeof(x.times));
	assert_int_equal(t.nprocesses, 1);
	assert_string_equal(t.processes[0].exe, "/usr/bin/node");
	assert_true(t.processes[0].forked);
	assert_int_equal(t.nopaque, 1);
	assert_string_equal(t.opaque[0].server_name, "api.example");
	assert_null(t.opaque[0].reason);
	assert_int_equal(t.opaque[0].end_ns, 0);
	assert_int_equal(t.ring_loss.dropped[KVS_DROP_FULL], 7);
	assert_int_equal(t.pipeline_loss.blind[KVS_BLIND_SENDFILE], 5);
	assert_int_equal(t.lines_lost, 0);
	assert_true(t.has_footer);
	assert_int_equal(t.footer.exit_status, 3);
	assert_int_equal(t.footer.signal, -1);
	assert_true(t.footer.complete);
	check_exchange(&t, 0, &c);
	trace_release(&t);
	exchange_release(&x);
}

/* Two conversations of one session turn by turn, as a main agent and a side agent without an id do. */
static void test_interleaved_conversations(void **state)
{
	(void)state;
	struct conversation a = {.session = "s", .seed = 1, .messages = 1, .text_size = 400, .marker = true};
	struct conversation b = a;
	struct trace_writer *w = open_writer(CONTENT_FULL);
	struct trace t;
	enum { TURNS = 25 };

	b.seed = 2;
	for (unsigned i = 0; i < TURNS; i++) {
		a.messages = b.messages = 2 * i + 1;
		write_next(w, &a, 2 * i + 1);
		write_next(w, &b, 2 * i + 2);
	}
	close_writer(w);
	check_by_others();

	read_trace(&t);
	assert_int_equal(t.nexchanges, 2 * TURNS);
	for (size_t i = 0; i < t.nexchanges; i++) {
		a.messages = b.messages = 2 * (unsigned)(i / 2) + 1;
		check_exchange(&t, i, i % 2 ? &b : &a);
	}
	/* Any order is as good, if slower. */
	for (size_t i = t.nexchanges; i-- > 0;) {
		a.messages = b.messages = 2 * (unsigned)(i / 2) + 1;
		check_exchange(&t, i, i % 2 ? &b : &a);
	}
	trace_release(&t);
}

/* Bytes that each of the turns [from, to) adds to the trace, on average. */
static long long cost_of_turns(struct trace_writer *w, struct conversation *c, unsigned from, unsigned to)
{
	long long before = 0;

	for (unsigned i = from; i < to; i++) {
		if (i == from + 1)
			before = file_size();
		c->messages = 2 * i + 1;
		c->system = i; /* the system prompt changes with every turn, behind the messages */
		write_next(w, c, i + 1);
	}
	return (file_size() - before) / (to - from - 1);
}

static void test_growth(void **state)
{
	(void)state;
	struct conversation c = {.session = "s", .text_size = 300, .marker = true};
	struct trace_writer *w = open_writer(CONTENT_FULL);
	/* Turn 2,000 costs what turn 100 did, give or take the digits of numbers: a trace grows with its conversation.
	 */
	cost_of_turns(w, &c, 0, 100);
	long long early = cost_of_turns(w, &c, 100, 120), late = cost_of_turns(w, &c, 1980, 2000);
	close_writer(w);
	if (late > early + early / 20)
		fail_msg("a turn costs %lld bytes at 100, %lld at 2000", early, late);
	/* It has three new blocks, a new system prompt, a block whose cache marker went, and the line itself. */
	if (late > 3 * 720 + 2 * 450 + 450 + 1700)
		fail_msg("a turn costs %lld bytes", late);

	struct trace t;
	read_trace(&t);
	check_exchange(&t, t.nexchanges - 1, &c);
	trace_release(&t);
}

/* A change near the beginning and a compaction: runs are found again behind what changed. */
static void test_changes_in_the_middle(void **state)
{
	(void)state;
	struct conversation c = {.session = "s", .messages = 301, .text_size = 200};
	struct trace_writer *w = open_writer(CONTENT_FULL);
	struct trace t;

	write_next(w, &c, 1);
	long long before = file_size();
	c.first = 1;
	c.system = 1;
	write_next(w, &c, 2);
	long long cost = file_size() - before;
	if (cost > 6000)
		fail_msg("one changed message and system block cost %lld bytes", cost);
	c.messages = 3;
	write_next(w, &c, 3);
	c.messages = 305;
	c.first = 0;
	write_next(w, &c, 4);
	close_writer(w);

	read_trace(&t);
	c = (struct conversation){.session = "s", .messages = 301, .text_size = 200};
	check_exchange(&t, 0, &c);
	c.first = c.system = 1;
	check_exchange(&t, 1, &c);
	c.messages = 3;
	check_exchange(&t, 2, &c);
	c.messages = 305;
	c.first = 0;
	check_exchange(&t, 3, &c);
	trace_release(&t);
}

/* All that is behind the change stands at another place, as after a compaction; and a literal changed, too. */
static void test_moved_parts(void **state)
{
	(void)state;
	struct conversation c = {.session = "s", .messages = 301, .text_size = 200};
	struct trace_writer *w = open_writer(CONTENT_FULL);
	struct trace t;

	write_next(w, &c, 1);
	c.limit = 1;
	write_next(w, &c, 2);
	long long before = file_size();
	c.skipped = 4;
	write_next(w, &c, 3);
	long long cost = file_size() - before;
	if (cost > 2500)
		fail_msg("four messages less cost %lld bytes", cost);
	before = file_size();
	c.skipped = 0;
	c.messages = 303;
	write_next(w, &c, 4);
	cost = file_size() - before;
	if (cost > 4500)
		fail_msg("four messages more at the beginning and two at the end cost %lld bytes", cost);
	close_writer(w);

	read_trace(&t);
	c.messages = 301;
	c.limit = 0;
	check_exchange(&t, 0, &c);
	c.limit = 1;
	check_exchange(&t, 1, &c);
	c.skipped = 4;
	check_exchange(&t, 2, &c);
	c.skipped = 0;
	c.messages = 303;
	check_exchange(&t, 3, &c);
	trace_release(&t);
}

/* The cache marker moves on with every turn: the block that it leaves is not written a second time. */
static void test_moving_marker(void **state)
{
	(void)state;
	struct conversation c = {.session = "s", .text_size = 5000, .marker = true};
	struct trace_writer *w = open_writer(CONTENT_FULL);
	long long cost = cost_of_turns(w, &c, 0, 5);
	close_writer(w);
	if (cost > 3 * 5000 + 4500)
		fail_msg("a turn of 3 blocks of 5000 bytes costs %lld", cost);

	struct trace t;
	read_trace(&t);
	check_exchange(&t, 4, &c);
	trace_release(&t);
}

static size_t count(struct buf *text, const char *needle)
{
	size_t n = 0;
	for (const char *p = text->p; (p = strstr(p, needle)); p++)
		n++;
	return n;
}

static void test_parts_are_written_once(void **state)
{
	(void)state;
	struct conversation c = {.session = "s", .text_size = 100};
	struct trace_writer *w = open_writer(CONTENT_FULL);
	struct buf text;

	for (unsigned i = 0; i < 20; i++) {
		c.messages = 2 * (i % 10) + 1;
		c.session = i < 10 ? "first" : "second";
		write_next(w, &c, i + 1);
	}
	close_writer(w);
	buf_init(&text, 1 << 26);
	slurp(&text);
	assert_int_equal(count(&text, "text 0 of 0 "), 1);
	assert_int_equal(count(&text, "text 36 of 0 "), 1);
	assert_int_equal(count(&text, "\"type\":\"part\""), 19 + 9 + 2 + 3);
	buf_release(&text);
}

/* Whatever the bytes are: no prompt, no UTF-8, zeros, control characters, nothing at all, only a part of it. */
static void test_odd_bodies(void **state)
{
	(void)state;
	char zeros[40] = {'a', 0, 'b'}, controls[300];
	memset(controls, 1, sizeof(controls));
	char *long_literal = malloc(200000);
	memset(long_literal, 'x', 200000);
	const struct str bodies[] = {
		STR(""),
		STR("plain"),
		STR("\xff\xfe not utf-8"),
		{zeros, sizeof(zeros)},
		{controls, sizeof(controls)},
		{long_literal, 200000},
		{long_literal, 199999},
		STR("x"),
	};
	enum { N = sizeof(bodies) / sizeof(*bodies) };
	struct trace_writer *w = open_writer(CONTENT_FULL);
	for (size_t i = 0; i < N + 2; i++) {
		struct exchange x;
		struct str body = bodies[i % N];
		exchange_init(&x, 1 << 20, 1 << 20);
		x.id = i + 1;
		if (i < N) {
			buf_append_str(&x.request.body, body);
			buf_append_str(&x.response.body, body);
		}
		x.request.body_bytes = x.response.body_bytes = i < N ? body.n : 77;
		x.request.body_sha256 = x.response.body_sha256 = digest_of(body);
		if (i == N + 1) { /* cut after one byte */
			buf_puts(&x.request.body, "y");
			x.request.body_exact = false;
		}
		trace_writer_exchange(w, &x);
		exchange_release(&x);
	}
	close_writer(w);
	check_by_others();

	struct trace t;
	struct buf out;
	buf_init(&out, 1 << 20);
	read_trace(&t);
	for (size_t i = 0; i < N; i++) {
		buf_reset(&out);
		assert_int_equal(trace_request_body(&t, i, &out, error, sizeof(error)), 0);
		assert_true(str_eq(buf_str(&out), bodies[i]));
		buf_reset(&out);
		assert_int_equal(trace_response_body(&t, i, &out, error, sizeof(error)), 0);
		assert_true(str_eq(buf_str(&out), bodies[i]));
	}
	buf_reset(&out);
	assert_int_equal(trace_request_body(&t, N, &out, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "not kept"));
	assert_int_equal(trace_response_body(&t, N, &out, error, sizeof(error)), -1);
	assert_int_equal(trace_request_body(&t, N + 1, &out, error, sizeof(error)), 1);
	assert_string_equal(out.p, "y");
	buf_release(&out);
	trace_release(&t);
	free(long_literal);
}

static void test_private_file(void **state)
{
	(void)state;
	struct stat st;
	struct trace_writer *w;
	unlink(path);
	fclose(fopen(path, "w"));
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(trace_writer_open(path, false, &header, &w, error, sizeof(error)), -1);
	assert_non_null(strstr(error, path));
	close_writer(open_writer(CONTENT_FULL));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	unlink(path);
	assert_int_equal(trace_writer_open(path, false, &header, &w, error, sizeof(error)), 0);
	close_writer(w);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_interleaved_conversations),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_changes_in_the_middle),
		cmocka_unit_test(test_moved_parts),
		cmocka_unit_test(test_moving_marker),
		cmocka_unit_test(test_parts_are_written_once),
		cmocka_unit_test(test_odd_bodies),
		cmocka_unit_test(test_private_file),
	};
	return cmocka_run_group_tests_name("trace", tests, make_folder, remove_folder) != 0;
}
