/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lineage/lineage.h"
#include "lineage/names.h"
#include "lineage/pair_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS_MAX 512
#define PART_BYTES 10

/* Requests under test. A prompt is words: "T:bash S:sys U:task A:answer U:more"; equal words are equal parts. */
struct bench {
	struct prompt_tree *tree;
	struct tree_path path;
	struct lineage_request requests[REQUESTS_MAX];
	size_t n;
	struct lineage_set set;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	b->tree = prompt_tree_new();
	*state = b;
	return b->tree ? 0 : -1;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	lineage_set_release(&b->set);
	tree_path_release(&b->path);
	prompt_tree_free(b->tree);
	free(b);
	return 0;
}

static uint32_t prompt_of(struct bench *b, const char *words)
{
	uint32_t symbols[256], end;
	size_t n = 0;
	while (*words) {
		size_t len = strcspn(words, " ");
		struct tree_symbol what = {.kind = PART_MESSAGE, .role = ROLE_USER, .bytes = PART_BYTES, .tokens = 2};
		if (words[0] == 'T')
			what = (struct tree_symbol){PART_TOOL, ROLE_NONE, PART_BYTES, 2};
		else if (words[0] == 'S')
			what = (struct tree_symbol){PART_SYSTEM, ROLE_SYSTEM, PART_BYTES, 2};
		else if (words[0] == 'A')
			what.role = ROLE_ASSISTANT;
		struct digest digest = digest_of((struct str){words, len});
		assert_int_equal(prompt_tree_symbol(b->tree, &digest, &what, &symbols[n++]), 0);
		words += len + strspn(words + len, " ");
	}
	assert_int_equal(prompt_tree_add(b->tree, &b->path, symbols, n, &end), 0);
	return end;
}

/* A request at second `at` that is prefilled one second later. Returns its index. */
static size_t ask(struct bench *b, const char *session, const char *agent, unsigned at, const char *words)
{
	assert_true(b->n < REQUESTS_MAX);
	b->requests[b->n] = (struct lineage_request){
		.session = session,
		.agent = agent,
		.model = "m",
		.server = "127.0.0.1:1",
		.api = KVS_API_ANTHROPIC_MESSAGES,
		.has_prompt = true,
		.prompt = prompt_of(b, words),
		.start_ns = at * UINT64_C(1000),
		.prefilled_ns = (at + 1) * UINT64_C(1000),
	};
	return b->n++;
}

static void find(struct bench *b)
{
	lineage_set_release(&b->set);
	assert_int_equal(lineage_find(b->tree, b->requests, b->n, &b->set), 0);
}

/* Parts of the request that its lineage had sent before. */
static uint32_t shared(const struct bench *b, size_t i)
{
	const struct tree_node *n = prompt_tree_node(b->tree, b->requests[i].shared);
	return n->count[PART_TOOL] + n->count[PART_SYSTEM] + n->count[PART_MESSAGE];
}

static enum lineage_role role(const struct bench *b, size_t i)
{
	return b->set.lineages[b->requests[i].lineage].role;
}

#define assert_same_lineage(b, i, k) assert_int_equal((b)->requests[i].lineage, (b)->requests[k].lineage)
#define assert_other_lineage(b, i, k) assert_int_not_equal((b)->requests[i].lineage, (b)->requests[k].lineage)

static void a_session_grows(void **state)
{
	struct bench *b = *state;
	ask(b, "s", NULL, 0, "T:bash S:sys U:task");
	ask(b, "s", NULL, 2, "T:bash S:sys U:task A:call U:result");
	ask(b, "s", NULL, 4, "T:bash S:sys U:task A:call U:result A:done U:thanks");
	find(b);
	assert_int_equal(b->set.n, 1);
	assert_int_equal(b->set.nsessions, 1);
	assert_int_equal(b->set.lineages[0].role, LINEAGE_MAIN);
	assert_int_equal(b->set.lineages[0].requests, 3);
	assert_int_equal(b->set.lineages[0].restarts, 0);
	assert_int_equal(shared(b, 0), 0);
	assert_int_equal(shared(b, 1), 3);
	assert_int_equal(shared(b, 2), 5);
	assert_int_equal(b->requests[0].repeats, LINEAGE_NONE);
	assert_int_equal(b->requests[1].repeats, 0);
	assert_int_equal(b->requests[2].repeats, 1);
	assert_int_equal(b->requests[0].parent, LINEAGE_NONE);
	assert_int_equal(b->requests[2].parent, 1);
}

