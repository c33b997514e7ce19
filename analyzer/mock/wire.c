/* SPDX-License-Identifier: MIT */
#include "mock/wire.h"

#include "mock/template.h"

#include <stdio.h>
#include <string.h>

static const struct {
	int status;
	const char *type;
} errors[] = {
	{400, "invalid_request_error"},
	{401, "authentication_error"},
	{403, "permission_error"},
	{404, "not_found_error"},
	{413, "request_too_large"},
	{429, "rate_limit_error"},
	{500, "api_error"},
	{529, "overloaded_error"},
};

const char *error_type_of_status(int status)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].status == status)
			return errors[i].type;
	return status < 500 ? "invalid_request_error" : "api_error";
}

int status_of_error_type(const char *type)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].type, type) == 0)
			return errors[i].status;
	return 500;
}

void wire_refusal(const struct mock_profile *p, const struct wire *w, struct buf *out, int status, const char *type,
		  const char *message)
{
	const char *text = w == &wire_openai ? p->openai_error : p->error;
	char code[16];

	if (!text) {
		w->refusal(out, type, message);
		return;
	}
	snprintf(code, sizeof(code), "%d", status);
	mock_template(
		out, text,
		(struct mock_field[]){{"code", code, true}, {"type", type, false}, {"message", message, false}, {0}});
}

void reply_send(struct reply *r)
{
	http_call_chunk(r->call, buf_str(&r->out));
	buf_reset(&r->out);
}

size_t reply_tools_before(const struct reply *r, size_t block)
{
	size_t n = 0;
	for (size_t i = 0; i < block; i++)
		n += r->answer->blocks[i].kind == ANSWER_TOOL;
	return n;
}
