/* SPDX-License-Identifier: MIT */
/* A trace without content has none, and still tells what is equal and where things differ. */
#include "unit/trace_file.h"

/* Not one word of content in the file, yet equal parts are equal and a divergence has a place. */
static void test_content_none(void **state)
{
	(void)state;
	struct conversation c = {.session = "s", .messages = 5, .text_size = 300};
	struct trace_writer *w = open_writer(CONTENT_NONE);
	struct exchange x;
	struct buf text, chains[2];
	struct trace t;

	write_next(w, &c, 1);
	c.messages = 7;
	write_next(w, &c, 2);
	conversation_exchange(&c, 3, &x);
	/* The same message but for a byte 130 bytes into it: its chain tells the third step. */
	x.request.body.p[x.prompt.parts[0].offset + 130] ^= 1;
	x.prompt.parts[0].raw = digest_of(STR("another"));
	x.prompt.parts[0].normalised = digest_of(STR("another, normalised"));
	x.response.error = strdup("invalid_request_error: text 1 is bad");
	trace_writer_exchange(w, &x);
	close_writer(w);
	check_by_others();

	buf_init(&text, 1 << 26);
	slurp(&text);
	char hex[DIGEST_HEX_CHARS + 1];
	const char *canaries[] = {"text ", "canary", "tool0", "revision", "secret", "max_tokens\\", "sha256", "is bad"};
	for (size_t i = 0; i < sizeof(canaries) / sizeof(*canaries); i++)
		assert_null(strstr(text.p, canaries[i]));
	const struct digest looked_up[] = {x.request.body_sha256, x.prompt.parts[1].raw, x.prompt.parts[1].normalised,
					   x.prompt.system_fingerprint, x.response.body_sha256};
	for (size_t i = 0; i < sizeof(looked_up) / sizeof(*looked_up); i++) {
		digest_hex(&looked_up[i], hex);
		assert_null(strstr(text.p, hex));
	}

	read_trace(&t);
	assert_int_equal(t.content, CONTENT_NONE);
	const struct trace_prompt_part *parts;
	size_t n;
	struct digest third;
	assert_int_equal(trace_prompt(&t, 1, &parts, &n, error, sizeof(error)), 0);
	assert_int_equal(n, x.prompt.nparts);
	uint32_t first = parts[0].part, second = parts[1].part;
	assert_int_equal(trace_prompt(&t, 2, &parts, &n, error, sizeof(error)), 0);
	assert_int_equal(parts[1].part, second);
	assert_int_not_equal(parts[0].part, first);
	assert_int_equal(parts[4].message, x.prompt.parts[4].message);
	third = t.parts[parts[0].part].normalised;
	assert_memory_not_equal(&third, &t.parts[first].normalised, sizeof(third));
	assert_int_equal(t.parts[first].bytes, x.prompt.parts[0].bytes);
	assert_false(t.parts[first].exact);
	uint32_t changed = parts[0].part;
	for (int i = 0; i < 2; i++)
		buf_init(&chains[i], 1 << 20);
	assert_int_equal(trace_part_chain(&t, first, &chains[0], error, sizeof(error)), 0);
	assert_int_equal(trace_part_chain(&t, changed, &chains[1], error, sizeof(error)), 0);
	assert_int_equal(chains[0].n, (x.prompt.parts[0].bytes + 63) / 64 * 16);
	assert_memory_equal(chains[0].p, chains[1].p, 2 * 16);
	for (size_t i = 2; i < chains[0].n / 16; i++)
		assert_memory_not_equal(chains[0].p + i * 16, chains[1].p + i * 16, 16);
	assert_int_equal(trace_request_body(&t, 1, &text, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "--content none"));
	assert_int_equal(trace_response_body(&t, 1, &text, error, sizeof(error)), -1);
	assert_int_equal(trace_part_text(&t, 0, &text, error, sizeof(error)), -1);
	for (int i = 0; i < 2; i++)
		buf_release(&chains[i]);
	buf_release(&text);
	trace_release(&t);
	exchange_release(&x);
}

/* Two traces of the same content share no hash: the key is another one each time. */
static void test_content_none_key(void **state)
{
	(void)state;
	struct conversation c = {.messages = 1, .text_size = 100};
	struct digest seen[2];
	for (int i = 0; i < 2; i++) {
		struct trace_writer *w = open_writer(CONTENT_NONE);
		struct trace t;
		write_next(w, &c, 1);
		close_writer(w);
		read_trace(&t);
		seen[i] = t.parts[0].normalised;
		trace_release(&t);
	}
	assert_memory_not_equal(&seen[0], &seen[1], sizeof(seen[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content_none),
		cmocka_unit_test(test_content_none_key),
	};
	return cmocka_run_group_tests_name("trace_none", tests, make_folder, remove_folder) != 0;
}