static void wire_order_does_not_matter(void **state)
{
	struct bench *b = *state;
	ask(b, "s", NULL, 0, "U:task S:sys T:bash");
	ask(b, "s", NULL, 2, "S:sys T:bash U:task A:call U:result");
	find(b);
	assert_int_equal(b->set.n, 1);
	assert_int_equal(shared(b, 1), 3);
}

/* Main session, two sub-agents and side requests at the same time, as clients with agent headers send them. */
static void parallel_agents_with_headers(void **state)
{
	struct bench *b = *state;
	size_t main1 = ask(b, "s", NULL, 0, "T:bash T:task S:main U:reminder U:do");
	size_t title = ask(b, "s", NULL, 0, "S:title U:do");
	size_t one1 = ask(b, "s", "a1", 2, "T:bash S:agent U:reminder U:left");
	size_t two1 = ask(b, "s", "a2", 2, "T:bash S:agent U:reminder U:right");
	size_t two2 = ask(b, "s", "a2", 4, "T:bash S:agent U:reminder U:right A:r1 U:out");
	size_t one2 = ask(b, "s", "a1", 5, "T:bash S:agent U:reminder U:left A:l1 U:out");
	size_t topic = ask(b, "s", NULL, 5, "S:topic U:is-it");
	size_t main2 = ask(b, "s", NULL, 7, "T:bash T:task S:main U:reminder U:do A:spawn U:both");
	find(b);
	assert_int_equal(b->set.n, 5);
	assert_int_equal(b->set.nsessions, 1);
	assert_same_lineage(b, main1, main2);
	assert_same_lineage(b, one1, one2);
	assert_same_lineage(b, two1, two2);
	assert_other_lineage(b, one1, two1);
	assert_other_lineage(b, title, topic);
	assert_int_equal(role(b, main1), LINEAGE_MAIN);
	assert_int_equal(role(b, one1), LINEAGE_SUBAGENT);
	assert_int_equal(role(b, two1), LINEAGE_SUBAGENT);
	assert_int_equal(role(b, title), LINEAGE_SIDE);
	assert_int_equal(role(b, topic), LINEAGE_SIDE);
	assert_int_equal(shared(b, one1), 0);
	assert_int_equal(shared(b, two1), 0);
	assert_int_equal(shared(b, one2), 4);
	assert_int_equal(shared(b, main2), 5);
}

/* Older clients name no agent: two sub-agents of one kind share tools, system prompt and a reminder. */
static void parallel_agents_without_agent_header(void **state)
{
	struct bench *b = *state;
	size_t quota = ask(b, "s", NULL, 0, "U:quota");
	size_t main1 = ask(b, "s", NULL, 1, "T:bash T:task S:main U:reminder U:do");
	size_t one1 = ask(b, "s", NULL, 2, "T:bash S:agent U:reminder U:left");
	size_t two1 = ask(b, "s", NULL, 2, "T:bash S:agent U:reminder U:right");
	size_t search = ask(b, "s", NULL, 3, "T:web_search S:searcher U:look");
	size_t two2 = ask(b, "s", NULL, 4, "T:bash S:agent U:reminder U:right A:r1 U:out");
	size_t one2 = ask(b, "s", NULL, 5, "T:bash S:agent U:reminder U:left A:l1 U:out");
	size_t main2 = ask(b, "s", NULL, 7, "T:bash T:task S:main U:reminder U:do A:spawn U:both");
	find(b);
	assert_int_equal(b->set.n, 5);
	assert_same_lineage(b, main1, main2);
	assert_same_lineage(b, one1, one2);
	assert_same_lineage(b, two1, two2);
	assert_other_lineage(b, one1, two1);
	assert_int_equal(role(b, main1), LINEAGE_MAIN);
	assert_int_equal(role(b, one1), LINEAGE_SUBAGENT);
	assert_int_equal(role(b, two1), LINEAGE_SUBAGENT);
	assert_int_equal(role(b, quota), LINEAGE_SIDE);
	assert_int_equal(role(b, search), LINEAGE_SIDE);
	/* What the other agent sent first is not what this conversation sent before. */
	assert_int_equal(shared(b, two1), 0);
	assert_int_equal(shared(b, two2), 4);
}

