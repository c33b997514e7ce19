/* SPDX-License-Identifier: MIT */
#include "trace/lines.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "kvscope/trace.h"
#include "kvscope/version.h"
#include "trace/line_json.h"
#include "trace/secrets.h"
#include "trace/words.h"

#include <string.h>

static void begin(struct json_out *j, struct buf *to, const char *type)
{
	json_out_init(j, to, false);
	json_out_object(j, NULL);
	json_out_cstr(j, "type", type);
}

static void end(struct json_out *j)
{
	json_out_end(j);
	buf_putc(j->to, '\n');
}

/*
 * A word of the command line. Keys do not belong there, and yet they are: as a header (-H "x-api-key: ..."), as a value
 * (API_KEY=...), or behind a word that says so (--api-key ...).
 */
static void command_word(struct json_out *j, const char *before, const char *word)
{
	struct buf text, masked;
	buf_init(&text, BUF_UNLIMITED);
	buf_init(&masked, BUF_UNLIMITED);
	buf_puts(&text, before ? before : "");
	size_t from = text.n;
	buf_printf(&text, "=%s", word);
	secrets_mask(buf_str(&text), from, &masked);
	json_out_cstr(j, NULL, masked.failed || masked.n == 0 ? NULL : masked.p + 1);
	buf_release(&text);
	buf_release(&masked);
}

void line_header(struct buf *to, const struct trace_header *h)
{
	struct json_out j;
	char iso[32];

	begin(&j, to, "header");
	json_out_int(&j, "version", KVS_TRACE_VERSION);
	json_out_cstr(&j, "program", "kvscope " KVSCOPE_VERSION);
	json_out_hex(&j, "run_id", h->run_id, sizeof(h->run_id));
	json_out_object(&j, "clock");
	json_out_uint(&j, "monotonic_ns", h->monotonic_ns);
	json_out_uint(&j, "realtime_ns", h->realtime_ns);
	clock_iso8601(h->realtime_ns, iso, sizeof(iso));
	json_out_cstr(&j, "realtime", iso);
	json_out_end(&j);
	size_t nwords = 0;
	while (h->command && h->command[nwords])
		nwords++;
	json_out_array(&j, "command");
	for (size_t i = 0; i < nwords; i++)
		if (i == 0 || h->content == CONTENT_FULL) /* arguments may be a prompt */
			command_word(&j, i > 0 ? h->command[i - 1] : NULL, h->command[i]);
	json_out_end(&j);
	json_out_uint(&j, "command_words", nwords);
	json_out_cstr(&j, "cwd", h->cwd);
	json_out_cstr(&j, "capture_mode", h->capture_mode);
	json_out_cstr(&j, "upstream", h->upstream);
	json_out_array(&j, "known_changes");
	for (const char *const *change = capture_changes(h->capture_mode); *change; change++)
		json_out_cstr(&j, NULL, *change);
	json_out_end(&j);
	json_out_cstr(&j, "content", h->content == CONTENT_NONE ? "none" : "full");
	if (h->fix && h->fix[0]) {
		json_out_array(&j, "fix");
		for (size_t i = 0; h->fix[i]; i++)
			json_out_cstr(&j, NULL, h->fix[i]);
		json_out_end(&j);
	}
	end(&j);
}

void line_part(struct buf *to, uint32_t id, const struct prompt_part *part, struct str text,
	       const struct line_like *like, const struct hide *hide)
{
	struct json_out j;

	begin(&j, to, "part");
	json_out_uint(&j, "id", id);
	json_out_cstr(&j, "kind", part_kind_name(part->kind));
	json_out_cstr(&j, "role", part->role == ROLE_NONE ? NULL : part_role_name(part->role));
	json_out_cstr(&j, "block", block_type_name(part->block));
	json_out_uint(&j, "bytes", text.n);
	json_out_uint(&j, "normalised_bytes", part->normalised_bytes);
	line_json_digest(&j, hide->on ? "hmac" : "sha256", &part->raw, hide);
	line_json_digest(&j, hide->on ? "normalised_hmac" : "normalised_sha256", &part->normalised, hide);
	if (hide->on) {
		struct buf chain;
		buf_init(&chain, BUF_UNLIMITED);
		hide_chain(hide, text, &chain);
		if (chain.failed)
			to->failed = true;
		json_out_str(&j, "chain", buf_str(&chain));
		buf_release(&chain);
	} else if (like) {
		json_out_object(&j, "like");
		json_out_uint(&j, "part", like->part);
		json_out_uint(&j, "head", like->head);
		json_out_uint(&j, "tail", like->tail);
		json_out_end(&j);
		line_json_text(&j, (struct str){text.p + like->head, text.n - like->head - like->tail});
	} else {
		line_json_text(&j, text);
	}
	end(&j);
}

