/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/json_out.h"
#include "report/units.h"

#include <inttypes.h>
#include <string.h>

static void bodies(struct buf *to, uint64_t n, const char *rest)
{
	if (n > 0)
		buf_printf(to, "  %" PRIu64 " %s %s\n", n, n == 1 ? "body" : "bodies", rest);
}

static void end_of_trace(const struct trace *t, const struct verify *v, struct buf *to)
{
	if (v->cut)
		buf_puts(to, "  the file ends inside a line: what is whole was looked at\n");
	else if (!v->ended)
		buf_puts(to, "  no footer: the run goes on, or kvscope was killed\n");
	else if (!t->footer.complete)
		buf_puts(to, "  footer: processes of the run were still alive; what they sent later is missing\n");
	else
		buf_puts(to, "  footer: counts fit\n");
}

static void problems(const struct verify *v, struct buf *to)
{
	if (v->problems_in_all == 0)
		return;
	buf_puts(to, "\nDamaged\n");
	for (size_t i = 0; i < v->nproblems; i++) {
		buf_printf(to, "  line %" PRIu64 ": ", v->problems[i].line);
		units_text(to, v->problems[i].what, 400, false);
		buf_putc(to, '\n');
	}
	if (v->problems_in_all > v->nproblems)
		buf_printf(to, "  and %" PRIu64 " more\n", v->problems_in_all - v->nproblems);
}

static void findings(const struct verify *v, struct buf *to)
{
	buf_putc(to, '\n');
	if (v->findings_in_all == 0) {
		buf_puts(to, "Nothing in it looks like a key, a token or a password.\n");
		return;
	}
	buf_printf(to, "%" PRIu64 " that look%s like a key, a token or a password\n", v->findings_in_all,
		   v->findings_in_all == 1 ? "s" : "");
	for (size_t i = 0; i < v->nfindings; i++) {
		const struct verify_finding *f = &v->findings[i];
		buf_printf(to, "  line %" PRIu64 ", ", f->line);
		units_text(to, f->place, 200, false);
		buf_printf(to, ", byte %" PRIu64 ": %s, ", f->byte, f->looks_like);
		units_text(to, f->masked, 80, false);
		if (f->times > 1)
			buf_printf(to, ", %" PRIu64 " times", f->times);
		buf_putc(to, '\n');
	}
	if (v->findings_in_all > v->nfindings)
		buf_printf(to, "  and more: %" PRIu64 " in all\n", v->findings_in_all);
}

void verify_text(const struct trace *t, const struct verify *v, struct buf *to)
{
	units_text(to, t->path, 400, false);
	buf_puts(to, ": ");
	units_plural(to, v->exchanges, "exchange");
	buf_puts(to, ", ");
	units_plural(to, v->parts, "part");
	buf_putc(to, '\n');
	if (t->content == CONTENT_NONE)
		buf_puts(to, "  --content none: no bodies are kept, and their hashes are keyed; counts and text were "
			     "checked\n");
	bodies(to, v->bodies_proved, "proved by their SHA-256");
	if (v->parts_proved > 0) {
		buf_puts(to, "  ");
		units_plural(to, v->parts_proved, "part");
		buf_puts(to, " proved by their SHA-256\n");
	}
	if (t->content == CONTENT_FULL)
		bodies(to, v->bodies_not_kept, "not kept (there was none, or it was too long)");
	bodies(to, v->bodies_incomplete, "known to be incomplete");
	end_of_trace(t, v, to);
	problems(v, to);
	findings(v, to);
}

void verify_json(const struct trace *t, const struct verify *v, struct buf *to)
{
	struct json_out j;

	json_out_init(&j, to, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "trace", t->path);
	json_out_uint(&j, "bytes", v->bytes);
	json_out_uint(&j, "lines", v->lines);
	json_out_cstr(&j, "content", t->content == CONTENT_NONE ? "none" : "full");
	json_out_uint(&j, "exchanges", v->exchanges);
	json_out_uint(&j, "parts", v->parts);
	json_out_object(&j, "bodies");
	json_out_uint(&j, "proved", v->bodies_proved);
	json_out_uint(&j, "incomplete", v->bodies_incomplete);
	json_out_uint(&j, "not_kept", v->bodies_not_kept);
	json_out_end(&j);
	json_out_uint(&j, "parts_proved", v->parts_proved);
	json_out_bool(&j, "cut", v->cut);
	json_out_bool(&j, "ended", v->ended);
	json_out_array(&j, "problems");
	for (size_t i = 0; i < v->nproblems; i++) {
		json_out_object(&j, NULL);
		json_out_uint(&j, "line", v->problems[i].line);
		json_out_cstr(&j, "what", v->problems[i].what);
		json_out_end(&j);
	}
	json_out_end(&j);
	json_out_uint(&j, "problems_in_all", v->problems_in_all);
	json_out_array(&j, "findings");
	for (size_t i = 0; i < v->nfindings; i++) {
		const struct verify_finding *f = &v->findings[i];
		json_out_object(&j, NULL);
		json_out_cstr(&j, "looks_like", f->looks_like);
		json_out_uint(&j, "line", f->line);
		json_out_cstr(&j, "place", f->place);
		json_out_uint(&j, "byte", f->byte);
		json_out_cstr(&j, "masked", f->masked);
		json_out_uint(&j, "times", f->times);
		json_out_end(&j);
	}
	json_out_end(&j);
	json_out_uint(&j, "findings_in_all", v->findings_in_all);
	json_out_end(&j);
	buf_putc(to, '\n');
}
