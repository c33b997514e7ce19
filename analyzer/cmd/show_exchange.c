/* SPDX-License-Identifier: MIT */
#include "api/api.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "cli/msg.h"
#include "cmd/show.h"
#include "trace/excerpt.h"
#include "trace/prompt_diff.h"
#include "trace/words.h"

#include <math.h>

/* "  label        " and what follows it; text from outside is escaped. */
static void label(struct buf *to, const char *name)
{
	const struct text_style c = text_style_for(stdout, false);
	buf_printf(to, "  %s%-15s%s", c.dim, name, c.reset);
}

static void words(struct buf *to, const char *before, const char *text, const char *after)
{
	if (!text)
		return;
	buf_puts(to, before);
	escape_for_terminal(str_from(text), to);
	buf_puts(to, after);
}

static void hash(struct buf *to, const char *before, const struct digest *d)
{
	char hex[DIGEST_HEX_CHARS + 1];
	digest_hex(d, hex);
	buf_printf(to, "%s%s", before, hex);
}

static void number(struct buf *to, const char *name, int64_t n)
{
	if (n >= 0)
		buf_printf(to, ", %s %lld", name, (long long)n);
}

static void usage(struct buf *to, const char *name, const struct usage *u)
{
	struct buf line;
	buf_init(&line, 1024);
	number(&line, "input", u->input);
	number(&line, "cache read", u->cache_read);
	number(&line, "cache creation", u->cache_creation);
	number(&line, "output", u->output);
	number(&line, "reasoning", u->reasoning);
	if (line.n) {
		label(to, name);
		buf_printf(to, "%s (tokens, reported)\n", line.p + 2);
	}
	buf_release(&line);
}

static void stamps(struct buf *to, const struct trace *t, const struct exchange_times *x)
{
	const struct {
		const char *name;
		uint64_t ns;
	} list[] = {
		{"request sent", x->request_end},    {"first byte", x->first_byte},       {"headers", x->headers},
		{"message start", x->message_start}, {"first content", x->first_content}, {"end", x->end},
	};
	char iso[32];

	label(to, "started");
	if (x->request_start) {
		clock_iso8601(t->realtime_ns + (x->request_start - t->monotonic_ns), iso, sizeof(iso));
		buf_printf(to, "%s\n", iso);
	} else {
		buf_puts(to, "unknown\n");
	}
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		if (!list[i].ns || !x->request_start)
			continue;
		label(to, list[i].name);
		buf_printf(to, "%+.3f ms\n", (double)(int64_t)(list[i].ns - x->request_start) / 1e6);
	}
	label(to, "stamps");
	buf_printf(to, "%s\n", timing_grade_name(x->grade));
}

