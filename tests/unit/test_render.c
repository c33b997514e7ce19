/* SPDX-License-Identifier: MIT */
/* What backends do to a prompt: names of backends, their rules, and prompts laid out by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "prompt/prompt.h"
#include "render/render.h"
#include "why/compare.h"

#include <stdio.h>
#include <stdlib.h>

static struct backend backend(const char *name)
{
	struct backend b;
	const char *error = NULL;
	if (backend_parse(str_from(name), &b, &error) < 0)
		fail_msg("%s: %s", name, error);
	return b;
}

static void test_names(void **state)
{
	(void)state;
	static const char *const names[] = {"vllm@0.28+qwen3", "llama.cpp@b8906", "sglang+glm", "anthropic",
					    "lmstudio@0.4.15+gpt-oss"};
	char back[64];
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct backend b = backend(names[i]);
		backend_name(&b, back, sizeof(back));
		assert_string_equal(back, names[i]);
	}
	static const char *const wrong[] = {"",           "vllm+",     "vllm@",        "vllm@x", "llamacpp",
					    "vllm+qwen9", "vllm@0..1", "vllm@0.1.2.3", "+qwen3"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct backend b = {.engine = ENGINE_VLLM};
		const char *error = NULL;
		assert_int_equal(backend_parse(str_from(wrong[i]), &b, &error), -1);
		assert_non_null(error);
		assert_int_equal(b.engine, ENGINE_VLLM);
	}
}

static struct render_rules rules(const char *name)
{
	struct backend b = backend(name);
	struct render_rules r;
	backend_rules(&b, &r);
	return r;
}

static void test_rules(void **state)
{
	(void)state;
	assert_int_equal(rules("llama.cpp@b8905").billing, BILLING_KEPT);
	assert_int_equal(rules("llama.cpp@b8906").billing, BILLING_MASKED);
	assert_int_equal(rules("llama.cpp").billing, BILLING_MASKED);
	assert_int_equal(rules("vllm@0.17.1").billing, BILLING_KEPT);
	assert_int_equal(rules("vllm@0.18").billing, BILLING_REMOVED);
	assert_int_equal(rules("vllm").block_tokens, 16);
	assert_int_equal(rules("vllm@0.29+llama3").system_turns, TURNS_HOISTED);
	assert_int_equal(rules("vllm@0.32+llama3").system_turns, TURNS_IN_PLACE);
	assert_int_equal(rules("vllm+llama3").system_turns, TURNS_IN_PLACE);
	assert_int_equal(rules("vllm+qwen3").system_turns, TURNS_HOISTED);
	assert_int_equal(rules("sglang+llama3").system_turns, TURNS_IN_PLACE);
	assert_int_equal(rules("sglang+qwen3").system_turns, TURNS_HOISTED);
	assert_int_equal(rules("llama.cpp+qwen3").system_turns, TURNS_REFUSED);
	assert_int_equal(rules("lmstudio@0.4.1").system_turns, TURNS_REFUSED);
	assert_int_equal(rules("lmstudio@0.4.15").system_turns, TURNS_IN_PLACE);
	assert_int_equal(rules("ollama+qwen3").tools, TOOLS_AFTER_SYSTEM);
	assert_int_equal(rules("ollama+glm").thinking, THINKING_DROPPED_OLD);
	assert_int_equal(template_of_model(STR("Qwen3-Coder-30B")), TEMPLATE_QWEN3);
	assert_int_equal(template_of_model(STR("claude-opus-5")), TEMPLATE_UNKNOWN);
}

/* Rules that change nothing: tools, system, messages, and everything kept. */
static const struct render_rules as_sent = {
	.tools = TOOLS_BEFORE_SYSTEM,
	.system_turns = TURNS_IN_PLACE,
	.billing = BILLING_KEPT,
	.thinking = THINKING_KEPT,
	.block_tokens = 1,
};

/* Parts are named by a letter, which is their digest too. */

