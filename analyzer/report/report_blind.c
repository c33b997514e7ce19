/* SPDX-License-Identifier: MIT */
#include "report/report_blind.h"

#include "report/encrypted.h"
#include "report/units.h"

#include <string.h>

static void line(struct buf *to, uint64_t n, const char *noun, const char *rest)
{
	if (n == 0)
		return;
	units_plural(to, n, noun);
	buf_printf(to, " %s\n", rest);
}

static void unreadable(const struct report *r, struct buf *to)
{
	uint64_t n = 0;
	const char *reason = NULL;
	for (size_t i = 0; i < r->ntraces; i++) {
		for (size_t k = 0; k < r->traces[i].nopaque; k++) {
			const struct trace_opaque *o = &r->traces[i].opaque[k];
			if (!o->kind || strcmp(o->kind, "tls") == 0 || strcmp(o->kind, "http") == 0)
				continue;
			n++;
			if (!reason)
				reason = o->reason ? o->reason : o->kind;
		}
	}
	if (n == 0)
		return;
	units_plural(to, n, "connection");
	buf_puts(to, " could not be read (");
	units_text(to, reason, 60, false);
	buf_puts(to, ").\n");
}

static void lost_in_ring(const struct report *r, struct buf *to)
{
	static const char *const reasons[KVS_DROP_REASONS] = {
		[KVS_DROP_FULL] = "were lost because the ring was full (a larger --ring-size helps).",
		[KVS_DROP_NESTED] = "were lost in signal handlers.",
		[KVS_DROP_CONNS] = "were lost because a process had too many connections.",
		[KVS_DROP_IDENTITY] = "were held back because a descriptor was no longer the recorded socket.",
		[KVS_DROP_INTERNAL] = "were lost by trouble inside the library.",
		[KVS_DROP_UNDECIDED] = "came before it was clear what their connection was for.",
	};
	static_assert(KVS_DROP_REASONS == 6, "every reason has its words");
	for (size_t i = 0; i < KVS_DROP_REASONS; i++)
		line(to, r->ring_loss.dropped[i], "record", reasons[i]);
	line(to, r->ring_loss.voided, "record", "left unfinished by a process that died.");
	line(to, r->ring_loss.passthrough, "process", "gave up recording.");
}

static void lost_in_pipeline(const struct report *r, struct buf *to)
{
	static const char *const blind[] = {
		[KVS_BLIND_IO_URING] = "used io_uring, which cannot be recorded.",
		[KVS_BLIND_SENDFILE] = "used sendfile or splice: sizes are known, contents are not.",
		[KVS_BLIND_PASSED] = "passed a connection to another process.",
		[KVS_BLIND_STDIO] = "used a connection through stdio, which cannot be recorded.",
		[KVS_BLIND_SANDBOX] = "confined itself (seccomp) and was not recorded from then on.",
		[KVS_BLIND_CHILD] = "was started without the library (static, setuid or of another libc).",
	};
	const struct pipeline_loss *p = &r->pipeline_loss;
	char bytes[UNITS_CHARS];
	if (p->holes > 0) {
		units_plural(to, p->holes, "hole");
		buf_printf(to, " in the recorded streams (%s missing).\n", units_bytes(p->hole_bytes, bytes));
	}
	if (p->unreadable_bytes > 0)
		buf_printf(to, "%s were passed over while looking for the next message.\n",
			   units_bytes(p->unreadable_bytes, bytes));
	line(to, p->http_errors, "message", "were no HTTP.");
	line(to, p->requests_without_response, "request", "got no response.");
	line(to, p->responses_without_request, "response", "came without a request.");
	line(to, p->connections_refused, "connection", "more than can be followed at once.");
	for (size_t i = 1; i < sizeof(blind) / sizeof(*blind); i++)
		line(to, p->blind[i], "time a process", blind[i]);
}

static void imprecise(const struct report *r, struct buf *to)
{
	const struct report_group *all = &r->all;
	uint64_t prompts = all->requests - r->count_requests;
	if (prompts > all->seconds.ttft_of && all->seconds.ttft_of > 0)
		buf_printf(to,
			   "The time to the first token is unknown for %llu of %llu requests (no stream, or it "
			   "came at once).\n",
			   (unsigned long long)(prompts - all->seconds.ttft_of), (unsigned long long)prompts);
	if (r->prompts_unreadable > 0) {
		units_plural(to, r->prompts_unreadable, "prompt");
		buf_puts(to, " could not be read back: ");
		units_text(to, r->prompt_error, 120, false);
		buf_putc(to, '\n');
	}
	if (r->lines_lost > 0)
		line(to, r->lines_lost, "line", "of the trace could not be written.");
	for (size_t i = 0; i < r->ntraces; i++) {
		const struct trace *t = &r->traces[i];
		if (t->warning) {
			units_text(to, t->warning, 400, false);
			buf_putc(to, '\n');
		}
		if (t->has_footer && !t->footer.complete) {
			units_text(to, t->path, 200, false);
			buf_puts(to,
				 " ended while processes of the run were alive; what they sent later is missing.\n");
		}
	}
}

static void why_empty(const struct report *r, struct buf *to)
{
	size_t processes = 0, tls = 0;
	bool ended = true;
	if (r->nexchanges > 0 || r->ntraces == 0)
		return;
	for (size_t i = 0; i < r->ntraces; i++) {
		processes += r->traces[i].nprocesses;
		ended = ended && r->traces[i].has_footer;
		for (size_t k = 0; k < r->traces[i].nopaque; k++)
			tls += r->traces[i].opaque[k].kind && strcmp(r->traces[i].opaque[k].kind, "tls") == 0;
	}
	if (tls > 0)
		buf_puts(to,
			 "The client spoke TLS, which could not be read: use kvscope run --upstream URL, or give the "
			 "client an http:// address of the backend (a settings file may override the "
			 "environment).\n");
	else if (!ended)
		buf_puts(to, "The trace has no end: the run still goes on, or kvscope was killed and `kvscope collect` "
			     "finishes it, or the file was cut.\n");
	else if (processes == 0)
		buf_puts(to, "No process loaded the recording library: the program is static, setuid or of another "
			     "kind, or it ended at once.\n");
	else
		buf_puts(to, "The processes that were recorded made no request to a path that is known as a language "
			     "model's.\n");
}

static void relayed(const struct report *r, struct buf *to)
{
	const char *said = NULL;
	for (size_t i = 0; i < r->ntraces; i++) {
		const struct trace *t = &r->traces[i];
		if (!t->upstream || (said && strcmp(said, t->upstream) == 0))
			continue;
		said = t->upstream;
		buf_puts(to, "Recorded by a relay in front of ");
		units_text(to, said, 200, false);
		buf_puts(to, ": base URL and TLS were not the client's own, HTTP/1.1 was spoken, and times are those "
			     "at the relay.\n");
	}
}

void report_blind(const struct report *r, struct buf *to)
{
	relayed(r, to);
	why_empty(r, to);
	report_encrypted(r, to);
	unreadable(r, to);
	lost_in_ring(r, to);
	lost_in_pipeline(r, to);
	imprecise(r, to);
}
