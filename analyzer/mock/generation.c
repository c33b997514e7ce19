/* SPDX-License-Identifier: MIT */
#include "mock/generation.h"

#include "base/clock.h"

#include <string.h>

/* At decode rate 0 an answer is said in bursts, so that a long one does not hold up the others. */
#define BURST_TOKENS 256
/* llama.cpp's default of --sse-ping-interval, and MLX-LM's of --prefill-step-size. */
#define KEEPALIVE_NS (30 * NS_PER_S)
#define STEP_TOKENS 2048

static void refuse(struct generation *g, int status, const char *headers, const char *type, const char *message)
{
	struct reply *r = &g->reply;

	wire_refusal(r->profile, g->wire, &r->out, status, type, message);
	http_call_respond(r->call, status, mock_profile_error_type(r->profile), headers, buf_str(&r->out));
}

static void end_with_error(struct generation *g, const char *type, const char *message)
{
	struct reply *r = &g->reply;

	if (g->stream) {
		g->wire->error(r, type, message);
		http_call_end(r->call);
		return;
	}
	buf_reset(&r->out);
	refuse(g, status_of_error_type(type), "", type, message);
}

static enum stop stop_of(const struct generation *g, bool out_of_tokens)
{
	if (out_of_tokens)
		return STOP_MAX_TOKENS;
	return reply_tools_before(&g->reply, g->answer->nblocks) > 0 ? STOP_TOOL : STOP_END;
}

/* The last call on g: its end releases it. */
static void finish(struct generation *g, bool out_of_tokens)
{
	struct reply *r = &g->reply;
	enum stop stop = stop_of(g, out_of_tokens);
	bool partial = g->block < g->answer->nblocks && g->block_open;
	size_t nblocks = g->block + (partial ? 1 : 0);

	g->finished = true;
	if (g->stream) {
		if (partial)
			g->wire->block_end(r, g->block);
		g->wire->finish(r, stop);
		http_call_end(r->call);
		return;
	}
	size_t last = partial ? g->offset : nblocks ? strlen(g->answer->blocks[nblocks - 1].text) : 0;
	g->wire->whole(r, nblocks, last, stop);
	http_call_respond(r->call, 200, r->profile->json_type, "", buf_str(&r->out));
}

/* Acts on the events due before the next byte. Returns true when the generation must not go on now, or is over. */
static bool events_due(struct generation *g)
{
	while (g->event < g->answer->nevents) {
		const struct answer_event *e = &g->answer->events[g->event];
		if (e->block > g->block || (e->block == g->block && e->offset > g->offset))
			return false;
		g->event++;
		switch (e->kind) {
		case EVENT_STALL:
			g->next_ns += e->stall_ms * NS_PER_MS;
			(void)loop_timer_set(g->engine->loop, &g->timer, g->next_ns);
			return true;
		case EVENT_ERROR:
			end_with_error(g, e->type, e->message);
			return true;
		case EVENT_CUT:
			http_call_cut(g->reply.call);
			return true;
		}
	}
	return false;
}

/* The next token of the open block, not beyond the next event. */
static struct str next_piece(const struct generation *g)
{
	struct str rest = str_from(g->answer->blocks[g->block].text + g->offset);
	const struct answer_event *e = g->event < g->answer->nevents ? &g->answer->events[g->event] : NULL;

	if (e && e->block == g->block)
		rest.n = e->offset - g->offset;
	rest.n = mock_token_bytes(rest);
	return rest;
}

static void note_content(struct generation *g)
{
	if (!g->first_content_ns)
		g->first_content_ns = clock_monotonic_ns();
}

static void say(struct generation *g, struct str piece)
{
	if (g->stream) {
		note_content(g);
		g->wire->piece(&g->reply, g->block, piece);
	}
	g->offset += piece.n;
	g->reply.output_tokens++;
	g->reply.last_token_ns = clock_monotonic_ns();
}