static void conversations_without_headers(void **state)
{
	struct bench *b = *state;
	size_t one1 = ask(b, NULL, NULL, 0, "T:bash S:sys U:reminder U:left");
	size_t two1 = ask(b, NULL, NULL, 1, "T:bash S:sys U:reminder U:right");
	size_t one2 = ask(b, NULL, NULL, 2, "T:bash S:sys U:reminder U:left A:l1 U:out");
	size_t two2 = ask(b, NULL, NULL, 3, "T:bash S:sys U:reminder U:right A:r1 U:out");
	size_t later = ask(b, NULL, NULL, 9, "T:bash S:sys U:reminder U:else");
	find(b);
	assert_int_equal(b->set.n, 3);
	assert_same_lineage(b, one1, one2);
	assert_same_lineage(b, two1, two2);
	assert_other_lineage(b, later, one1);
	assert_int_equal(role(b, one1), LINEAGE_MAIN);
	assert_int_equal(role(b, two1), LINEAGE_SUBAGENT);
	assert_int_equal(role(b, later), LINEAGE_MAIN);
}

static void other_models_servers_and_sessions(void **state)
{
	struct bench *b = *state;
	ask(b, NULL, NULL, 0, "S:sys U:task");
	size_t model = ask(b, NULL, NULL, 1, "S:sys U:task A:yes U:go");
	b->requests[model].model = "other";
	size_t server = ask(b, NULL, NULL, 2, "S:sys U:task A:yes U:go");
	b->requests[server].server = "127.0.0.1:2";
	size_t named = ask(b, "s", NULL, 3, "S:sys U:task A:yes U:go");
	size_t other = ask(b, "t", NULL, 4, "S:sys U:task A:no U:go");
	/* With a session header the model may change and the conversation goes on. */
	size_t switched = ask(b, "t", NULL, 5, "S:sys U:task A:no U:go A:on U:now");
	b->requests[switched].model = "other";
	find(b);
	assert_int_equal(b->set.n, 5);
	assert_int_equal(b->set.nsessions, 3);
	assert_other_lineage(b, model, 0);
	assert_other_lineage(b, server, 0);
	assert_other_lineage(b, named, other);
	assert_same_lineage(b, switched, other);
	for (size_t i = 0; i < b->n - 1; i++)
		assert_int_equal(shared(b, i), 0);
	assert_int_equal(shared(b, switched), 4);
}

/* --resume under a new name: the answers of another session are repeated. An agent that inherits them is another one.
 */
static void resumed_under_another_name(void **state)
{
	struct bench *b = *state;
	ask(b, "s", NULL, 0, "T:bash S:sys U:task");
	size_t last = ask(b, "s", NULL, 2, "T:bash S:sys U:task A:call U:result");
	size_t resumed = ask(b, "t", NULL, 4, "T:bash S:sys U:task A:call U:result A:done U:more");
	size_t after = ask(b, "t", NULL, 6, "T:bash S:sys U:task A:call U:result A:done U:more A:yes U:on");
	size_t agent = ask(b, "t", "agent", 8, "T:bash S:sys U:task A:call U:result A:done U:more A:fork U:look");
	size_t fresh = ask(b, "u", NULL, 9, "T:bash S:sys U:task");
	size_t server = ask(b, "v", NULL, 10, "T:bash S:sys U:task A:call U:result A:done U:more");
	b->requests[server].server = "127.0.0.1:2";
	find(b);
	assert_same_lineage(b, resumed, 0);
	assert_same_lineage(b, after, 0);
	assert_int_equal(b->requests[resumed].parent, last);
	assert_int_equal(b->requests[after].parent, resumed);
	assert_int_equal(role(b, resumed), LINEAGE_MAIN);
	assert_other_lineage(b, agent, 0);
	assert_other_lineage(b, fresh, 0);
	assert_other_lineage(b, server, 0);
}

/* A compacted prompt keeps the last answers, so it is known for the same conversation; what follows continues it. */
static void compaction_that_keeps_the_last_turns(void **state)
{
	struct bench *b = *state;
	ask(b, "s", NULL, 0, "T:bash S:sys U:task");
	ask(b, "s", NULL, 2, "T:bash S:sys U:task A:call U:result A:call2 U:result2");
	size_t compacted = ask(b, "s", NULL, 4, "T:bash S:sys U:summary A:call2 U:go");
	size_t after = ask(b, "s", NULL, 6, "T:bash S:sys U:summary A:call2 U:go A:x U:y");
	find(b);
	assert_int_equal(b->set.n, 1);
	assert_int_equal(b->requests[compacted].parent, 1);
	assert_int_equal(b->requests[after].parent, compacted);
}