static const struct trace_part parts[] = {
	['b'] = {.kind = PART_SYSTEM,
		 .role = ROLE_SYSTEM,
		 .block = BLOCK_BILLING,
		 .normalised_bytes = 10,
		 .normalised = {{'b'}}},
	['s'] = {.kind = PART_SYSTEM,
		 .role = ROLE_SYSTEM,
		 .block = BLOCK_TEXT,
		 .normalised_bytes = 100,
		 .normalised = {{'s'}}},
	['t'] = {.kind = PART_TOOL, .block = BLOCK_TOOL, .normalised_bytes = 50, .normalised = {{'t'}}},
	['T'] = {.kind = PART_TOOL, .block = BLOCK_TOOL, .normalised_bytes = 50, .normalised = {{'T'}}},
	['u'] = {.kind = PART_MESSAGE, .role = ROLE_USER, .block = BLOCK_TEXT, .normalised = {{'u'}}},
	['v'] = {.kind = PART_MESSAGE, .role = ROLE_USER, .block = BLOCK_TEXT, .normalised = {{'v'}}},
	['k'] = {.kind = PART_MESSAGE,
		 .role = ROLE_ASSISTANT,
		 .block = BLOCK_THINKING,
		 .normalised_bytes = 300,
		 .normalised = {{'k'}}},
	['e'] = {.kind = PART_MESSAGE,
		 .role = ROLE_ASSISTANT,
		 .block = BLOCK_THINKING,
		 .normalised_bytes = sizeof("{\"signature\":\"\",\"thinking\":\"\",\"type\":\"thinking\"}") - 1,
		 .normalised = {{'e'}}},
	['a'] = {.kind = PART_MESSAGE, .role = ROLE_ASSISTANT, .block = BLOCK_TEXT, .normalised = {{'a'}}},
	['r'] = {.kind = PART_MESSAGE, .role = ROLE_USER, .block = BLOCK_TOOL_RESULT, .normalised = {{'r'}}},
	['y'] = {.kind = PART_MESSAGE, .role = ROLE_SYSTEM, .block = BLOCK_TEXT, .normalised = {{'y'}}},
};

/* "stu|ka|r": parts in wire order, a new message after each bar. */
static size_t parse(const char *prompt, struct trace_prompt_part *list)
{
	uint32_t message = 0, index = 0;
	size_t n = 0;
	for (const char *p = prompt; *p; p++) {
		if (*p == '|') {
			message++;
			index = 0;
			continue;
		}
		list[n++] = (struct trace_prompt_part){.part = (uint32_t)*p, .message = message, .index = index++};
	}
	return n;
}

static void render(const char *prompt, const struct render_rules *r, struct rendered *out)
{
	struct trace_prompt_part list[64];
	assert_int_equal(render_prompt(r, parts, list, parse(prompt, list), NULL, NULL, out), 0);
}

static void assert_renders(const char *prompt, const struct render_rules *r, const char *expected, bool refused)
{
	struct rendered out = {0};
	char got[64];
	render(prompt, r, &out);
	assert_true(out.n < sizeof(got));
	for (size_t i = 0; i < out.n; i++)
		got[i] = (char)rendered_piece(&out, i)->part;
	got[out.n] = '\0';
	assert_string_equal(got, expected);
	assert_int_equal(out.refused, refused);
	rendered_release(&out);
}

static void test_order(void **state)
{
	(void)state;
	struct render_rules r = as_sent;
	assert_renders("u|kabstT", &r, "tTbsuka", false);
	r.tools = TOOLS_AFTER_SYSTEM;
	assert_renders("u|kabstT", &r, "bstTuka", false);
	r.tools = TOOLS_BEFORE_LAST_USER;
	assert_renders("bstTu|a|v|a", &r, "bsuatTva", false);
	assert_renders("bst", &r, "bst", false);
	r.billing = BILLING_REMOVED;
	assert_renders("bsu", &r, "su", false);
}

static void test_system_turns(void **state)
{
	(void)state;
	struct render_rules r = as_sent;
	assert_renders("stu|y|a|y", &r, "tsuyay", false);
	r.system_turns = TURNS_HOISTED;
	assert_renders("stu|y|a|y", &r, "tsyyua", false);
	r.tools = TOOLS_AFTER_SYSTEM;
	assert_renders("stu|y|a", &r, "sytua", false);
	r.system_turns = TURNS_REFUSED;
	assert_renders("su|y|a", &r, "suya", true);
	assert_renders("su|a", &r, "sua", false);
}

