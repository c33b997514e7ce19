/* SPDX-License-Identifier: MIT */
#include "prompts.h"

/* Gives every part a mark that no hashing would produce, to see which ones were taken over. */
static void mark_hashes(struct prompt *p)
{
	for (size_t i = 0; i < p->nparts; i++) {
		memset(&p->parts[i].raw, 0xAA, DIGEST_BYTES);
		memset(&p->parts[i].normalised, 0xBB, DIGEST_BYTES);
	}
}

static bool is_marked(const struct prompt_part *part)
{
	return part->raw.b[0] == 0xAA && part->raw.b[31] == 0xAA && part->normalised.b[7] == 0xBB;
}

static size_t count_marked(const struct prompt *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->nparts; i++)
		n += is_marked(&p->parts[i]);
	return n;
}

/* With or without a previous request the result is the same. */
static void check_one_with_previous(enum kvs_llm_api api, const char *before, const char *now)
{
	struct parsed previous, alone, after;

	parse(&previous, api, str_from(before));
	parse(&alone, api, str_from(now));
	parse_after(&after, api, str_from(now), &previous, str_from(before));
	assert_int_equal(alone.result, after.result);
	assert_true(alone.error == after.error && alone.error_offset == after.error_offset);
	assert_int_equal(alone.prompt.messages, after.prompt.messages);
	assert_int_equal(alone.prompt.nlist, after.prompt.nlist);
	for (size_t i = 0; i < alone.prompt.nlist; i++) {
		const struct prompt_message *x = &alone.prompt.list[i], *y = &after.prompt.list[i];
		assert_true(x->offset == y->offset && x->bytes == y->bytes && x->first_part == y->first_part &&
			    x->nparts == y->nparts && x->message == y->message && x->head == y->head &&
			    x->head_after == y->head_after);
	}
	assert_int_equal(alone.prompt.nparts, after.prompt.nparts);
	if (alone.prompt.nparts)
		assert_memory_equal(alone.prompt.parts, after.prompt.parts,
				    alone.prompt.nparts * sizeof(*alone.prompt.parts));
	assert_memory_equal(&alone.prompt.system_fingerprint, &after.prompt.system_fingerprint, DIGEST_BYTES);
	assert_memory_equal(&alone.prompt.tools_fingerprint, &after.prompt.tools_fingerprint, DIGEST_BYTES);
	prompt_release(&previous.prompt);
	prompt_release(&alone.prompt);
	prompt_release(&after.prompt);
}

static void check_same_with_previous(enum kvs_llm_api api, const char *before, const char *now)
{
	tell_same = false;
	check_one_with_previous(api, before, now);
	tell_same = true;
	check_one_with_previous(api, before, now);
}

static void test_previous(void **state)
{
	struct parsed one, two, three;
	(void)state;

	check_same_with_previous(A, TURN_1, TURN_2);
	check_same_with_previous(A, TURN_2, TURN_3);
	check_same_with_previous(A, TURN_3, TURN_1);
	check_same_with_previous(A, CHAT, TURN_2);
	check_same_with_previous(O, CHAT, CHAT);

	parse(&one, A, STR(TURN_1));
	mark_hashes(&one.prompt);
	parse_after(&two, A, STR(TURN_2), &one, STR(TURN_1));
	/* All 8 of the first request, though tools and system come after more messages than before. */
	assert_int_equal(count_marked(&two.prompt), 8);
	prompt_release(&two.prompt);

	parse(&two, A, STR(TURN_2));
	mark_hashes(&two.prompt);
	parse_after(&three, A, STR(TURN_3), &two, STR(TURN_2));
	/* 13 parts: the first became a string, the result lost its mark. */
	assert_int_equal(count_marked(&three.prompt), 11);
	assert_false(is_marked(&three.prompt.parts[0]));
	assert_false(is_marked(&three.prompt.parts[5]));
	prompt_release(&three.prompt);

	/* A previous body that is not kept, or is shorter than its parts say, is of no use and no harm. */
	parse_after(&three, A, STR(TURN_3), &two, STR_NONE);
	assert_int_equal(count_marked(&three.prompt), 0);
	prompt_release(&three.prompt);
	parse_after(&three, A, STR(TURN_3), &two, (struct str){TURN_2, 300});
	assert_true(count_marked(&three.prompt) < 8);
	prompt_release(&three.prompt);
	prompt_release(&one.prompt);
	prompt_release(&two.prompt);
}

static void session(struct buf *body, const int *messages, size_t n)
{
	buf_reset(body);
	buf_puts(body, "{\"messages\":[");
	for (size_t i = 0; i < n; i++)
		buf_printf(body, "%s{\"role\":\"user\",\"content\":\"message %d\"}", i ? "," : "", messages[i]);
	buf_puts(body, "]}");
}