static void open_block(struct generation *g)
{
	if (g->block_open)
		return;
	g->block_open = true;
	if (!g->stream)
		return;
	/* The start of a tool call names the tool: that is content already. */
	if (g->answer->blocks[g->block].kind == ANSWER_TOOL)
		note_content(g);
	g->wire->block_start(&g->reply, g->block);
}

static void close_block(struct generation *g)
{
	if (g->stream)
		g->wire->block_end(&g->reply, g->block);
	g->block_open = false;
	g->block++;
	g->offset = 0;
}

/* One token, or the end. */
static void step(struct loop_timer *t)
{
	struct generation *g = LOOP_OWNER(t, struct generation, timer);

	for (unsigned said = 0; said < BURST_TOKENS;) {
		if (events_due(g))
			return;
		if (g->block == g->answer->nblocks) {
			finish(g, false);
			return;
		}
		if (g->max_tokens >= 0 && g->reply.output_tokens >= (size_t)g->max_tokens) {
			finish(g, true);
			return;
		}
		open_block(g);
		struct str piece = next_piece(g);
		if (piece.n == 0) { /* events at the end of a block come before its end */
			close_block(g);
			continue;
		}
		say(g, piece);
		said++;
		if (g->decode_rate > 0) {
			g->next_ns += (uint64_t)((double)NS_PER_S / g->decode_rate);
			break;
		}
	}
	(void)loop_timer_set(g->engine->loop, &g->timer, g->next_ns);
}

/* ---- comments in the stream while the prompt is prefilled */

static size_t tokens_to_prefill(const struct generation *g)
{
	return g->reply.prompt_tokens - g->reply.cached_tokens;
}

static void keepalive_set(struct generation *g)
{
	uint64_t at = g->prefill_start_ns;

	switch (g->reply.profile->keepalive) {
	case KEEPALIVE_NONE:
		return;
	case KEEPALIVE_30S:
		at += (g->keepalives + 1) * KEEPALIVE_NS;
		break;
	case KEEPALIVE_PROGRESS: {
		size_t done = (g->keepalives + 1) * STEP_TOKENS;
		if (done >= tokens_to_prefill(g) || g->engine->prefill_rate <= 0)
			return; /* the last one comes with the first token */
		at += (uint64_t)((double)done / g->engine->prefill_rate * (double)NS_PER_S);
		break;
	}
	}
	(void)loop_timer_set(g->engine->loop, &g->keepalive, at);
}

static void keepalive_send(struct generation *g, size_t done)
{
	char comment[80];

	if (g->reply.profile->keepalive == KEEPALIVE_PROGRESS)
		snprintf(comment, sizeof(comment), ": keepalive %zu/%zu\n\n", done, tokens_to_prefill(g));
	else
		snprintf(comment, sizeof(comment), ":\n\n");
	http_call_chunk(g->reply.call, str_from(comment));
}

static void keepalive_due(struct loop_timer *t)
{
	struct generation *g = LOOP_OWNER(t, struct generation, keepalive);

	g->keepalives++;
	keepalive_send(g, g->keepalives * STEP_TOKENS);
	keepalive_set(g);
}

static void stream_begin(struct generation *g)
{
	const struct mock_profile *p = g->reply.profile;
	const char *headers = p->stream_headers;
	if (g->wire == &wire_anthropic && p->messages_stream_headers)
		headers = p->messages_stream_headers;
	http_call_begin(g->reply.call, 200, p->stream_type, headers);
}

static void job_started(struct engine_job *j)
{
	struct generation *g = LOOP_OWNER(j, struct generation, job);

	g->prefill_start_ns = g->reply.prefill_start_ns = j->use.start_ns;
	g->reply.prompt_tokens = j->use.prompt->n;
	g->reply.cached_tokens = j->use.cached;
	for (size_t i = 0; i < TTLS; i++)
		g->reply.written_tokens[i] = j->use.written[i];
	if (!g->stream || g->reply.profile->late_head)
		return;
	stream_begin(g);
	keepalive_set(g);
}