static void test_thinking(void **state)
{
	(void)state;
	struct render_rules r = as_sent;
	r.thinking = THINKING_DROPPED_OLD;
	/* Tool results are no new question: the thinking since the last one stays. */
	assert_renders("su|ka|r|ka|r", &r, "sukarkar", false);
	assert_renders("su|ka|r|ka|v|ka", &r, "suaravka", false);
	/* A thought of no words is never rendered by a template that drops old ones: no turn loses it. */
	assert_renders("su|ea|r|ka", &r, "suarka", false);
	r.thinking = THINKING_DROPPED;
	assert_renders("su|ka|r|ka", &r, "suara", false);
	r.thinking = THINKING_KEPT;
	assert_renders("su|ea|r", &r, "suear", false);
	/* OpenAI's reasoning_content may stand behind what was said. */
	assert_renders("su|ak|r", &r, "sukar", false);
}

static int signed_thought(void *context, uint32_t part, struct buf *out)
{
	(void)part;
	buf_puts(out, context);
	return 0;
}

/* A signature makes an empty thought no longer. */
static void test_empty_thoughts(void **state)
{
	(void)state;
	struct trace_part two[] = {
		{.kind = PART_MESSAGE, .role = ROLE_ASSISTANT, .block = BLOCK_THINKING, .normalised_bytes = 100},
		{.kind = PART_MESSAGE, .role = ROLE_ASSISTANT, .block = BLOCK_TEXT, .normalised_bytes = 10},
	};
	const struct trace_prompt_part prompt[] = {{0, 1, 0}, {1, 1, 1}};
	struct render_rules r = as_sent;
	struct rendered out = {0};
	static const struct {
		const char *json;
		size_t pieces;
	} cases[] = {
		{"{\"type\":\"thinking\",\"thinking\":\"\\n\\n\",\"signature\":\"abc\"}", 1},
		{"{\"signature\":\"abc\",\"thinking\":\"\",\"type\":\"thinking\"}", 1},
		{"{\"type\":\"thinking\",\"thinking\":\"\\nHm.\",\"signature\":\"abc\"}", 2},
		{"\"\\n\\n\"", 2},
		{"{\"type\":", 2},
	};
	r.thinking = THINKING_DROPPED_OLD;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char json[128];
		snprintf(json, sizeof(json), "%s", cases[i].json);
		assert_int_equal(render_prompt(&r, two, prompt, 2, signed_thought, json, &out), 0);
		assert_int_equal(out.n, cases[i].pieces);
	}
	two[0].normalised_bytes = 5000;
	assert_int_equal(render_prompt(&r, two, prompt, 2, signed_thought, NULL, &out), 0);
	assert_int_equal(out.n, 2);
	rendered_release(&out);
}

static void test_text_before_results(void **state)
{
	(void)state;
	struct render_rules r = as_sent;
	r.text_before_tool_results = true;
	assert_renders("su|a|rv|a", &r, "suavra", false);
}

static void assert_same_rendering(const struct rendered *a, const struct rendered *b)
{
	assert_int_equal(a->n, b->n);
	assert_int_equal(a->bytes, b->bytes);
	assert_int_equal(a->dropped, b->dropped);
	assert_int_equal(a->refused, b->refused);
	assert_int_equal(rendered_common(a, b), a->n);
	uint64_t bytes = 0, some = 0, others = 0;
	for (size_t i = 0; i < a->n; i++) {
		const struct render_piece *x = rendered_piece(a, i), *y = rendered_piece(b, i);
		uint64_t hash[2][2];
		rendered_prefix(a, i + 1, hash[0]);
		rendered_prefix(b, i + 1, hash[1]);
		assert_memory_equal(hash[0], hash[1], sizeof(hash[0]));
		assert_int_equal(x->part, y->part);
		assert_int_equal(x->message, y->message);
		assert_int_equal(x->index, y->index);
		assert_int_equal(x->place, y->place);
		assert_int_equal(x->classes, y->classes);
		assert_int_equal(rendered_bytes(a, i), bytes);
		assert_int_equal(rendered_bytes_of(a, i, PIECE_THINKING | PIECE_TOOL), some);
		assert_int_equal(rendered_bytes_of(a, i, PIECE_BILLING | PIECE_MOVED), others);
		bytes += y->bytes;
		some += y->classes & (PIECE_THINKING | PIECE_TOOL) ? y->bytes : 0;
		others += y->classes & (PIECE_BILLING | PIECE_MOVED) ? y->bytes : 0;
	}
}

