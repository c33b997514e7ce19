/* SPDX-License-Identifier: MIT */
#include "replay/synthetic.h"

#include "replay/stats.h"

#include <stdio.h>

static const char *const words[] = {
	"cache",  "prefix", "token",  "parser", "socket", "buffer", "thread", "kernel",   "branch",  "commit", "module",
	"folder", "test",   "build",  "error",  "value",  "table",  "index",  "queue",    "stream",  "header", "packet",
	"memory", "record", "writer", "reader", "signal", "return", "static", "function", "pointer", "length",
};

/* Text of about this many bytes that is a function of the part's digest alone. */
static void put_text(const struct trace_part *part, uint64_t bytes, struct buf *out)
{
	uint64_t state = 1;
	size_t end = out->n + (bytes > 2 ? bytes : 2);

	for (int i = 0; i < 8; i++)
		state = state * 257 + part->normalised.b[i];
	state |= 1;
	while (out->n < end && !out->failed) {
		buf_puts(out, words[(random_next(&state) >> 11) % (sizeof(words) / sizeof(*words))]);
		buf_putc(out, ' ');
	}
}

struct writer {
	struct trace *trace;
	const struct trace_prompt_part *prompt;
	size_t n;
	struct buf *out;
	unsigned calls, results; /* so far: the nth result answers the nth call */
};

/* What a block has besides its text. */
static uint64_t text_bytes(const struct trace_part *part, uint64_t around)
{
	return part->normalised_bytes > around ? part->normalised_bytes - around : 1;
}

static void put_block(struct writer *w, const struct trace_part *part)
{
	switch (part->block) {
	case BLOCK_THINKING:
		buf_puts(w->out, "{\"type\":\"thinking\",\"thinking\":\"");
		put_text(part, text_bytes(part, 40), w->out);
		buf_puts(w->out, "\",\"signature\":\"\"}");
		break;
	case BLOCK_TOOL_USE:
		buf_printf(w->out,
			   "{\"type\":\"tool_use\",\"id\":\"toolu_%u\",\"name\":\"tool_0\",\"input\":{\"text\":\"",
			   ++w->calls);
		put_text(part, text_bytes(part, 80), w->out);
		buf_puts(w->out, "\"}}");
		break;
	case BLOCK_TOOL_RESULT:
		buf_printf(w->out, "{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_%u\",\"content\":\"",
			   ++w->results);
		put_text(part, text_bytes(part, 70), w->out);
		buf_puts(w->out, "\"}");
		break;
	default:
		buf_puts(w->out, "{\"type\":\"text\",\"text\":\"");
		put_text(part, text_bytes(part, 0), w->out);
		buf_puts(w->out, "\"}");
	}
}

static void put_tools(struct writer *w)
{
	unsigned n = 0;

	buf_puts(w->out, "\"tools\":[");
	for (size_t i = 0; i < w->n; i++) {
		const struct trace_part *part = &w->trace->parts[w->prompt[i].part];
		if (part->kind != PART_TOOL)
			continue;
		buf_printf(w->out, "%s{\"name\":\"tool_%u\",\"description\":\"", n ? "," : "", n);
		n++;
		put_text(part, text_bytes(part, 60), w->out);
		buf_puts(w->out, "\",\"input_schema\":{\"type\":\"object\"}}");
	}
	buf_puts(w->out, "],");
}

static void put_list(struct writer *w, enum part_kind kind)
{
	bool any = false, open = false;
	uint32_t message = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct trace_part *part = &w->trace->parts[w->prompt[i].part];
		if (part->kind != kind)
			continue;
		if (kind == PART_MESSAGE && (!open || w->prompt[i].message != message)) {
			const char *role = part->role == ROLE_ASSISTANT ? "assistant"
					   : part->role == ROLE_SYSTEM  ? "system"
									: "user";
			buf_printf(w->out, "%s{\"role\":\"%s\",\"content\":[", open ? "]}," : "", role);
			open = true;
			any = false;
			message = w->prompt[i].message;
		}
		buf_puts(w->out, any ? "," : "");
		put_block(w, part);
		any = true;
	}
	if (open)
		buf_puts(w->out, "]}");
}

int synthetic_body(struct trace *t, size_t exchange, struct buf *out, char *error, size_t error_bytes)
{
	struct writer w = {.trace = t, .out = out};

	if (trace_prompt(t, exchange, &w.prompt, &w.n, error, error_bytes) < 0)
		return -1;
	buf_puts(out, "{\"model\":\"synthetic\",");
	if (w.n > 0 && t->exchanges[exchange].prompt.has_tools)
		put_tools(&w);
	buf_puts(out, "\"system\":[");
	put_list(&w, PART_SYSTEM);
	buf_puts(out, "],\"messages\":[");
	put_list(&w, PART_MESSAGE);
	buf_puts(out, "],\"max_tokens\":256,\"stream\":true}");
	if (out->failed) {
		snprintf(error, error_bytes, "out of memory");
		return -1;
	}
	return 0;
}