static void job_prefilled(struct engine_job *j)
{
	struct generation *g = LOOP_OWNER(j, struct generation, job);

	g->next_ns = clock_monotonic_ns();
	g->reply.first_token_ns = g->reply.last_token_ns = g->next_ns;
	loop_timer_cancel(g->engine->loop, &g->keepalive);
	if (g->stream) {
		if (g->reply.profile->late_head)
			stream_begin(g);
		if (g->reply.profile->keepalive == KEEPALIVE_PROGRESS)
			keepalive_send(g, tokens_to_prefill(g));
		g->message_start_ns = clock_monotonic_ns();
		g->wire->start(&g->reply);
	}
	step(&g->timer);
}

/* After the delay: the refusal that the script asks for, or the engine. */
static void delay_over(struct loop_timer *t)
{
	struct generation *g = LOOP_OWNER(t, struct generation, timer);
	const struct answer *a = g->answer;

	if (a->status) {
		char retry[48] = "";
		if (a->retry_after_s)
			snprintf(retry, sizeof(retry), "Retry-After: %llu\r\n", (unsigned long long)a->retry_after_s);
		refuse(g, a->status, retry, a->error_type, a->error_message);
		return;
	}
	t->fire = step;
	/* Armed for the whole generation: setting it cannot fail later. */
	(void)loop_timer_set(g->engine->loop, t, UINT64_MAX);
	if (engine_submit(g->engine, &g->job) < 0)
		refuse(g, 500, "", "api_error", "the mock is out of memory");
}

int generation_start(struct generation *g)
{
	g->job.use = (struct mock_use){.seed = g->seed,
				       .no_reuse = g->no_reuse,
				       .prompt = g->prompt,
				       .breakpoints = g->breakpoints,
				       .system_end = g->system_end};
	g->keepalive.fire = keepalive_due;
	g->job.started = job_started;
	g->job.prefilled = job_prefilled;
	g->timer.fire = delay_over;
	buf_init(&g->reply.out, BUF_UNLIMITED);
	g->reply.answer = g->answer;
	if (loop_timer_set(g->engine->loop, &g->timer, clock_monotonic_ns() + g->answer->delay_ms * NS_PER_MS) < 0)
		return -1;
	g->in_use = true;
	return 0;
}

/* What was said, as the next request of the conversation will hand it in: request.c renders the same way. */
static void append_said(const struct generation *g, struct mock_tokens *to)
{
	size_t nblocks = g->block + (g->block_open ? 1 : 0);

	for (size_t i = 0; i < nblocks; i++) {
		const struct answer_block *b = &g->answer->blocks[i];
		struct str text = str_from(b->text);
		if (i == g->block)
			text.n = g->offset;
		switch (b->kind) {
		case ANSWER_TEXT:
			mock_tokens_mark(to, MARK_BLOCK);
			break;
		case ANSWER_THINKING:
			mock_tokens_mark(to, MARK_THINKING);
			break;
		case ANSWER_TOOL:
			mock_tokens_mark(to, MARK_TOOL_CALL);
			mock_tokens_text(to, str_from(b->name));
			mock_tokens_mark(to, MARK_BLOCK);
			break;
		}
		mock_tokens_text(to, text);
	}
	if (g->finished)
		mock_tokens_mark(to, MARK_END);
}

void generation_release(struct generation *g)
{
	if (!g->in_use)
		return;
	loop_timer_cancel(g->engine->loop, &g->timer);
	loop_timer_cancel(g->engine->loop, &g->keepalive);
	if (g->job.state == JOB_DECODING) {
		struct mock_tokens sequence = {0};
		mock_tokens_append(&sequence, g->prompt);
		append_said(g, &sequence);
		if (!sequence.failed)
			engine_finish(&g->job, &sequence);
		else
			engine_cancel(&g->job);
		mock_tokens_release(&sequence);
	} else {
		engine_cancel(&g->job);
	}
	buf_release(&g->reply.out);
	g->in_use = false;
}