/* What goes on from the prompt before is what would have been rendered from nothing, by whatever rules. */
static void test_continued(void **state)
{
	(void)state;
	const char *const prompts[] = {
		"stu",
		"stu|ka|r",
		"stu|ka|rv",
		"stu|ka|rv|a",
		"stu|ka|r",
		"stu|ka|r|y|ka|r",
		"stu|ka|v",
		"stu|ka|v|ka",
		"stu|ea|v|ka|r",
		"bstu|ea|v|ka|r",
		"sTu|ea|v|ka|r",
		"u|ka|rstT",
		"u|ka|r|astT",
		"u|ka|r|avstT",
		"u|ka|r|avst",
		"u|ka|r|yst",
		"u|ka|r|y",
		"s",
		"stTu|a|r|a|r",
		"sTu|ka|r",
		"sTu|ka|r|y|ka|r",
		"bstu|ka|r|y",
		"stu|y|ka|r|y|ka|v|ka|r|y",
		"stu|y|ka|r|y|ka|v|ka|r|y|a|v",
		"styu|a|y|b",
		"u|y|ka|v|kastT",
	};
	const size_t count = sizeof(prompts) / sizeof(*prompts);
	for (unsigned bits = 0; bits < 3 * 3 * 3 * 2 * 2; bits++) {
		struct render_rules r = as_sent;
		r.tools = (enum tools_place)(bits % 3);
		r.system_turns = (enum system_turns)(bits / 3 % 3);
		r.thinking = (enum thinking_rule)(bits / 9 % 3);
		r.billing = bits / 27 % 2 ? BILLING_REMOVED : BILLING_KEPT;
		r.text_before_tool_results = bits / 54;
		for (size_t i = 0; i < count * count; i++) {
			struct trace_prompt_part before[64], now[64];
			struct rendered whole = {0}, continued = {0};
			size_t nbefore = parse(prompts[i / count], before), n = parse(prompts[i % count], now),
			       same = 0;
			while (same < n && same < nbefore && now[same].part == before[same].part &&
			       now[same].message == before[same].message && now[same].index == before[same].index)
				same++;
			render(prompts[i / count], &r, &continued);
			assert_int_equal(render_continue(&r, parts, now, n, same, NULL, NULL, &continued), 0);
			render(prompts[i % count], &r, &whole);
			assert_same_rendering(&continued, &whole);
			/* And on from there, back to the first. */
			assert_int_equal(render_continue(&r, parts, before, nbefore, same, NULL, NULL, &continued), 0);
			render(prompts[i / count], &r, &whole);
			assert_same_rendering(&continued, &whole);
			rendered_release(&whole);
			rendered_release(&continued);
		}
	}
}

static unsigned draw(unsigned *chance, unsigned of)
{
	*chance = *chance * 1664525u + 1013904223u;
	return (*chance >> 8) % of;
}

#define WALK_MAX 700

/* Changes, adds or takes away some letters anywhere, and now and then goes on at the end. */
static void edit(char *prompt, unsigned *chance)
{
	static const char letters[] = "||||stTuvkearyb", end[] = "|a|r|y|ka|v";
	size_t n = strlen(prompt), at = draw(chance, (unsigned)n + 1);
	switch (draw(chance, 6)) {
	case 0:
		if (at < n)
			prompt[at] = letters[draw(chance, sizeof(letters) - 1)];
		break;
	case 1:
		if (n + 1 < WALK_MAX) {
			memmove(prompt + at + 1, prompt + at, n + 1 - at);
			prompt[at] = letters[draw(chance, sizeof(letters) - 1)];
		}
		break;
	case 2: {
		size_t gone = draw(chance, draw(chance, 20) ? 9 : 300);
		gone = gone < n - at ? gone : n - at;
		memmove(prompt + at, prompt + at + gone, n + 1 - at - gone);
		break;
	}
	default:
		for (unsigned i = draw(chance, 8); i > 0 && n + sizeof(end) < WALK_MAX; i--, n = strlen(prompt)) {
			unsigned from = draw(chance, 5) * 2;
			memcpy(prompt + n, end + from, 2);
			prompt[n + 2] = '\0';
		}
	}
}

