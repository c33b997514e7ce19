/* SPDX-License-Identifier: MIT */
#include "engines/probe_request.h"

#include "base/json_out.h"

/* Sentences of the prompt: some 700 tokens, more than any block or template header. */
#define SENTENCES 48

static void add_message(struct json_out *j, const char *role, struct str content)
{
	json_out_object(j, NULL);
	json_out_cstr(j, "role", role);
	json_out_str(j, "content", content);
	json_out_end(j);
}

static void write_text(uint64_t seed, unsigned sentences, struct buf *text)
{
	buf_init(text, 64 << 10);
	buf_printf(text, "%llu ", (unsigned long long)seed);
	for (unsigned i = 0; i < sentences; i++)
		buf_printf(text, "Line %u of a test of the connection, with the number %llu in it. ", i + 1,
			   (unsigned long long)((seed >> (i % 16)) % 997 + i));
}

static void add_tool(struct json_out *j, bool messages, uint64_t seed)
{
	struct buf text;

	write_text(seed, SENTENCES / 2, &text);
	json_out_array(j, "tools");
	json_out_object(j, NULL);
	if (!messages) {
		json_out_cstr(j, "type", "function");
		json_out_object(j, "function");
	}
	json_out_cstr(j, "name", "test");
	json_out_str(j, "description", buf_str(&text));
	json_out_object(j, messages ? "input_schema" : "parameters");
	json_out_cstr(j, "type", "object");
	json_out_object(j, "properties");
	json_out_end(j);
	json_out_end(j);
	if (!messages)
		json_out_end(j);
	json_out_end(j);
	json_out_end(j);
	buf_release(&text);
}

void probe_request_write(const struct engine_facts *f, const struct probe_request *r, struct buf *body)
{
	struct json_out j;
	struct buf text;
	bool head = r->text == PROBE_HEAD;

	write_text(r->seed, r->text == PROBE_SHORT ? 1 : head ? SENTENCES / 2 : SENTENCES, &text);
	json_out_init(&j, body, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "model", f->model ? f->model : "default_model");
	json_out_int(&j, "max_tokens", 1);
	if (head)
		add_tool(&j, r->messages, r->tool_seed);
	if (head && r->messages)
		json_out_str(&j, "system", buf_str(&text));
	json_out_array(&j, "messages");
	if (head && !r->messages)
		add_message(&j, "system", buf_str(&text));
	add_message(&j, "user", head ? STR("Go on.") : buf_str(&text));
	if (!head && r->text != PROBE_SINGLE && r->text != PROBE_SHORT) {
		add_message(&j, "assistant", STR("Good."));
		add_message(&j, "user", STR("Go on."));
	}
	if (r->text == PROBE_WITH_TURN || r->text == PROBE_CONTINUED) {
		add_message(&j, "assistant", STR("Done."));
		if (r->text == PROBE_WITH_TURN)
			add_message(&j, "system", STR("A note between the turns."));
		add_message(&j, "user", STR("Go on."));
	}
	json_out_end(&j);
	json_out_bool(&j, "stream", true);
	if (!r->messages) {
		json_out_object(&j, "stream_options");
		json_out_bool(&j, "include_usage", true);
		json_out_end(&j);
	}
	if (r->salt)
		json_out_cstr(&j, f->profile->salt_member, r->salt);
	json_out_end(&j);
	buf_release(&text);
}