/* Something at the head of the prompt changes with every request: the prefix is gone, the conversation is not. */
static void head_changes_with_every_request(void **state)
{
	static const char *const sessions[] = {"s", NULL};
	for (int s = 0; s < 2; s++) {
		struct bench *b = *state;
		b->n = 0;
		ask(b, sessions[s], NULL, 0, "T:bash S:date1 S:sys U:task");
		ask(b, sessions[s], NULL, 2, "T:bash S:date2 S:sys U:task A:call U:result");
		ask(b, sessions[s], NULL, 4, "T:bash T:new S:date2 S:sys U:task A:call U:result A:call2 U:result2");
		/* The first message too. */
		ask(b, sessions[s], NULL, 6, "T:bash T:new S:date3 U:task* A:call U:result A:call2 U:result2 A:x U:y");
		find(b);
		assert_int_equal(b->set.n, 1);
		assert_int_equal(shared(b, 1), 1);
		assert_int_equal(shared(b, 2), 1);
		assert_int_equal(shared(b, 3), 2);
		assert_int_equal(b->requests[3].parent, 2);
		assert_int_equal(b->set.lineages[0].restarts, 0);
	}
}

/* A summary by another system prompt repeats the whole conversation, but without tools: it is aside. */
static void summary_without_tools_is_aside(void **state)
{
	struct bench *b = *state;
	ask(b, "s", NULL, 0, "T:bash S:sys U:task");
	ask(b, "s", NULL, 2, "T:bash S:sys U:task A:call U:result");
	size_t summary = ask(b, "s", NULL, 4, "S:summarize U:task A:call U:result U:sum-up");
	size_t main3 = ask(b, "s", NULL, 6, "T:bash S:sys U:task A:call U:result A:ok U:on");
	find(b);
	assert_int_equal(b->set.n, 2);
	assert_int_equal(role(b, summary), LINEAGE_SIDE);
	assert_same_lineage(b, main3, 0);
	assert_int_equal(shared(b, main3), 5);
}

static void clear_and_compaction_stay_in_the_main_session(void **state)
{
	struct bench *b = *state;
	ask(b, "s", NULL, 0, "T:bash S:sys U:task");
	ask(b, "s", NULL, 2, "T:bash S:sys U:task A:call U:result");
	size_t compact = ask(b, "s", NULL, 4, "T:bash S:sys U:summary-so-far U:go-on");
	size_t after = ask(b, "s", NULL, 6, "T:bash S:sys U:summary-so-far U:go-on A:ok U:next");
	find(b);
	assert_int_equal(b->set.n, 1);
	assert_int_equal(b->set.lineages[0].restarts, 1);
	assert_int_equal(shared(b, compact), 2);
	assert_int_equal(b->requests[compact].parent, 1);
	assert_int_equal(b->requests[compact].repeats, LINEAGE_NONE);
	assert_int_equal(b->requests[after].parent, compact);
	assert_int_equal(shared(b, after), 4);
}

static void single_questions_with_one_system_prompt(void **state)
{
	struct bench *b = *state;
	for (unsigned i = 0; i < 6; i++) {
		char words[64];
		snprintf(words, sizeof(words), "S:title U:question%u", i);
		ask(b, i < 3 ? "s" : NULL, NULL, i, words);
	}
	size_t other = ask(b, NULL, NULL, 9, "U:no-system");
	size_t again = ask(b, NULL, NULL, 10, "U:no-system-either");
	find(b);
	assert_int_equal(b->set.n, 4);
	assert_same_lineage(b, 0, 2);
	assert_same_lineage(b, 3, 5);
	assert_int_equal(shared(b, 5), 1);
	assert_other_lineage(b, other, again);
}

static void counting_tokens_sends_nothing(void **state)
{
	struct bench *b = *state;
	size_t count = ask(b, "s", NULL, 0, "T:bash S:sys U:task");
	b->requests[count].api = KVS_API_ANTHROPIC_COUNT_TOKENS;
	size_t real = ask(b, "s", NULL, 2, "T:bash S:sys U:task");
	find(b);
	assert_other_lineage(b, count, real);
	assert_int_equal(role(b, count), LINEAGE_SIDE);
	assert_int_equal(role(b, real), LINEAGE_MAIN);
	assert_int_equal(shared(b, real), 0);
}