/* Parts and bytes of each kind; the kinds in canonical order. */
static int prompt(struct buf *to, struct trace *t, size_t at, char *error, size_t error_bytes)
{
	const struct exchange *x = &t->exchanges[at];
	const struct trace_prompt_part *parts;
	size_t n, count[PART_KINDS] = {0};
	static const char *const names[PART_KINDS] = {"tools", "system", "messages"};

	if (trace_prompt(t, at, &parts, &n, error, error_bytes) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		count[t->parts[parts[i].part].kind]++;
	for (int kind = 0; n > 0 && kind < PART_KINDS; kind++) {
		label(to, names[kind]);
		buf_printf(to, "%zu part%s", count[kind], count[kind] == 1 ? "" : "s");
		if (kind == PART_MESSAGE)
			buf_printf(to, " of %u message%s", x->prompt.messages, x->prompt.messages == 1 ? "" : "s");
		buf_printf(to, ", %llu bytes", (unsigned long long)x->prompt.kind_bytes[kind]);
		if (kind == PART_TOOL && x->prompt.has_tools)
			hash(to, ", fingerprint ", &x->prompt.tools_fingerprint);
		if (kind == PART_SYSTEM && x->prompt.has_system)
			hash(to, ", fingerprint ", &x->prompt.system_fingerprint);
		buf_putc(to, '\n');
	}
	return 0;
}

static void body(struct buf *to, const struct trace *t, const char *name, uint64_t bytes, bool exact,
		 const struct digest *d)
{
	label(to, name);
	buf_printf(to, "%llu bytes", (unsigned long long)bytes);
	if (exact)
		hash(to, t->content == CONTENT_NONE ? ", keyed hash " : ", sha256 ", d);
	else
		buf_puts(to, ", not whole");
	buf_putc(to, '\n');
}

static void response(struct buf *to, const struct trace *t, const struct exchange *x)
{
	const struct exchange_response *r = &x->response;

	label(to, "response");
	if (r->status)
		buf_printf(to, "%d", r->status);
	else
		buf_puts(to, "none");
	words(to, ", ", r->content_type, "");
	words(to, ", stop reason ", r->stop_reason, "");
	words(to, ", engine ", r->engine, "");
	if (r->streamed)
		buf_printf(to, ", %llu events of which %llu content", (unsigned long long)r->events,
			   (unsigned long long)r->content_deltas);
	buf_putc(to, '\n');
	if (r->status)
		body(to, t, "body", r->body_bytes, r->body_exact, &r->body_sha256);
	if (r->error) {
		label(to, "error");
		words(to, "", r->error, "\n");
	}
	usage(to, "usage", &r->usage);
	if (!isnan(r->timings.prompt_ms) || !isnan(r->timings.predicted_ms)) {
		label(to, "engine says");
		if (!isnan(r->timings.prompt_ms))
			buf_printf(to, "prompt %.3f ms", r->timings.prompt_ms);
		if (!isnan(r->timings.predicted_ms))
			buf_printf(to, "%sdecode %.3f ms", isnan(r->timings.prompt_ms) ? "" : ", ",
				   r->timings.predicted_ms);
		buf_putc(to, '\n');
	}
}

static int show_text(struct buf *to, struct trace *t, size_t at, char *error, size_t error_bytes)
{
	const struct exchange *x = &t->exchanges[at];
	const struct text_style c = text_style_for(stdout, false);

	buf_printf(to, "%sexchange %llu%s", c.bold, (unsigned long long)x->id, c.reset);
	words(to, "  ", x->request.method, "");
	words(to, " ", x->request.path, "");
	words(to, "?", x->request.query, "");
	buf_putc(to, '\n');
	label(to, "connection");
	words(to, "", x->peer ? x->peer : "unknown peer", "");
	buf_printf(to, ", request %u of connection %llu, process %d", x->sequence + 1,
		   (unsigned long long)x->connection, (int)x->pid);
	words(to, ", ", x->capture_mode, "");
	buf_putc(to, '\n');
	label(to, "model");
	words(to, "", x->model ? x->model : "unknown", "");
	words(to, ", API ", api_name(x->api), "");
	number(to, "max tokens", x->max_tokens);
	buf_putc(to, '\n');
	if (x->session || x->agent) {
		label(to, "session");
		words(to, "", x->session ? x->session : "unknown", "");
		words(to, ", agent ", x->agent, "");
		buf_putc(to, '\n');
	}
	body(to, t, "request", x->request.body_bytes, x->request.body_exact, &x->request.body_sha256);
	if (x->request.error) {
		label(to, "error");
		words(to, "", x->request.error, "\n");
	}
	if (prompt(to, t, at, error, error_bytes) < 0)
		return -1;
	response(to, t, x);
	stamps(to, t, &x->times);
	return 0;
}

static int show_json(struct buf *to, struct trace *t, size_t at, char *error, size_t error_bytes)
{
	const struct trace_prompt_part *parts;
	struct json_out j;
	struct buf line, path;
	size_t n;
	int status = -1;

	buf_init(&line, BUF_UNLIMITED);
	buf_init(&path, 256);
	if (trace_exchange_json(t, at, &line, error, error_bytes) < 0 ||
	    trace_prompt(t, at, &parts, &n, error, error_bytes) < 0)
		goto out;
	json_out_init(&j, to, true);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "trace", t->path);
	json_out_raw(&j, "exchange", buf_str(&line));
	json_out_array(&j, "parts");
	for (size_t i = 0; i < n; i++) {
		const struct trace_part *p = &t->parts[parts[i].part];
		buf_reset(&path);
		prompt_part_path(t, &t->exchanges[at], &parts[i], &path);
		json_out_object(&j, NULL);
		json_out_uint(&j, "part", parts[i].part);
		json_out_cstr(&j, "path", path.p);
		json_out_cstr(&j, "kind", part_kind_name(p->kind));
		json_out_cstr(&j, "role", p->role == ROLE_NONE ? NULL : part_role_name(p->role));
		json_out_cstr(&j, "block", block_type_name(p->block));
		json_out_uint(&j, "bytes", p->bytes);
		json_out_uint(&j, "normalised_bytes", p->normalised_bytes);
		json_out_hex(&j, t->content == CONTENT_NONE ? "normalised_hmac" : "normalised_sha256", p->normalised.b,
			     DIGEST_BYTES);
		json_out_end(&j);
	}
	json_out_end(&j);
	json_out_end(&j);
	buf_putc(to, '\n');
	status = 0;
out:
	buf_release(&line);
	buf_release(&path);
	return status;
}

int show_exchange(struct trace *t, size_t exchange, bool json, char *error, size_t error_bytes)
{
	struct buf out;

	buf_init(&out, BUF_UNLIMITED);
	int status = json ? show_json(&out, t, exchange, error, error_bytes)
			  : show_text(&out, t, exchange, error, error_bytes);
	if (status == 0 && out.failed) {
		snprintf(error, error_bytes, "out of memory");
		status = -1;
	}
	if (status == 0)
		fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
	return status;
}
