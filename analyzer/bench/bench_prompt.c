/* SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include "base/json_out.h"
#include "replay/rewrite.h"

#include <stdlib.h>

static const char *const subjects[] = {"The workshop",    "A visitor",    "The foreman", "Each apprentice",
				       "The night shift", "A customer",   "The smith",   "Every driver",
				       "The storekeeper", "A new machine"};
static const char *const verbs[] = {"keeps",    "returns", "checks",  "writes down", "cleans",   "orders",
				    "measures", "repairs", "carries", "counts",      "signs for"};
static const char *const objects[] = {"the drawings",  "two spare belts", "the long ladder", "a crate of bolts",
				      "the oil can",   "every gauge",     "the keys",        "the delivery note",
				      "the lamps",     "a set of files",  "the ledger",      "the timber",
				      "the spare cart"};
static const char *const ends[] = {"before the doors are opened.", "at the end of the week.", "when the bell has rung.",
				   "unless the weather is bad.",   "and tells the office.",   "with both hands.",
				   "in the order of the list."};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void sentence(struct buf *out, size_t n)
{
	buf_printf(out, "%zu. %s %s %s %s\n", n + 1, subjects[n % COUNT(subjects)],
		   verbs[(n * 7 + n / 10) % COUNT(verbs)], objects[(n * 5 + n / 7) % COUNT(objects)],
		   ends[(n * 3 + n / 13) % COUNT(ends)]);
}

char *bench_prose(size_t bytes)
{
	struct buf out;

	buf_init(&out, BUF_UNLIMITED);
	buf_puts(&out, "You help in a workshop. These are its rules.\n");
	for (size_t n = 0; out.n < bytes && !out.failed; n++)
		sentence(&out, n);
	return buf_steal(&out);
}

char *bench_question(unsigned number, size_t bytes)
{
	struct buf out;

	buf_init(&out, BUF_UNLIMITED);
	buf_printf(&out, "Question %u. ", number);
	for (size_t n = number * 17; out.n + 30 < bytes && !out.failed; n++)
		sentence(&out, n);
	buf_printf(&out, "What does rule %u say?", number + 1);
	return buf_steal(&out);
}

static void text_block(struct json_out *j, const char *key, struct str text, bool marked)
{
	json_out_array(j, key);
	json_out_object(j, NULL);
	json_out_cstr(j, "type", "text");
	json_out_str(j, "text", text);
	if (marked) {
		json_out_object(j, "cache_control");
		json_out_cstr(j, "type", "ephemeral");
		json_out_end(j);
	}
	json_out_end(j);
	json_out_end(j);
}

static void chat_message(struct json_out *j, const char *role, struct str text)
{
	json_out_object(j, NULL);
	json_out_cstr(j, "role", role);
	json_out_str(j, "content", text);
	json_out_end(j);
}

void bench_body(const struct engine_facts *facts, const struct bench_prompt *p, struct buf *out)
{
	struct json_out j;
	struct buf system, question;
	char nonce[NONCE_CHARS];
	bool messages = facts->anthropic == KNOWN_YES;

	/* The nonce stands in front of what a template renders first. */
	nonce_format(p->nonce, nonce);
	buf_init(&system, BUF_UNLIMITED);
	buf_init(&question, BUF_UNLIMITED);
	if (p->system) {
		buf_printf(&system, "%s\n", nonce);
		buf_append(&system, p->system, p->system_bytes);
	} else {
		buf_printf(&question, "%s\n", nonce);
	}
	buf_puts(&question, p->question);

	json_out_init(&j, out, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "model", facts->model ? facts->model : "default_model");
	json_out_int(&j, "max_tokens", p->max_tokens);
	json_out_bool(&j, "stream", true);
	if (messages && p->system)
		text_block(&j, "system", buf_str(&system), p->marked);
	json_out_array(&j, "messages");
	if (!messages && p->system)
		chat_message(&j, "system", buf_str(&system));
	chat_message(&j, "user", buf_str(&question));
	json_out_end(&j);
	json_out_double(&j, "temperature", 0, 1);
	if (!messages) {
		json_out_object(&j, "stream_options");
		json_out_bool(&j, "include_usage", true);
		json_out_end(&j);
	}
	if (p->salt)
		json_out_cstr(&j, facts->profile->salt_member, p->salt);
	json_out_end(&j);
	out->failed = out->failed || system.failed || question.failed;
	buf_release(&system);
	buf_release(&question);
}