static void a_failed_request_was_sent_but_not_prefilled(void **state)
{
	struct bench *b = *state;
	size_t failed = ask(b, "s", NULL, 0, "T:bash S:sys U:task");
	b->requests[failed].prefilled_ns = 0;
	size_t again = ask(b, "s", NULL, 5, "T:bash S:sys U:task");
	size_t next = ask(b, "s", NULL, 9, "T:bash S:sys U:task A:call U:result");
	find(b);
	assert_int_equal(b->set.n, 1);
	assert_int_equal(shared(b, again), 3);
	assert_int_equal(b->requests[again].repeats, failed);
	assert_int_equal(b->requests[again].parent, LINEAGE_NONE);
	assert_int_equal(b->requests[next].parent, again);
}

static void a_parent_was_prefilled_before_its_child_began(void **state)
{
	struct bench *b = *state;
	size_t slow = ask(b, "s", NULL, 0, "T:bash S:sys U:task A:a U:long1 U:long2");
	b->requests[slow].prefilled_ns = 100 * 1000;
	size_t first = ask(b, "s", NULL, 1, "T:bash S:sys U:task A:a U:long1");
	size_t meanwhile = ask(b, "s", NULL, 5, "T:bash S:sys U:task A:a U:other");
	size_t later = ask(b, "s", NULL, 200, "T:bash S:sys U:task A:a U:long1 U:long2 A:b U:c");
	find(b);
	assert_int_equal(b->requests[first].parent, LINEAGE_NONE);
	assert_int_equal(b->requests[meanwhile].parent, first);
	assert_int_equal(b->requests[later].parent, slow);
}

/* Mocks answer all with the same words: that must not tie different conversations together. */
static void same_answers_everywhere(void **state)
{
	struct bench *b = *state;
	for (unsigned turn = 0; turn < 4; turn++) {
		for (unsigned c = 0; c < 3; c++) {
			char words[256];
			int n = snprintf(words, sizeof(words), "S:sys%u U:task%u", c % 2, c);
			for (unsigned t = 0; t < turn; t++)
				n += snprintf(words + n, sizeof(words) - (size_t)n, " A:ok U:turn%u-%u", c, t);
			ask(b, NULL, NULL, turn * 10 + c, words);
		}
	}
	find(b);
	assert_int_equal(b->set.lineages[b->requests[1].lineage].requests, 4);
	for (size_t i = 3; i < b->n; i++)
		assert_int_equal(shared(b, i), 2 + 2 * (i / 3 - 1));
}

/* What is short is said in many conversations; what they say most of counts. */
static void most_of_what_was_said_counts(void **state)
{
	struct bench *b = *state;
	ask(b, NULL, NULL, 0, "T:bash S:one U:red A:red-1 U:r A:red-2 U:r A:ok");
	ask(b, NULL, NULL, 2, "T:bash S:two U:blue");
	ask(b, NULL, NULL, 4, "T:bash S:two U:blue A:blue-1 U:r A:ok");
	ask(b, NULL, NULL, 6, "T:bash T:more S:one U:red A:red-1 U:r A:red-2 U:r A:ok");
	find(b);
	assert_other_lineage(b, 0, 1);
	assert_same_lineage(b, 1, 2);
	assert_same_lineage(b, 3, 0);
	assert_int_equal(b->requests[3].parent, 0);
}

/* Words that several said are those of who sent them last as new ones, not of who only went on behind them. */
static void who_said_it_last_counts(void **state)
{
	struct bench *b = *state;
	ask(b, NULL, NULL, 0, "T:bash S:one U:red A:ok U:r");
	ask(b, NULL, NULL, 2, "T:bash S:two U:blue");
	ask(b, NULL, NULL, 4, "T:bash S:two U:blue A:ok U:b");
	ask(b, NULL, NULL, 6, "T:bash S:one U:red A:ok U:r A:red-1 U:r-2");
	ask(b, NULL, NULL, 8, "T:bash S:three U:blue A:ok U:b-2");
	find(b);
	assert_other_lineage(b, 0, 2);
	assert_same_lineage(b, 3, 0);
	assert_same_lineage(b, 4, 2);
}