/* Each digest is found where it is first, from wherever it is looked for. */
static void assert_searches(const struct rendered *r, unsigned *chance)
{
	for (const char *p = "tusrkyv"; *p; p++) {
		size_t from = draw(chance, (unsigned)r->n + 1), want = from;
		while (want < r->n && rendered_piece(r, want)->part != (unsigned char)*p)
			want++;
		assert_int_equal(rendered_search(r, &parts[(int)*p].normalised, from), want);
	}
}

/* Long prompts that change in all places, one from the other: as if each had been rendered from nothing. */
static void test_walk(void **state)
{
	(void)state;
	unsigned chance = 11;
	for (unsigned bits = 0; bits < 3 * 3 * 3 * 2 * 2; bits++) {
		struct render_rules r = as_sent;
		struct rendered whole = {0}, walked = {0};
		struct trace_prompt_part before[WALK_MAX], now[WALK_MAX];
		char prompt[WALK_MAX + 1] =
			"stTu|ka|r|y|ka|r|y|a|v|ka|r|a|r|a|r|y|a|r|kkka|rrr|a|r|v|ka|r|y|ka|r|y|ka|r";
		size_t nbefore = 0, n;
		r.tools = (enum tools_place)(bits % 3);
		r.system_turns = (enum system_turns)(bits / 3 % 3);
		r.thinking = (enum thinking_rule)(bits / 9 % 3);
		r.billing = bits / 27 % 2 ? BILLING_REMOVED : BILLING_KEPT;
		r.text_before_tool_results = bits / 54;
		for (int i = 0; i < 200; i++) {
			size_t same = 0;
			for (unsigned edits = draw(&chance, 4); edits > 0; edits--)
				edit(prompt, &chance);
			n = parse(prompt, now);
			while (same < n && same < nbefore && memcmp(&now[same], &before[same], sizeof(*now)) == 0)
				same++;
			/* What is said to be kept is a lower bound. */
			same = draw(&chance, 3) ? same : draw(&chance, (unsigned)same + 1);
			assert_int_equal(render_continue(&r, parts, now, n, same, NULL, NULL, &walked), 0);
			assert_int_equal(render_prompt(&r, parts, now, n, NULL, NULL, &whole), 0);
			assert_same_rendering(&walked, &whole);
			if (i % 8 == 0)
				assert_searches(&walked, &chance);
			memcpy(before, now, sizeof(now));
			nbefore = n;
		}
		rendered_release(&whole);
		rendered_release(&walked);
	}
}

/* What compare is to find, piece by piece. */
static void compare_slowly(const struct view *old, const struct view *new, struct comparison *c)
{
	size_t i = 0, k = 0, excused = 0;
	for (;;) {
		while (i < old->rendered.n && (piece_classes(old, i) & c->passed_over))
			i++;
		while (k < new->rendered.n && (piece_classes(new, k) & c->passed_over))
			k++;
		if (i == old->rendered.n || k == new->rendered.n)
			break;
		if (piece_equal(old, i, new, k)) {
			c->equal_bytes += piece_of(new, k)->bytes;
			i++;
			k++;
			continue;
		}
		if (excused == c->nexcuses)
			break;
		const struct excuse *e = &c->excuses[excused++];
		i = i + e->old_pieces < old->rendered.n ? i + e->old_pieces : old->rendered.n;
		k = k + e->new_pieces < new->rendered.n ? k + e->new_pieces : new->rendered.n;
	}
	c->old_piece = i;
	c->new_piece = k;
	for (size_t n = 0; n < i; n++)
		c->old_common_bytes += piece_of(old, n)->bytes;
	for (size_t n = 0; n < k; n++)
		c->common_bytes += piece_of(new, n)->bytes;
	c->differs = i < old->rendered.n;
}

