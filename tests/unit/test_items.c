/* SPDX-License-Identifier: MIT */
/* Prompts asked for in any order: lists are taken over, put back, copied and pushed out, and nobody can tell. */
#include "unit/trace_file.h"

/* More than the reader keeps lists. */
#define CONVERSATIONS 24
#define TURNS 7
#define EXCHANGES (CONVERSATIONS * TURNS)

struct snapshot {
	struct trace_prompt_part *parts;
	size_t n;
};

/* Conversations that take turns; some change at their head, forget their beginning, or say something again. */
static void write_conversations(void)
{
	struct trace_writer *w = open_writer(CONTENT_FULL);
	struct conversation all[CONVERSATIONS];
	char sessions[CONVERSATIONS][16];
	uint64_t id = 1;

	for (unsigned i = 0; i < CONVERSATIONS; i++) {
		snprintf(sessions[i], sizeof(sessions[i]), "s-%u", i);
		all[i] = (struct conversation){.session = sessions[i],
					       .seed = i / 3 * 3, /* three that begin alike */
					       .messages = 1 + i % 3 * 2,
					       .text_size = 60,
					       .marker = i % 2 == 0};
	}
	for (unsigned turn = 0; turn < TURNS; turn++) {
		for (unsigned i = 0; i < CONVERSATIONS; i++) {
			struct conversation *c = &all[i];
			write_next(w, c, id++);
			c->messages += i % 5 == 4 && turn == 3 ? 0 : 2;
			c->first += i % 4 == 1;
			c->system += i % 4 == 2 && turn % 2;
			c->skipped += i % 4 == 3 && turn == 4 ? 2 : 0;
			c->messages -= i % 6 == 5 && turn == 2 ? 2 : 0;
		}
	}
	close_writer(w);
}

/* What a reader that is asked for nothing else says. */
static void take(size_t exchange, struct snapshot *out)
{
	const struct trace_prompt_part *parts;
	struct trace t;

	read_trace(&t);
	assert_int_equal(trace_prompt(&t, exchange, &parts, &out->n, error, sizeof(error)), 0);
	assert_true(out->n > 5);
	out->parts = malloc(out->n * sizeof(*parts));
	memcpy(out->parts, parts, out->n * sizeof(*parts));
	trace_release(&t);
}

static void check(struct trace *t, size_t exchange, const struct snapshot *want)
{
	const struct trace_prompt_part *parts;
	size_t n;

	assert_int_equal(trace_prompt(t, exchange, &parts, &n, error, sizeof(error)), 0);
	assert_int_equal(n, want->n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(parts[i].part, want->parts[i].part);
		assert_int_equal(parts[i].message, want->parts[i].message);
		assert_int_equal(parts[i].index, want->parts[i].index);
	}
}

/* Where the reader says that a part begins, it begins. */
static void check_offsets(struct trace *t, size_t exchange, const struct snapshot *want)
{
	struct buf body, text;

	buf_init(&body, 1 << 26);
	buf_init(&text, 1 << 26);
	assert_int_equal(trace_request_body(t, exchange, &body, error, sizeof(error)), 0);
	for (size_t i = 0; i < want->n; i++) {
		int64_t at = trace_part_offset(t, exchange, &want->parts[i]);
		buf_reset(&text);
		assert_int_equal(trace_part_text(t, want->parts[i].part, &text, error, sizeof(error)), 0);
		assert_in_range(at, 1, body.n - text.n);
		assert_memory_equal(body.p + at, text.p, text.n);
	}
	struct trace_prompt_part none = want->parts[0];
	none.index += 1000;
	assert_int_equal(trace_part_offset(t, exchange, &none), -1);
	buf_release(&body);
	buf_release(&text);
}

/* What is said to be kept from an earlier prompt is. Returns whether anything was. */
static bool check_kept(const struct trace *t, const struct snapshot *all, size_t exchange, size_t earlier)
{
	size_t kept = trace_prompt_kept(t, exchange, earlier);
	const struct snapshot *a = &all[earlier], *b = &all[exchange];

	for (size_t i = 0; i < kept && i < b->n; i++) {
		assert_true(i < a->n);
		assert_int_equal(a->parts[i].part, b->parts[i].part);
		assert_int_equal(a->parts[i].message, b->parts[i].message);
		assert_int_equal(a->parts[i].index, b->parts[i].index);
	}
	return kept > 0;
}

static void test_any_order(void **state)
{
	(void)state;
	struct snapshot all[EXCHANGES];
	struct trace t;
	unsigned state_of_chance = 11, kept = 0;

	write_conversations();
	for (size_t i = 0; i < EXCHANGES; i++)
		take(i, &all[i]);
	read_trace(&t);
	assert_int_equal(t.nexchanges, EXCHANGES);
	for (size_t i = 0; i < EXCHANGES; i++)
		check(&t, i, &all[i]);
	for (size_t i = EXCHANGES; i-- > 0;)
		check(&t, i, &all[i]);
	/* A conversation at a time, forwards and one step back. */
	for (size_t c = 0; c < CONVERSATIONS; c++) {
		for (size_t turn = 0; turn < TURNS; turn++) {
			size_t now = turn * CONVERSATIONS + c, before = turn ? now - CONVERSATIONS : now;
			check(&t, now, &all[now]);
			check_offsets(&t, now, &all[now]);
			check(&t, before, &all[before]);
			kept += before != now && check_kept(&t, all, now, before);
		}
	}
	assert_true(kept > CONVERSATIONS);
	for (int i = 0; i < 4000; i++) {
		state_of_chance = state_of_chance * 1664525u + 1013904223u;
		size_t at = (state_of_chance >> 8) % EXCHANGES;
		check(&t, at, &all[at]);
		check_kept(&t, all, at, at % CONVERSATIONS);
		if (i % 37 == 0)
			check_offsets(&t, at, &all[at]);
	}
	trace_release(&t);
	for (size_t i = 0; i < EXCHANGES; i++)
		free(all[i].parts);
}

