/* SPDX-License-Identifier: MIT */
/* What a template does to a prompt, asked of the routes that lay it out and do not compute. */
#include "engines/probe.h"

#include "base/clock.h"
#include "base/json_span.h"
#include "engines/probe_request.h"

#define BODY_MAX ((size_t)4 << 20)
#define RENDER_LIMIT_S 60.0
/* System prompt and tool are half of a head each; a template has words of its own. */
#define HEAD_PART 4
/* The first version of vLLM that tries the template in use; those before went by --chat-template. */
static const unsigned vllm_tries_template[3] = {0, 32, 0};

/* The prompt as a string or as a list of tokens, as it stands in the answer. */
static enum client_outcome render(struct client *client, const struct base_url *base, const struct engine_facts *f,
				  const struct probe_request *what, struct buf *out)
{
	bool tokens = f->profile->counts == COUNTS_CHAT;
	struct client_request request = {
		.api = KVS_API_NONE, .path = tokens ? "/tokenize" : "/apply-template", .limit_s = RENDER_LIMIT_S};
	struct client_answer a;
	struct buf body;

	client_answer_init(&a, BODY_MAX);
	buf_init(&body, BODY_MAX);
	probe_request_write(f, what, &body);
	request.body = buf_str(&body);
	enum client_outcome outcome = client_fetch(client, base, &request, &a);
	if (outcome == CLIENT_DONE) {
		struct json_value found;
		if (json_span_member(buf_str(&a.x.response.body), tokens ? STR("tokens") : STR("prompt"), &found))
			buf_append_str(out, found.raw);
		else
			outcome = CLIENT_CUT;
	}
	buf_release(&body);
	client_answer_release(&a);
	return outcome;
}

static bool older(const unsigned a[3], const unsigned b[3])
{
	for (int i = 0; i < 3; i++)
		if (a[i] != b[i])
			return a[i] < b[i];
	return false;
}

static size_t common(const struct buf *a, const struct buf *b)
{
	size_t n = 0;
	while (n < a->n && n < b->n && a->p[n] == b->p[n])
		n++;
	return n;
}

/* What its Anthropic route makes of what the template does. */
static enum system_turn_fate fate_of(const struct engine_facts *f, enum client_outcome outcome, bool prefix_held)
{
	bool vllm = f->backend.engine == ENGINE_VLLM;

	if (outcome == CLIENT_REFUSED)
		return vllm ? FATE_HOISTED : FATE_REFUSED;
	if (outcome != CLIENT_DONE)
		return FATE_UNKNOWN;
	if (!prefix_held)
		return FATE_HOISTED;
	const unsigned *v = f->backend.version;
	return vllm && (v[0] || v[1] || v[2]) && older(v, vllm_tries_template) ? FATE_UNKNOWN : FATE_IN_PLACE;
}

static void ask_system_turns(struct client *client, const struct base_url *base, struct engine_facts *f, uint64_t seed)
{
	const struct probe_request without = {.seed = seed, .text = PROBE_CONVERSATION},
				   turn = {.seed = seed, .text = PROBE_WITH_TURN};
	struct buf before, with;

	buf_init(&before, BODY_MAX);
	buf_init(&with, BODY_MAX);
	if (render(client, base, f, &without, &before) == CLIENT_DONE) {
		enum client_outcome outcome = render(client, base, f, &turn, &with);
		f->system_turns = fate_of(f, outcome, common(&before, &with) >= before.n / 2);
	}
	buf_release(&before);
	buf_release(&with);
}

/* Which stays where it is when the other one changes stands first. */
static void ask_head(struct client *client, const struct base_url *base, struct engine_facts *f, uint64_t seed)
{
	const struct probe_request heads[] = {
		{.seed = seed, .tool_seed = seed + 1, .text = PROBE_HEAD},
		{.seed = seed, .tool_seed = seed + 2, .text = PROBE_HEAD},
		{.seed = seed + 3, .tool_seed = seed + 1, .text = PROBE_HEAD},
	};
	struct buf prompts[3];
	bool all = true;

	for (size_t i = 0; i < 3; i++) {
		buf_init(&prompts[i], BODY_MAX);
		all = all && render(client, base, f, &heads[i], &prompts[i]) == CLIENT_DONE;
	}
	if (all) {
		size_t least = prompts[0].n / HEAD_PART;
		bool system = common(&prompts[0], &prompts[1]) >= least,
		     tools = common(&prompts[0], &prompts[2]) >= least;
		if (system != tools)
			f->head_order = tools ? HEAD_TOOLS_FIRST : HEAD_SYSTEM_FIRST;
	}
	for (size_t i = 0; i < 3; i++)
		buf_release(&prompts[i]);
}

void engine_ask_layout(struct client *client, const struct base_url *base, struct engine_facts *f)
{
	uint64_t seed = clock_realtime_ns() / 1000 % 1000000007 + 1;

	if (f->profile->counts != COUNTS_TEMPLATE && f->profile->counts != COUNTS_CHAT)
		return;
	ask_system_turns(client, base, f, seed);
	ask_head(client, base, f, seed);
}
