/* SPDX-License-Identifier: MIT */
/* Sums over a prompt's parts, carried from prompt to prompt, are those that adding them up again gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "anatomy/sums.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 500
#define PROMPT_MAX 700

static struct sums_part known[PARTS];
static unsigned weighed;
static unsigned chance = 5;

static unsigned below(unsigned n)
{
	chance = chance * 1664525u + 1013904223u;
	return (chance >> 8) % n;
}

static int weigh(void *context, uint32_t part, struct sums_part *out)
{
	assert_ptr_equal(context, known);
	assert_true(part < PARTS);
	weighed++;
	*out = known[part];
	return 0;
}

static void make_parts(void)
{
	for (unsigned i = 0; i < PARTS; i++) {
		double memory = below(4) ? 0 : below(100) / 200.0, reminders = below(3) ? 0 : below(100) / 200.0;
		known[i] = (struct sums_part){.kind = i < 20   ? PART_TOOL
						      : i < 25 ? PART_SYSTEM
							       : PART_MESSAGE,
					      .tokens = i % 50 == 49 ? 0 : 1 + below(900) / 7.0,
					      .bytes = below(4000),
					      .share = {memory, reminders, 1 - memory - reminders}};
	}
}

static void assert_near(double got, double want)
{
	if (!(fabs(got - want) <= 1e-9 * (1 + fabs(want))))
		fail_msg("%.12g is not %.12g", got, want);
}

static void check_at(const struct sums_prompt *p, const struct trace_prompt_part *prompt, size_t n)
{
	struct sums got, want = {.count = {0}};

	for (size_t i = 0; i < n; i++) {
		const struct sums_part *part = &known[prompt[i].part];
		double begin = want.tokens[PART_MESSAGE], end = begin + part->tokens;
		want.count[part->kind]++;
		want.tokens[part->kind] += part->tokens;
		want.bytes[part->kind] += part->bytes;
		for (int s = 0; s < SHARES && part->kind == PART_MESSAGE; s++) {
			want.share_tokens[s] += part->share[s] * part->tokens;
			want.share_squares[s] += part->share[s] * (end * end - begin * begin);
			*(part->tokens > 0 ? &want.share_bytes[s] : &want.empty_bytes[s]) +=
				part->share[s] * part->bytes;
		}
	}
	sums_of(p, n, &got);
	for (int k = 0; k < PART_KINDS; k++) {
		assert_int_equal(got.count[k], want.count[k]);
		assert_near(got.tokens[k], want.tokens[k]);
		assert_near(got.bytes[k], want.bytes[k]);
	}
	for (int s = 0; s < SHARES; s++) {
		assert_near(got.share_tokens[s], want.share_tokens[s]);
		assert_near(got.share_squares[s], want.share_squares[s]);
		assert_near(got.share_bytes[s], want.share_bytes[s]);
		assert_near(got.empty_bytes[s], want.empty_bytes[s]);
	}
}

static void check(const struct sums_prompt *p, const struct trace_prompt_part *prompt, size_t n)
{
	double tokens = 0, place = below(40000);
	size_t exceeds = n, tool = 0;

	assert_int_equal(p->n, n);
	check_at(p, prompt, n);
	check_at(p, prompt, n ? below((unsigned)n) : 0);
	for (size_t i = 0; i < n; i++) {
		const struct sums_part *part = &known[prompt[i].part];
		tokens += part->kind == PART_MESSAGE ? part->tokens : 0;
		if (tokens > place && exceeds == n)
			exceeds = i;
		if (part->kind != PART_TOOL)
			continue;
		assert_int_equal(sums_next(p, PART_TOOL, tool), i);
		tool = i + 1;
	}
	assert_int_equal(sums_next(p, PART_TOOL, tool), n);
	assert_int_equal(sums_exceed(p, place), exceeds);
	assert_int_equal(sums_exceed(p, INFINITY), n);
}

/* Changes a prompt and returns how many parts at its beginning stayed. */
static size_t change(struct trace_prompt_part *prompt, size_t *n)
{
	size_t at = *n ? below((unsigned)*n) : 0, added = 1 + below(9);

	switch (below(6)) {
	case 0: /* cut */
		*n = at;
		return at;
	case 1: /* another part in one place */
		if (*n)
			prompt[at].part = below(PARTS);
		return at;
	case 2: /* one more in front of others */
		if (*n >= PROMPT_MAX)
			return *n;
		memmove(prompt + at + 1, prompt + at, (*n - at) * sizeof(*prompt));
		prompt[at].part = below(PARTS);
		++*n;
		return at;
	default: /* it goes on */
		at = *n;
		for (; added && *n < PROMPT_MAX; added--)
			prompt[(*n)++].part = below(PARTS);
		return at;
	}
}

static void test_carried(void **state)
{
	(void)state;
	struct sums_prompt p = {.weigh = weigh, .context = known};
	struct trace_prompt_part prompt[PROMPT_MAX + 1] = {{0, 0, 0}};
	size_t n = 0;

	make_parts();
	for (int i = 0; i < 3000; i++) {
		size_t kept = change(prompt, &n);
		/* Fewer may be said to be kept than are. */
		assert_int_equal(sums_follow(&p, prompt, n, below(3) ? kept : kept / 2), 0);
		check(&p, prompt, n);
	}
	sums_release(&p);
}

/* A part in front of a long prompt changes, and one comes behind it: what is in between is not weighed again. */
static void test_cost(void **state)
{
	(void)state;
	struct sums_prompt p = {.weigh = weigh, .context = known};
	struct trace_prompt_part prompt[PROMPT_MAX + 1] = {{0, 0, 0}};

	make_parts();
	for (size_t i = 0; i <= PROMPT_MAX; i++)
		prompt[i].part = 30 + below(400);
	assert_int_equal(sums_follow(&p, prompt, PROMPT_MAX, 0), 0);
	weighed = 0;
	prompt[3].part++;
	assert_int_equal(sums_follow(&p, prompt, PROMPT_MAX + 1, 3), 0);
	assert_in_range(weighed, 2, 150);
	check_at(&p, prompt, PROMPT_MAX + 1);
	sums_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_carried),
		cmocka_unit_test(test_cost),
	};
	return cmocka_run_group_tests_name("sums", tests, NULL, NULL) != 0;
}
