/* SPDX-License-Identifier: MIT */
/* From a request for an answer to its generation: what it asks of the cache, and what is refused. */
#include "base/clock.h"
#include "mock/mock.h"

#include <stdio.h>

static const struct mock_profile *profile_of(const struct mock_call *c)
{
	return c->mock->options.profile;
}

static int read_request(struct mock_call *c, struct str body)
{
	char why[160];

	if (mock_request_read(&c->request, c->api, &c->mock->options.rendering, body, why, sizeof(why)) < 0) {
		const char *invalid = profile_of(c)->invalid;
		if (invalid)
			mock_respond_text(c, 400, NULL, invalid,
					  (struct mock_field[]){{"message", why, false}, {"code", "400", true}, {0}});
		else if (c->api == MOCK_ANTHROPIC_MESSAGES && profile_of(c)->invalid_status)
			mock_respond_error(c, profile_of(c)->invalid_status, "", why);
		else
			mock_respond_error(c, 400, "", why);
		return -1;
	}
	if (!c->request.model)
		c->request.model = c->mock->options.model;
	c->read = true;
	return 0;
}

void mock_route_count(struct mock_call *c)
{
	char answer[64];

	if (read_request(c, c->body) < 0)
		return;
	snprintf(answer, sizeof(answer), "{\"input_tokens\":%zu}", c->request.prompt.n);
	http_call_respond(c->call, 200, profile_of(c)->json_type, "", str_from(answer));
}

static uint64_t hash_text(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h;
}

/* Models do not share caches, nor do requests with different salts. */
static uint64_t seed_of(const struct mock_call *c)
{
	const struct mock_profile *p = profile_of(c);
	uint64_t h = hash_text(UINT64_C(0xcbf29ce484222325), c->request.model);

	if (c->api != MOCK_OPENAI_CHAT && !p->salt_on_messages)
		return h;
	for (size_t i = 0; p->salts[i]; i++) {
		const char *salt = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c->request.json, p->salts[i]));
		h = salt ? hash_text(h ^ (i + 1), salt) : h;
	}
	return h;
}

static bool reuse_is_off(const struct mock_call *c)
{
	if (!(c->mock->options.settings.state & MOCK_CACHES))
		return true;
	return profile_of(c)->cache_prompt && c->api == MOCK_OPENAI_CHAT &&
	       cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(c->request.json, "cache_prompt"));
}

/* Returns 0, or -1 having answered. */
static int read_breakpoints(struct mock_call *c)
{
	const struct mock_options *o = &c->mock->options;
	char why[320];

	if (o->settings.cache.policy != POLICY_BREAKPOINTS || c->api != MOCK_ANTHROPIC_MESSAGES)
		return 0;
	size_t min = o->any_model ? o->settings.cache.min : mock_profile_minimum(o->profile, c->request.model);
	const char *wrong =
		mock_breakpoints_read(&c->breakpoints, &c->request, c->generation.seed, min, why, sizeof(why));
	if (wrong) {
		mock_respond_error(c, 400, "", wrong);
		return -1;
	}
	c->generation.breakpoints = &c->breakpoints;
	return 0;
}

/* Makes a prompt that is longer than the context shorter; true having refused it. */
static bool is_too_long(struct mock_call *c)
{
	const struct mock_options *o = &c->mock->options;
	char tokens[24];

	if (c->request.prompt.n + o->profile->spare <= o->settings.context)
		return false;
	if (o->profile->overflow == OVERFLOW_DROPS_OLD) {
		mock_request_drop_old(&c->request, &o->rendering, o->settings.context);
		mock_request_cut(&c->request, o->settings.context);
		return false;
	}
	snprintf(tokens, sizeof(tokens), "%zu", c->request.prompt.n);
	if (o->profile->too_long)
		mock_respond_text(c, 400, NULL, o->profile->too_long,
				  (struct mock_field[]){{"tokens", tokens, true}, {0}});
	else
		mock_respond_error(c, 400, "", "the prompt is longer than the context");
	return true;
}

/* Of a system prompt by itself: MLX-LM keeps it so where the last message is a user's. */
static size_t system_end(const struct mock_request *r)
{
	size_t end = 0;

	for (size_t i = 0; i < r->nblocks && r->blocks[i].section != SECTION_MESSAGES; i++)
		end = r->blocks[i].end;
	return r->last_is_user ? end : 0;
}

void mock_route_generate(struct mock_call *c)
{
	struct mock *m = c->mock;
	struct generation *g = &c->generation;
	char hex[DIGEST_HEX_CHARS + 1];

	if (read_request(c, c->body) < 0)
		return;
	if (is_too_long(c))
		return;
	g->seed = seed_of(c);
	if (read_breakpoints(c) < 0)
		return;
	g->engine = &m->engine;
	g->wire = mock_wire_of(c->api);
	g->answer = script_match(m->script, &c->request, c->matched, sizeof(c->matched));
	g->prompt = &c->request.prompt;
	g->system_end = system_end(&c->request);
	g->no_reuse = reuse_is_off(c);
	g->decode_rate = m->options.decode_rate;
	g->max_tokens = c->request.max_tokens;
	g->stream = c->request.stream;
	g->reply.call = c->call;
	g->reply.model = c->request.model;
	g->reply.include_usage = c->request.include_usage;
	g->reply.profile = profile_of(c);
	g->reply.fingerprint = m->fingerprint;
	g->reply.report_cached = m->options.settings.state & MOCK_REPORTS;
	g->reply.created_s = clock_realtime_ns() / NS_PER_S;
	/* Ids that differ within a conversation, also after a restart, and are the same when it is played again. */
	digest_hex(&c->sha256, hex);
	snprintf(g->reply.id, sizeof(g->reply.id), "%.20s", hex);
	if (generation_start(g) < 0)
		mock_respond_error(c, 500, "", "the mock is out of memory");
}
