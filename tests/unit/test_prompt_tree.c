/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lineage/lineage.h"

#include <stdlib.h>
#include <string.h>

/* Kinds and roles go by ranges of symbols. */
#define TOOLS 6
#define SYSTEMS 4
#define HEADS (TOOLS + SYSTEMS)
#define SYMBOLS 400
#define PARTS_MAX 400
#define PROMPTS 48
#define CLIENTS 3
#define ROUNDS 40

static struct tree_symbol what_of(uint32_t symbol)
{
	static const enum part_role roles[] = {ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL, ROLE_ASSISTANT, ROLE_SYSTEM};
	struct tree_symbol what = {.kind = PART_MESSAGE, .role = roles[symbol % 5]};
	if (symbol < HEADS)
		what = (struct tree_symbol){.kind = symbol < TOOLS ? PART_TOOL : PART_SYSTEM, .role = ROLE_NONE};
	what.bytes = 10 + symbol % 7;
	what.tokens = 1 + symbol * 0.1; /* sums depend on the order */
	return what;
}

static struct prompt_tree *tree_new(void)
{
	struct prompt_tree *t = prompt_tree_new();
	assert_non_null(t);
	for (uint32_t i = 0; i < SYMBOLS; i++) {
		struct tree_symbol what = what_of(i);
		struct digest digest = digest_of((struct str){(const char *)&i, sizeof(i)});
		uint32_t symbol;
		assert_int_equal(prompt_tree_symbol(t, &digest, &what, &symbol), 0);
		assert_int_equal(symbol, i);
	}
	return t;
}

static uint32_t depth(const struct prompt_tree *t, uint32_t node)
{
	const struct tree_node *n = prompt_tree_node(t, node);
	return n->count[PART_TOOL] + n->count[PART_SYSTEM] + n->count[PART_MESSAGE];
}

struct parts {
	uint32_t symbols[PARTS_MAX]; /* in wire order */
	size_t n;
};

static struct parts canonical(const struct parts *wire)
{
	struct parts p = {.n = 0};
	for (int kind = 0; kind < PART_KINDS; kind++)
		for (size_t i = 0; i < wire->n; i++)
			if ((int)what_of(wire->symbols[i]).kind == kind)
				p.symbols[p.n++] = wire->symbols[i];
	return p;
}

/* One session: prompts that grow and change, and the tree that the prompts of one client after the other went into. */
struct session {
	uint32_t random;
	struct parts prompts[PROMPTS]; /* in canonical order */
	struct lineage_request requests[PROMPTS];
	struct parts last[CLIENTS]; /* in wire order */
	struct tree_path paths[CLIENTS];
	struct prompt_tree *tree;
};

static uint32_t any(struct session *s, uint32_t below)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 17;
	s->random ^= s->random << 5;
	return s->random % below;
}

static uint32_t any_message(struct session *s)
{
	return HEADS + any(s, SYMBOLS - HEADS);
}

/* Puts `added` new parts in the place of `removed`. */
static void replace(struct session *s, struct parts *p, size_t at, size_t removed, size_t added)
{
	removed = removed < p->n - at ? removed : p->n - at;
	if (p->n - removed + added > PARTS_MAX)
		added = 0;
	memmove(p->symbols + at + added, p->symbols + at + removed, (p->n - at - removed) * sizeof(*p->symbols));
	p->n += added - removed;
	for (size_t i = 0; i < added; i++)
		p->symbols[at + i] = any_message(s);
}

static void begin(struct session *s, struct parts *p)
{
	p->n = 0;
	for (uint32_t i = any(s, HEADS + 1); i < HEADS; i++)
		p->symbols[p->n++] = i;
	replace(s, p, any(s, 2) ? p->n : 0, 0, any(s, 120));
}