/* A prompt that leaves something out of its middle goes on in place of the longer one before it. */
static void what_was_left_out_does_not_come_again(void **state)
{
	struct bench *b = *state;
	ask(b, "s", NULL, 0,
	    "T:bash S:sys U:task A:see U:go A:thought A:call U:result A:thought-2 A:more A:call-2 U:result-2");
	ask(b, "s", NULL, 2, "T:bash S:sys U:task A:see U:go A:call U:result A:call-2 U:result-2 U:next");
	ask(b, "s", NULL, 4, "T:bash S:other U:task A:see U:go A:call U:result A:call-2 U:result-2 U:next A:yes");
	/* A turn taken back is shorter, too, but ends elsewhere. */
	ask(b, "s", NULL, 6, "T:bash S:other U:task A:see U:go A:call U:instead");
	ask(b, "s", NULL, 8, "T:bash S:other U:task A:see U:go A:call U:instead A:call-3");
	find(b);
	assert_int_equal(b->set.n, 1);
	assert_int_equal(b->requests[1].parent, 0);
	assert_int_equal(b->requests[2].parent, 1);
	assert_int_equal(b->requests[4].parent, 2);
}

static void other_apis_have_no_prompt(void **state)
{
	struct bench *b = *state;
	for (unsigned i = 0; i < 3; i++) {
		size_t at = ask(b, NULL, NULL, i, "");
		b->requests[at].has_prompt = false;
		b->requests[at].api = i < 2 ? KVS_API_OLLAMA_CHAT : KVS_API_OPENAI_EMBEDDINGS;
	}
	find(b);
	assert_int_equal(b->set.n, 2);
	assert_same_lineage(b, 0, 1);
	assert_int_equal(role(b, 0), LINEAGE_MAIN);
}

static void nothing_at_all(void **state)
{
	struct bench *b = *state;
	find(b);
	assert_int_equal(b->set.n, 0);
	assert_int_equal(b->set.nsessions, 0);
}

static void pairs(void **state)
{
	(void)state;
	struct pair_map m = {0};
	assert_int_equal(pair_map_get(&m, 1, 2), PAIR_NONE);
	for (uint32_t i = 0; i < 50000; i++)
		assert_int_equal(pair_map_put(&m, i % 7, i, i + 1), 0);
	assert_int_equal(m.n, 50000);
	for (uint32_t i = 0; i < 50000; i++) {
		assert_int_equal(pair_map_get(&m, i % 7, i), i + 1);
		assert_int_equal(pair_map_get(&m, i % 7 + 7, i), PAIR_NONE);
	}
	assert_int_equal(pair_map_put(&m, 3, 3, 77), 0);
	assert_int_equal(pair_map_get(&m, 3, 3), 77);
	assert_int_equal(m.n, 50000);
	pair_map_release(&m);
	assert_int_equal(pair_map_get(&m, 3, 3), PAIR_NONE);
}

static void numbers_of_names(void **state)
{
	(void)state;
	struct names names = {0};
	uint32_t a, b, c, empty;
	assert_int_equal(names_number(&names, STR("a\0x"), &a), 0);
	assert_int_equal(names_number(&names, STR("a\0y"), &b), 0);
	assert_int_equal(names_number(&names, STR_NONE, &empty), 0);
	assert_int_equal(names_number(&names, STR("a\0x"), &c), 0);
	assert_int_equal(a, 0);
	assert_int_equal(b, 1);
	assert_int_equal(empty, 2);
	assert_int_equal(c, 0);
	assert_int_equal(names.n, 3);
	assert_int_equal(names_find(&names, STR("a\0y")), 1);
	assert_int_equal(names_find(&names, STR("a")), NAMES_NONE);
	names_release(&names);
}

#define bench_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bench_test(a_session_grows),
		bench_test(wire_order_does_not_matter),
		bench_test(parallel_agents_with_headers),
		bench_test(parallel_agents_without_agent_header),
		bench_test(conversations_without_headers),
		bench_test(other_models_servers_and_sessions),
		bench_test(head_changes_with_every_request),
		bench_test(summary_without_tools_is_aside),
		bench_test(clear_and_compaction_stay_in_the_main_session),
		bench_test(resumed_under_another_name),
		bench_test(compaction_that_keeps_the_last_turns),
		bench_test(single_questions_with_one_system_prompt),
		bench_test(counting_tokens_sends_nothing),
		bench_test(a_failed_request_was_sent_but_not_prefilled),
		bench_test(a_parent_was_prefilled_before_its_child_began),
		bench_test(same_answers_everywhere),
		bench_test(most_of_what_was_said_counts),
		bench_test(who_said_it_last_counts),
		bench_test(what_was_left_out_does_not_come_again),
		bench_test(other_apis_have_no_prompt),
		bench_test(nothing_at_all),
		cmocka_unit_test(pairs),
		cmocka_unit_test(numbers_of_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
