/* SPDX-License-Identifier: MIT */
/* What the mock tells about itself: a line per request, and counters. */
#include "base/json_out.h"
#include "mock/mock.h"

#include <errno.h>
#include <string.h>

static const char *api_name(enum mock_api api)
{
	switch (api) {
	case MOCK_ANTHROPIC_MESSAGES:
		return "anthropic_messages";
	case MOCK_ANTHROPIC_COUNT_TOKENS:
		return "anthropic_count_tokens";
	case MOCK_OPENAI_CHAT:
		return "openai_chat";
	case MOCK_API_NONE:
		break;
	}
	return NULL;
}

static void log_request(struct json_out *j, const struct mock_call *c)
{
	char hex[DIGEST_HEX_CHARS + 1];

	json_out_cstr(j, "api", api_name(c->api));
	if (c->body.p) {
		digest_hex(&c->sha256, hex);
		json_out_cstr(j, "sha256", hex);
		json_out_uint(j, "bytes", c->body.n);
	}
	if (!c->read)
		return;
	json_out_cstr(j, "model", c->request.model);
	json_out_bool(j, "stream", c->request.stream);
	json_out_uint(j, "turn", c->request.turn);
	json_out_cstr(j, "matched", c->matched[0] ? c->matched : NULL);
	json_out_uint(j, "prompt_tokens", c->request.prompt.n);
	const struct generation *g = &c->generation;
	if (g->prefill_start_ns == 0)
		return; /* never came to the cache: what it would have found is not known */
	json_out_uint(j, "cached_tokens", g->reply.cached_tokens);
	if (c->breakpoints.npositions)
		json_out_uint(j, "written_tokens", g->reply.written_tokens[TTL_5M] + g->reply.written_tokens[TTL_1H]);
	json_out_uint(j, "new_tokens", g->reply.prompt_tokens - g->reply.cached_tokens);
	json_out_uint(j, "output_tokens", g->reply.output_tokens);
}

int mock_log(FILE *log, struct http_call *call, const struct mock_call *c, bool aborted)
{
	struct json_out j;
	struct buf line;
	int status = 0;

	buf_init(&line, (size_t)1 << 20);
	json_out_init(&j, &line, false);
	json_out_object(&j, NULL);
	json_out_int_or_null(&j, "n", c ? (int64_t)c->n : -1);
	json_out_uint(&j, "connection", call->connection);
	json_out_str(&j, "method", call->method);
	json_out_str(&j, "path", call->path);
	if (call->query.p)
		json_out_str(&j, "query", call->query);
	if (c)
		log_request(&j, c);
	struct str session = http_call_header(call, STR("x-claude-code-session-id"));
	if (session.p)
		json_out_str(&j, "session", session);
	json_out_int_or_null(&j, "status", call->status ? call->status : -1);
	json_out_bool(&j, "aborted", aborted);
	json_out_object(&j, "times_ns");
	json_out_time_or_null(&j, "head_complete", call->head_ns);
	json_out_time_or_null(&j, "body_complete", call->body_ns);
	if (c) {
		json_out_time_or_null(&j, "prefill_start", c->generation.prefill_start_ns);
		json_out_time_or_null(&j, "first_byte", call->first_byte_ns);
		json_out_time_or_null(&j, "message_start", c->generation.message_start_ns);
		json_out_time_or_null(&j, "first_content", c->generation.first_content_ns);
	}
	json_out_time_or_null(&j, "end", call->end_ns);
	json_out_end(&j);
	json_out_end(&j);
	buf_putc(&line, '\n');
	if (line.failed) {
		errno = ENOMEM;
		status = -1;
	} else if (fwrite(line.p, 1, line.n, log) != line.n || fflush(log) != 0) {
		status = -1;
	}
	buf_release(&line);
	return status;
}

static double metric_value(const struct mock *m, const struct mock_metric *metric)
{
	const struct engine *e = &m->engine;

	switch (metric->value) {
	case METRIC_ANSWERED:
		return (double)m->answered;
	case METRIC_REFUSED:
		return (double)m->refused;
	case METRIC_ABORTED:
		return (double)m->aborted;
	case METRIC_RUNNING:
		return (double)e->busy;
	case METRIC_WAITING:
		return (double)e->waiting;
	case METRIC_PROMPT_TOKENS:
		return (double)e->prompt_tokens;
	case METRIC_CACHED_TOKENS:
		return (double)e->cached_tokens;
	case METRIC_PREFILLED_TOKENS:
		return (double)e->prefilled_tokens;
	case METRIC_PREFILL_SECONDS:
		return e->prefill_seconds;
	case METRIC_OUTPUT_TOKENS:
		return (double)m->output_tokens;
	case METRIC_CACHE_USED:
		return (double)mock_store_tokens(&e->store);
	case METRIC_CACHE_CAPACITY:
		break;
	}
	return (double)mock_store_capacity(&e->store);
}

void mock_metrics(const struct mock *m, struct buf *out)
{
	for (const struct mock_metric *metric = m->options.profile->metrics; metric && metric->name; metric++) {
		/* The name of the family ends where labels begin. */
		int family = (int)strcspn(metric->name, "{");
		buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n%s %.17g\n", family, metric->name, metric->help,
			   family, metric->name, metric->type, metric->name, metric_value(m, metric));
	}
}