static void change(struct session *s, struct parts *p)
{
	size_t head = 0;
	while (head < p->n && p->symbols[head] < HEADS)
		head++;
	size_t inside = p->n > head ? head + any(s, (uint32_t)(p->n - head)) : p->n;
	switch (any(s, 12)) {
	case 0:
		begin(s, p);
		break;
	case 1:
		replace(s, p, inside, PARTS_MAX, 0); /* the end is dropped */
		break;
	case 2:
		replace(s, p, inside, any(s, 4), any(s, 4));
		break;
	case 3:
		if (head > 0)
			p->symbols[any(s, (uint32_t)head)] = any(s, HEADS);
		break;
	case 4:
		break;
	case 5:
		if (p->n > 1)
			replace(s, p, p->n - 1, 1, 0); /* a prompt inside of another one */
		break;
	case 6:
	case 7:
	case 8:
		replace(s, p, head, 1, 1); /* a reminder at the head */
		replace(s, p, p->n, 0, any(s, 5));
		break;
	default:
		replace(s, p, p->n, 0, any(s, 5));
	}
}

/* Adds a client's next prompt, by what it keeps of the one before where that can be said. */
static uint32_t add(struct session *s, unsigned client, const struct parts *before)
{
	const struct parts *p = &s->last[client];
	uint32_t kept[PART_KINDS] = {0}, end;
	size_t same = 0;
	while (same < p->n && same < before->n && p->symbols[same] == before->symbols[same] && any(s, 100))
		kept[what_of(p->symbols[same++]).kind]++;
	if (any(s, 4)) {
		struct parts sorted = canonical(p);
		struct tree_kind kinds[PART_KINDS];
		size_t at = 0;
		for (int kind = 0; kind < PART_KINDS; kind++) {
			kinds[kind] = (struct tree_kind){sorted.symbols + at, 0, kept[kind]};
			for (; at < sorted.n && (int)what_of(sorted.symbols[at]).kind == kind; at++)
				kinds[kind].n++;
		}
		assert_int_equal(prompt_tree_extend(s->tree, &s->paths[client], kinds, &end), 0);
	} else {
		assert_int_equal(prompt_tree_add(s->tree, &s->paths[client], p->symbols, p->n, &end), 0);
	}
	return end;
}

static void ask(struct session *s, size_t i)
{
	static const char *const sessions[] = {NULL, "a", "b"}, *const agents[] = {NULL, NULL, NULL, "x"};
	unsigned client = any(s, CLIENTS);
	struct parts before = s->last[client];
	if (any(s, 10) == 0)
		s->last[client] = s->last[any(s, CLIENTS)]; /* resumed, or one client with two conversations */
	change(s, &s->last[client]);
	s->prompts[i] = canonical(&s->last[client]);
	s->requests[i] = (struct lineage_request){
		.session = sessions[any(s, 3)],
		.agent = agents[any(s, 4)],
		.model = any(s, 8) ? "m" : "n",
		.server = "127.0.0.1:1",
		.run = any(s, 2),
		.api = any(s, 12) ? KVS_API_ANTHROPIC_MESSAGES : KVS_API_ANTHROPIC_COUNT_TOKENS,
		.has_prompt = s->prompts[i].n > 0,
		.prompt = add(s, client, &before),
		.start_ns = i * UINT64_C(1000),
		.prefilled_ns = any(s, 10) ? i * UINT64_C(1000) + any(s, 3000) : 0,
	};
}

static void session_new(struct session *s, uint32_t seed)
{
	memset(s, 0, sizeof(*s));
	s->random = seed * 2654435761U + 1;
	s->tree = tree_new();
	for (unsigned i = 0; i < CLIENTS; i++)
		s->last[i].n = 0;
	for (size_t i = 0; i < PROMPTS; i++)
		ask(s, i);
}

static void session_release(struct session *s)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		tree_path_release(&s->paths[i]);
	prompt_tree_free(s->tree);
}