/* Blocks that came, went or changed must not make all later ones be hashed again. */
static void test_previous_shifted(void **state)
{
	static const int before[] = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29};
	static const struct {
		int messages[26];
		size_t n, taken;
	} cases[] = {
		{{10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, 10, 10},
		{{10, 77, 11, 12, 13, 14, 15, 16, 17, 18, 19}, 11, 10},
		{{77, 78, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, 12, 10},
		{{10, 15, 16, 17, 18, 19}, 6, 6},
		{{10, 77, 12, 13, 78, 15, 16, 17, 79, 19}, 10, 7},
		{{77, 78, 79}, 3, 0},
		/* More than the look around, but not at once. */
		{{77, 78, 79, 10, 11, 12, 77, 78, 79, 13, 14, 15, 16}, 13, 7},
		{{10, 17, 18, 25, 26, 27, 28, 29}, 8, 8},
		/* A long rewritten stretch leaves the rest where it was. */
		{{10, 70, 71, 72, 73, 74, 75, 76, 77, 78, 20, 21, 22}, 13, 4},
	};
	struct buf old, new;
	(void)state;

	buf_init(&old, 1 << 16);
	buf_init(&new, 1 << 16);
	session(&old, before, sizeof(before) / sizeof(*before));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct parsed a, b;
		session(&new, cases[i].messages, cases[i].n);
		check_same_with_previous(A, old.p, new.p);
		parse(&a, A, buf_str(&old));
		mark_hashes(&a.prompt);
		parse_after(&b, A, buf_str(&new), &a, buf_str(&old));
		assert_int_equal(b.prompt.nparts, cases[i].n);
		assert_int_equal(count_marked(&b.prompt), cases[i].taken);
		prompt_release(&a.prompt);
		prompt_release(&b.prompt);
	}
	buf_release(&old);
	buf_release(&new);
}

/* The same bytes in another role are another part, also when the previous request has them at that place. */
static void test_previous_other_role(void **state)
{
	struct parsed a, b;
	struct str one = STR("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
	struct str two = STR("{\"messages\":[{\"role\":\"assistant\",\"content\":\"x\"}]}");
	(void)state;

	check_same_with_previous(A, one.p, two.p);
	parse(&a, A, one);
	mark_hashes(&a.prompt);
	parse_after(&b, A, two, &a, one);
	assert_int_equal(count_marked(&b.prompt), 0);
	prompt_release(&a.prompt);
	prompt_release(&b.prompt);
}

/* A message whose bytes are known is passed whole: what it begins with decides nothing. */
static void test_previous_messages(void **state)
{
#define FIRST "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}"
	static const char *const bodies[] = {
		"{\"messages\":[" FIRST "]}",
		"{\"messages\":[" FIRST "," FIRST "]}",
		/* Nothing but a prefix of the same bytes. */
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
		"{\"type\":\"text\",\"text\":\"b\"}],\"content\":\"twice\"}]}",
		/* Not followed by what must follow. */
		"{\"messages\":[" FIRST "x]}",
		"{\"messages\":[" FIRST,
		/* Messages that are none, or hold nothing. */
		"{\"messages\":[1,12,null,{\"role\":\"user\"},{\"content\":[]},{}," FIRST "]}",
		"{\"messages\":[12,1,{},{\"role\":\"user\"},{\"content\":[]},{}," FIRST "]}",
		/* Elsewhere in the body, and with other lists between. */
		"{\"tools\":[{\"name\":\"t\"}],\"system\":\"s\",\"messages\": [ " FIRST " , " FIRST
		" ] ,\"model\":\"m\"}",
		/* An escape that cannot be. */
		"{\"messages\":[" FIRST ",{\"role\":\"user\",\"content\":\"\\q\"}," FIRST "]}",
		/* OpenAI's API: the same system message at the head and behind it. */
		"{\"messages\":[{\"role\":\"system\",\"content\":\"s\"}," FIRST "]}",
		"{\"messages\":[" FIRST ",{\"role\":\"system\",\"content\":\"s\"}]}",
		"{\"messages\":[{\"role\":\"tool\",\"content\":\"s\"}," FIRST
		",{\"role\":\"tool\",\"content\":\"s\"}]}",
	};
	const size_t n = sizeof(bodies) / sizeof(*bodies);
	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++) {
			check_same_with_previous(A, bodies[i], bodies[k]);
			check_same_with_previous(O, bodies[i], bodies[k]);
		}
	}
#undef FIRST
}

/* Between two messages that are taken over at once there must not have been one that is no object. */
static void test_previous_gaps(void **state)
{
	static const char *const between[] = {"null", "\"x\"", "1", "[]", "{}", "{\"role\":\"user\",\"content\":[]}"};
	char one[256], two[256];
	(void)state;
	for (size_t i = 0; i < sizeof(between) / sizeof(*between); i++) {
		const char *head = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}",
			   *tail = "{\"role\":\"user\",\"content\":\"b\"}";
		snprintf(one, sizeof(one), "%s,%s,%s,%s]}", head, between[i], tail, tail);
		snprintf(two, sizeof(two), "%s,%s,%s,%s,{\"role\":\"user\",\"content\":\"c\"}]}", head, between[i],
			 tail, tail);
		check_same_with_previous(A, one, two);
		check_same_with_previous(A, two, one);
		check_same_with_previous(O, one, two);
		check_same_with_previous(O, two, one);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_previous_messages),
		cmocka_unit_test(test_previous_gaps),
		cmocka_unit_test(test_previous),
		cmocka_unit_test(test_previous_shifted),
		cmocka_unit_test(test_previous_other_role),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