/* The parts of a body, read from the body itself, stand where the reader of the trace says. */
static size_t check_by_body(struct trace *t, size_t exchange)
{
	const struct trace_prompt_part *parts;
	struct prompt_request request;
	struct prompt prompt;
	struct buf body, text;
	const char *what;
	size_t n, offset;

	buf_init(&body, 1 << 26);
	buf_init(&text, 1 << 26);
	prompt_init(&prompt);
	assert_int_equal(trace_request_body(t, exchange, &body, error, sizeof(error)), 0);
	assert_int_equal(
		prompt_parse(t->exchanges[exchange].api, buf_str(&body), NULL, &prompt, &request, &what, &offset), 0);
	assert_int_equal(trace_prompt(t, exchange, &parts, &n, error, sizeof(error)), 0);
	assert_int_equal(n, prompt.nparts);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(parts[i].message, prompt.parts[i].message);
		assert_int_equal(parts[i].index, prompt.parts[i].index);
		buf_reset(&text);
		assert_int_equal(trace_part_text(t, parts[i].part, &text, error, sizeof(error)), 0);
		assert_int_equal(text.n, prompt.parts[i].bytes);
		assert_memory_equal(text.p, body.p + prompt.parts[i].offset, text.n);
	}
	prompt_release(&prompt);
	buf_release(&text);
	buf_release(&body);
	return n;
}

/* Long conversations whose beginning is forgotten step by step, so that all of the rest stands elsewhere. */
static void test_window(void **state)
{
	(void)state;
	enum { LONG_TURNS = 40 };
	struct trace_writer *w = open_writer(CONTENT_FULL);
	struct trace t;
	size_t most = 0;

	for (unsigned kind = 0; kind < 3; kind++) {
		struct conversation c = {.session = kind ? "b" : "a", .seed = kind, .messages = 81, .text_size = 30};
		for (unsigned turn = 0; turn < LONG_TURNS; turn++) {
			write_next(w, &c, 1 + kind * LONG_TURNS + turn);
			c.messages += 2;
			c.skipped += kind == 0 || turn % 3 == 0 ? 2 : 0;
			c.first += kind == 2 && turn % 5 == 4;
		}
	}
	close_writer(w);
	read_trace(&t);
	for (size_t i = 0; i < t.nexchanges; i++) {
		size_t n = check_by_body(&t, i);
		most = n > most ? n : most;
	}
	for (size_t i = 0; i < t.nexchanges; i += 7)
		check_by_body(&t, (i * 13 + 5) % t.nexchanges);
	assert_true(most > 64);
	trace_release(&t);
}

/* A part that takes another's place and says that it goes on with the message before: all behind it stand elsewhere. */
static void test_other_place(void **state)
{
	(void)state;
	static const char *const segments[] = {
		"null,\"segments\":[{\"part\":0,\"step\":1},{\"part\":1,\"step\":1},{\"part\":2,\"step\":1},\"]\"]",
		"1,\"segments\":[[0,1],{\"part\":3,\"step\":1},[2,2]]",
		"2,\"segments\":[[0,1],{\"part\":4,\"step\":0},[2,2]]",
	};
	static struct trace_prompt_part want[3][3] = {
		{{0, 0, 0}, {1, 1, 0}, {2, 2, 0}},
		{{0, 0, 0}, {3, 1, 0}, {2, 2, 0}},
		{{0, 0, 0}, {4, 0, 1}, {2, 1, 0}},
	};
	static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {2, 0, 1}};
	char hex[DIGEST_HEX_CHARS + 1];
	struct digest digest = digest_of(STR("x"));
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	digest_hex(&digest, hex);
	fprintf(f, "{\"type\":\"header\",\"version\":1,\"content\":\"full\"}\n");
	for (int i = 0; i < 5; i++)
		fprintf(f,
			"{\"type\":\"part\",\"id\":%d,\"kind\":\"message\",\"role\":\"user\",\"block\":\"text\","
			"\"bytes\":4,\"normalised_bytes\":4,\"sha256\":\"%s\",\"normalised_sha256\":\"%s\","
			"\"text\":\"\\\"t%d\\\"\"}\n",
			i, hex, hex, i);
	for (int i = 0; i < 3; i++)
		fprintf(f,
			"{\"type\":\"exchange\",\"id\":%d,\"api\":\"anthropic.messages\",\"request\":{\"bytes\":13,"
			"\"sha256\":\"%s\",\"exact\":true,\"body\":{\"base\":%s}},\"response\":{}}\n",
			i + 1, hex, segments[i]);
	fclose(f);
	for (size_t o = 0; o < sizeof(orders) / sizeof(*orders); o++) {
		struct trace t;
		if (trace_read(path, &t, error, sizeof(error)) < 0)
			fail_msg("%s", error);
		assert_int_equal(t.nexchanges, 3);
		for (int i = 0; i < 3; i++) {
			struct snapshot s = {want[orders[o][i]], 3};
			check(&t, (size_t)orders[o][i], &s);
		}
		trace_release(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_other_place),
	};
	return cmocka_run_group_tests_name("items", tests, make_folder, remove_folder) != 0;
}