/* A prompt's end holds what the prompt is: its parts from the last one up, and the sums from the first one down. */
static void assert_prompt(const struct prompt_tree *t, uint32_t end, const struct parts *p)
{
	struct tree_node sums = {.parent = TREE_NONE};
	for (size_t i = 0; i < p->n; i++) {
		struct tree_symbol what = what_of(p->symbols[i]);
		sums.assistants += what.role == ROLE_ASSISTANT;
		sums.count[what.kind]++;
		sums.bytes[what.kind] += what.bytes;
		sums.tokens[what.kind] += what.tokens;
	}
	const struct tree_node *n = prompt_tree_node(t, end);
	assert_int_equal(n->assistants, sums.assistants);
	assert_memory_equal(n->count, sums.count, sizeof(sums.count));
	assert_memory_equal(n->bytes, sums.bytes, sizeof(sums.bytes));
	assert_memory_equal(n->tokens, sums.tokens, sizeof(sums.tokens));
	assert_int_equal(depth(t, n->head), sums.count[PART_TOOL] + sums.count[PART_SYSTEM]);
	assert_int_equal(prompt_tree_is_message(t, end), sums.count[PART_MESSAGE] > 0);

	struct tree_walk walk = prompt_tree_walk(t, end);
	uint32_t symbol;
	for (size_t i = p->n; i > 0; i--) {
		assert_true(prompt_tree_walk_up(t, &walk, &symbol));
		assert_int_equal(symbol, p->symbols[i - 1]);
	}
	assert_false(prompt_tree_walk_up(t, &walk, &symbol));
}

static uint32_t common(const struct prompt_tree *t, uint32_t a, uint32_t b)
{
	while (a != b) {
		uint32_t *deeper = depth(t, a) > depth(t, b) ? &a : &b;
		*deeper = prompt_tree_node(t, *deeper)->parent;
	}
	return depth(t, a);
}

static void prompts_part_where_their_parts_do(void **state)
{
	(void)state;
	struct session *s = malloc(sizeof(*s));
	for (uint32_t seed = 1; seed <= ROUNDS; seed++) {
		session_new(s, seed);
		for (size_t i = 0; i < PROMPTS; i++) {
			assert_prompt(s->tree, s->requests[i].prompt, &s->prompts[i]);
			for (size_t k = 0; k < i; k++) {
				const struct parts *a = &s->prompts[i], *b = &s->prompts[k];
				size_t same = 0;
				while (same < a->n && same < b->n && a->symbols[same] == b->symbols[same])
					same++;
				assert_int_equal(common(s->tree, s->requests[i].prompt, s->requests[k].prompt), same);
			}
		}
		session_release(s);
	}
	free(s);
}

/* A tree with a node for each part: every beginning of a prompt is a prompt of its own. */
static struct prompt_tree *spelled_out(const struct session *s, struct lineage_request *requests)
{
	struct prompt_tree *t = tree_new();
	struct tree_path path = {0};
	memcpy(requests, s->requests, sizeof(s->requests));
	for (size_t i = 0; i < PROMPTS; i++)
		for (size_t n = 0; n <= s->prompts[i].n; n++)
			assert_int_equal(prompt_tree_add(t, &path, s->prompts[i].symbols, n, &requests[i].prompt), 0);
	for (size_t i = 0; i < PROMPTS; i++)
		for (uint32_t node = requests[i].prompt; node != TREE_ROOT; node = prompt_tree_node(t, node)->parent)
			assert_int_equal(depth(t, node), depth(t, prompt_tree_node(t, node)->parent) + 1);
	tree_path_release(&path);
	return t;
}