static void test_compare_like_slowly(void **state)
{
	(void)state;
	static const char letters[] = "stTuvkearyb", shapes[] = "||||    ";
	unsigned chance = 3;
	for (int i = 0; i < 20000; i++) {
		char prompts[2][60];
		struct rendered both[2] = {{.n = 0}, {.n = 0}};
		struct render_rules r = as_sent;
		struct comparison want = {0}, got;
		for (size_t n = 0; n < 59; n++) {
			chance = chance * 1664525u + 1013904223u;
			char shape = shapes[chance >> 29], letter = letters[(chance >> 16) % (sizeof(letters) - 1)];
			prompts[0][n] = shape == '|' ? shape : letter;
			/* The other one is like it, with a few differences. */
			prompts[1][n] =
				(chance >> 8) % 24 ? prompts[0][n] : letters[(chance >> 4) % (sizeof(letters) - 1)];
		}
		prompts[0][(chance >> 10) % 60] = prompts[1][(chance >> 4) % 60] = '\0';
		prompts[0][59] = prompts[1][59] = '\0';
		r.tools = (enum tools_place)(chance % 3);
		r.system_turns = (enum system_turns)(chance / 3 % 3);
		r.thinking = (enum thinking_rule)(chance / 9 % 3);
		render(prompts[0], &r, &both[0]);
		render(prompts[1], &r, &both[1]);
		struct view old = {.rendered = both[0]}, new = {.rendered = both[1]};
		want.passed_over = chance >> 20 & (PIECE_BILLING | PIECE_TOOL | PIECE_MOVED | PIECE_THINKING);
		want.nexcuses = (chance >> 24) % 4;
		for (size_t e = 0; e < want.nexcuses; e++)
			want.excuses[e] = (struct excuse){(chance >> e) % 3, (chance >> (e + 5)) % 3};
		got = want;
		compare_slowly(&old, &new, &want);
		compare(&old, &new, &got);
		assert_int_equal(got.old_piece, want.old_piece);
		assert_int_equal(got.new_piece, want.new_piece);
		assert_int_equal(got.old_common_bytes, want.old_common_bytes);
		assert_int_equal(got.common_bytes, want.common_bytes);
		assert_int_equal(got.equal_bytes, want.equal_bytes);
		assert_int_equal(got.differs, want.differs);
		rendered_release(&both[0]);
		rendered_release(&both[1]);
	}
}

/* A comparison looks behind what it is told to pass over, and takes so many pairs as equal as it is told to. */
static void test_compare(void **state)
{
	(void)state;
	struct rendered a = {0}, b = {0};
	render("stu|a|r", &as_sent, &a);
	render("sTu|a|r|a", &as_sent, &b);
	struct view old = {.rendered = a}, new = {.rendered = b};
	struct comparison c = {0};

	compare(&old, &new, &c);
	assert_true(c.differs);
	assert_int_equal(c.new_piece, 0);
	assert_int_equal(c.common_bytes, 0);
	c.passed_over = PIECE_TOOL;
	compare(&old, &new, &c);
	assert_false(c.differs);
	c = (struct comparison){.excuses = {{1, 1}}, .nexcuses = 1};
	compare(&old, &new, &c);
	assert_false(c.differs);
	/* The other way round the old prompt is longer: not wholly contained. */
	c = (struct comparison){.passed_over = PIECE_TOOL};
	compare(&new, &old, &c);
	assert_true(c.differs);
	assert_int_equal(c.new_piece, old.rendered.n);
	assert_int_equal(rendered_common(&a, &a), a.n);
	rendered_release(&a);
	rendered_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_system_turns),
		cmocka_unit_test(test_thinking),
		cmocka_unit_test(test_empty_thoughts),
		cmocka_unit_test(test_text_before_results),
		cmocka_unit_test(test_continued),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_compare_like_slowly),
	};
	return cmocka_run_group_tests_name("render", tests, NULL, NULL) != 0;
}