void line_process(struct buf *to, const struct pipeline_process *p)
{
	struct json_out j;

	begin(&j, to, "process");
	json_out_int(&j, "pid", p->pid);
	json_out_int(&j, "ppid", p->ppid);
	json_out_cstr(&j, "exe", p->exe);
	json_out_time_or_null(&j, "time_ns", p->time_ns);
	json_out_bool(&j, "forked", p->forked);
	if (p->unrecorded)
		json_out_bool(&j, "recorded", false);
	end(&j);
}

static void turns(struct json_out *j, const struct turns *turns)
{
	json_out_cstr(j, "grade", timing_grade_name(GRADE_RECORD_LEVEL));
	json_out_array(j, "turns");
	for (size_t i = 0; i < turns->n; i++) {
		const struct turn *t = &turns->list[i];
		json_out_object(j, NULL);
		json_out_time_or_null(j, "start", t->start_ns);
		json_out_time_or_null(j, "sent", t->sent_ns);
		json_out_time_or_null(j, "first_received", t->first_received_ns);
		json_out_time_or_null(j, "last_received", t->last_received_ns);
		json_out_uint(j, "sent_bytes", t->sent_bytes);
		json_out_uint(j, "received_bytes", t->received_bytes);
		json_out_uint(j, "receives", t->receives);
		json_out_end(j);
	}
	json_out_end(j);
	json_out_bool(j, "turns_cut", turns->cut);
}

void line_opaque(struct buf *to, const struct opaque_connection *c)
{
	struct json_out j;

	begin(&j, to, "opaque");
	json_out_uint(&j, "connection", c->connection);
	json_out_int(&j, "pid", c->pid);
	json_out_cstr(&j, "peer", c->peer);
	json_out_cstr(&j, "kind", c->kind);
	json_out_cstr(&j, "server_name", c->server_name);
	json_out_cstr(&j, "protocol", c->protocol);
	json_out_cstr(&j, "reason", c->reason);
	json_out_uint(&j, "sent_bytes", c->sent_bytes);
	json_out_uint(&j, "received_bytes", c->received_bytes);
	json_out_object(&j, "times_ns");
	json_out_time_or_null(&j, "start", c->start_ns);
	json_out_time_or_null(&j, "first_received", c->first_received_ns);
	json_out_time_or_null(&j, "end", c->end_ns);
	json_out_end(&j);
	if (c->turns)
		turns(&j, c->turns);
	end(&j);
}

void line_loss(struct buf *to, const struct ring_loss *ring, const struct pipeline_loss *pipeline, uint64_t lines_lost)
{
	struct json_out j;

	begin(&j, to, "loss");
	json_out_object(&j, "ring");
	json_out_object(&j, "dropped");
	for (size_t i = 0; i < KVS_DROP_REASONS; i++)
		json_out_uint(&j, loss_drop_names[i], ring->dropped[i]);
	json_out_end(&j);
	json_out_uint(&j, "dropped_bytes", ring->dropped_bytes);
	json_out_uint(&j, "voided", ring->voided);
	json_out_uint(&j, "processes", ring->processes);
	json_out_uint(&j, "foreign_pidns", ring->foreign_pidns);
	json_out_uint(&j, "passthrough", ring->passthrough);
	json_out_end(&j);
	json_out_object(&j, "pipeline");
	json_out_uint(&j, "holes", pipeline->holes);
	json_out_uint(&j, "hole_bytes", pipeline->hole_bytes);
	json_out_uint(&j, "unreadable_bytes", pipeline->unreadable_bytes);
	json_out_uint(&j, "http_errors", pipeline->http_errors);
	json_out_uint(&j, "requests_without_response", pipeline->requests_without_response);
	json_out_uint(&j, "responses_without_request", pipeline->responses_without_request);
	json_out_uint(&j, "connections_refused", pipeline->connections_refused);
	json_out_object(&j, "blind");
	for (size_t i = 1; i < LOSS_BLIND_NAMES; i++)
		json_out_uint(&j, loss_blind_names[i], pipeline->blind[i]);
	json_out_end(&j);
	json_out_end(&j);
	json_out_uint(&j, "lines_lost", lines_lost);
	end(&j);
}

void line_footer(struct buf *to, const struct trace_footer *f, uint64_t exchanges, uint64_t parts)
{
	struct json_out j;

	begin(&j, to, "footer");
	json_out_time_or_null(&j, "end_ns", f->end_ns);
	json_out_int_or_null(&j, "exit_status", f->exit_status);
	json_out_int_or_null(&j, "signal", f->signal);
	json_out_bool(&j, "complete", f->complete);
	json_out_uint(&j, "exchanges", exchanges);
	json_out_uint(&j, "parts", parts);
	end(&j);
}
