/* SPDX-License-Identifier: MIT */
#include "trace/line_request.h"

#include "api/api.h"
#include "base/json_out.h"

#include <stdio.h>
#include <stdlib.h>

static void put_path(struct json_out *j, const struct continues *c)
{
	char path[64];
	if (!c->has_place) {
		json_out_null(j, "path");
		return;
	}
	if (c->kind == PART_MESSAGE)
		snprintf(path, sizeof(path), "messages[%u].content[%u]", c->message, c->index);
	else
		snprintf(path, sizeof(path), "%s[%u]", c->kind == PART_TOOL ? "tools" : "system", c->message);
	json_out_cstr(j, "path", path);
}

void line_request(struct buf *to, const struct exchange *x, const struct continues *c)
{
	struct json_out j;

	json_out_init(&j, to, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "type", "request");
	json_out_uint(&j, "id", x->id);
	json_out_int(&j, "pid", x->pid);
	json_out_cstr(&j, "peer", x->peer);
	json_out_cstr(&j, "api", api_name(x->api));
	json_out_cstr(&j, "session", x->session);
	json_out_cstr(&j, "agent", x->agent);
	json_out_cstr(&j, "model", x->model);
	json_out_time_or_null(&j, "time_ns", x->times.request_end);
	json_out_uint(&j, "bytes", x->request.body_bytes);
	json_out_uint(&j, "parts", c->parts);
	json_out_uint(&j, "prompt_bytes", c->bytes);
	if (c->exchange == 0) {
		json_out_null(&j, "after");
	} else {
		json_out_object(&j, "after");
		json_out_uint(&j, "exchange", c->exchange);
		json_out_uint(&j, "same_parts", c->same_parts);
		json_out_uint(&j, "same_bytes", c->same_bytes);
		json_out_bool(&j, "whole", c->whole);
		put_path(&j, c);
		json_out_end(&j);
	}
	json_out_end(&j);
	buf_putc(to, '\n');
}

const char *line_read_request(const cJSON *line, struct trace_request *out)
{
	struct fields f = {0};
	const cJSON *after = field_object(&f, line, "after");

	*out = (struct trace_request){
		.id = field_uint(&f, line, "id", UINT64_MAX, 0),
		.peer = field_string(&f, line, "peer"),
		.session = field_string(&f, line, "session"),
		.agent = field_string(&f, line, "agent"),
		.model = field_string(&f, line, "model"),
		.time_ns = field_uint(&f, line, "time_ns", UINT64_MAX, 0),
		.bytes = field_uint(&f, line, "bytes", UINT64_MAX, 0),
		.parts = field_uint(&f, line, "parts", UINT64_MAX, 0),
		.prompt_bytes = field_uint(&f, line, "prompt_bytes", UINT64_MAX, 0),
		.exchange = field_uint(&f, after, "exchange", UINT64_MAX, 0),
		.same_parts = field_uint(&f, after, "same_parts", UINT64_MAX, 0),
		.same_bytes = field_uint(&f, after, "same_bytes", UINT64_MAX, 0),
		.whole = field_bool(&f, after, "whole", false),
		.path = field_string(&f, after, "path"),
	};
	return f.no_memory ? "out of memory" : f.wrong;
}

void trace_request_release(struct trace_request *r)
{
	free(r->peer);
	free(r->session);
	free(r->agent);
	free(r->model);
	free(r->path);
	*r = (struct trace_request){.id = 0};
}