static void lineages_are_those_of_a_node_per_part(void **state)
{
	(void)state;
	size_t lineages = 0, restarts = 0, repeats = 0, inside = 0;
	struct session *s = malloc(sizeof(*s));
	for (uint32_t seed = 1; seed <= ROUNDS; seed++) {
		struct lineage_request requests[PROMPTS];
		struct lineage_set set, expected;
		session_new(s, seed);
		struct prompt_tree *t = spelled_out(s, requests);
		assert_int_equal(lineage_find(s->tree, s->requests, PROMPTS, &set), 0);
		assert_int_equal(lineage_find(t, requests, PROMPTS, &expected), 0);
		for (size_t i = 0; i < PROMPTS; i++) {
			assert_int_equal(s->requests[i].lineage, requests[i].lineage);
			assert_int_equal(s->requests[i].repeats, requests[i].repeats);
			assert_int_equal(s->requests[i].parent, requests[i].parent);
			assert_int_equal(depth(s->tree, s->requests[i].shared), depth(t, requests[i].shared));
			repeats += requests[i].repeats != LINEAGE_NONE;
			inside += requests[i].shared != TREE_ROOT && requests[i].repeats == LINEAGE_NONE;
		}
		assert_int_equal(set.n, expected.n);
		assert_int_equal(set.nsessions, expected.nsessions);
		for (size_t i = 0; i < set.n; i++) {
			assert_int_equal(set.lineages[i].session, expected.lineages[i].session);
			assert_int_equal(set.lineages[i].role, expected.lineages[i].role);
			assert_int_equal(set.lineages[i].first, expected.lineages[i].first);
			assert_int_equal(set.lineages[i].requests, expected.lineages[i].requests);
			assert_int_equal(set.lineages[i].restarts, expected.lineages[i].restarts);
			restarts += set.lineages[i].restarts;
		}
		lineages += set.n;
		lineage_set_release(&set);
		lineage_set_release(&expected);
		prompt_tree_free(t);
		session_release(s);
	}
	free(s);
	/* The sessions have something of everything. */
	assert_true(lineages > 2 * ROUNDS);
	assert_true(restarts > 0);
	assert_true(repeats > ROUNDS);
	assert_true(inside > ROUNDS);
}

/* What the tree holds for clients that send 1,000 prompts by turns, each changed at two places and at the end. */
static void grow_with_a_head_that_changes(size_t at, size_t other, unsigned clients)
{
	enum { TURNS = 1000 };
	static uint32_t symbols[2][TURNS + 2 * HEADS];
	struct prompt_tree *t = prompt_tree_new();
	struct tree_path paths[2] = {0};
	uint32_t next = 0, end = TREE_ROOT, most = 0;
	assert_non_null(t);
	for (size_t n = HEADS; n < HEADS + TURNS * clients; n++) {
		unsigned client = (unsigned)(n % clients);
		size_t parts = n / clients + HEADS, changed[] = {at, other, parts - 1};
		for (size_t i = 0; i < (paths[client].n ? 3 : parts); i++) {
			struct tree_symbol what = {.kind = PART_MESSAGE, .role = ROLE_USER, .bytes = 1};
			struct digest digest = digest_of((struct str){(const char *)&next, sizeof(next)});
			uint32_t *symbol = &symbols[client][paths[client].n ? changed[i] : i];
			next++;
			assert_int_equal(prompt_tree_symbol(t, &digest, &what, symbol), 0);
		}
		assert_int_equal(prompt_tree_add(t, &paths[client], symbols[client], parts, &end), 0);
		const struct tree_node *last = prompt_tree_node(t, end);
		uint32_t parent = depth(t, last->parent), labels = last->rest + depth(t, end) - parent - 1;
		most = labels > most ? labels : most;
	}
	/* Nodes and labels: some for each prompt, not for each of its 500 parts. */
	assert_in_range(end, TURNS * clients, 8 * TURNS * clients);
	assert_in_range(most, TURNS * clients, 32 * TURNS * clients);
	for (unsigned client = 0; client < clients; client++)
		tree_path_release(&paths[client]);
	prompt_tree_free(t);
}

static void changes_cost_what_is_new(void **state)
{
	(void)state;
	for (unsigned clients = 1; clients <= 2; clients++) {
		grow_with_a_head_that_changes(0, 0, clients);
		grow_with_a_head_that_changes(0, 2, clients);
		grow_with_a_head_that_changes(1, HEADS - 1, clients);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompts_part_where_their_parts_do),
		cmocka_unit_test(lineages_are_those_of_a_node_per_part),
		cmocka_unit_test(changes_cost_what_is_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
