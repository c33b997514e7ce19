/* SPDX-License-Identifier: MIT */
#include "http/sse.h"

void sse_init(struct sse *s, size_t event_max, sse_event_fn *on_event, void *context)
{
	*s = (struct sse){.on_event = on_event, .context = context};
	buf_init(&s->line, event_max);
	buf_init(&s->name, event_max);
	buf_init(&s->data, event_max);
}

void sse_release(struct sse *s)
{
	buf_release(&s->line);
	buf_release(&s->name);
	buf_release(&s->data);
}

static void forget_event(struct sse *s)
{
	buf_reset(&s->name);
	buf_reset(&s->data);
	s->has_data = false;
}

static void give_up(struct sse *s)
{
	if (!s->skipping)
		s->incomplete++;
	s->skipping = true;
	forget_event(s);
}

static void end_event(struct sse *s, uint64_t time_ns)
{
	if (!s->skipping && s->has_data) {
		struct str data = buf_str(&s->data);
		data.n--; /* the LF after the last line */
		s->on_event(s->context, buf_str(&s->name), data, time_ns);
	}
	s->skipping = false;
	forget_event(s);
}

static void take_field(struct sse *s, struct str name, struct str value)
{
	if (str_eq(name, STR("data"))) {
		s->has_data = true;
		buf_append_str(&s->data, value);
		buf_putc(&s->data, '\n');
	} else if (str_eq(name, STR("event"))) {
		buf_reset(&s->name);
		buf_append_str(&s->name, value);
	}
	if (s->data.failed || s->name.failed)
		give_up(s);
}

static void take_line(struct sse *s, struct str line, uint64_t time_ns)
{
	if (!s->started && str_starts(line, STR("\xEF\xBB\xBF"))) {
		line.p += 3;
		line.n -= 3;
	}
	s->started = true;
	if (line.n == 0) {
		end_event(s, time_ns);
		return;
	}
	if (s->skipping)
		return;
	const char *colon = memchr(line.p, ':', line.n);
	struct str name = {line.p, colon ? (size_t)(colon - line.p) : line.n};
	struct str value = colon ? (struct str){colon + 1, line.n - name.n - 1} : STR("");
	if (value.n && value.p[0] == ' ') {
		value.p++;
		value.n--;
	}
	take_field(s, name, value); /* a comment is a field without a name */
}

static void end_line(struct sse *s, struct str rest, uint64_t time_ns)
{
	if (s->line.n == 0 && !s->line.failed && rest.n <= s->line.max) { /* the common case: nothing to join */
		take_line(s, rest, time_ns);
		return;
	}
	buf_append_str(&s->line, rest);
	if (s->line.failed) {
		/* Too long, but not blank: as long as it goes on skipping, what it says does not matter. */
		give_up(s);
		s->started = true;
	} else {
		take_line(s, buf_str(&s->line), time_ns);
	}
	buf_reset(&s->line);
}

void sse_feed(struct sse *s, struct str bytes, uint64_t time_ns)
{
	const char *p = bytes.p, *end = bytes.p + bytes.n;
	const char *lf = NULL;
	bool lf_known = false; /* looked for once, or a stream with CR alone would cost its square */

	while (p < end) {
		if (s->after_cr) {
			s->after_cr = false;
			if (*p == '\n') {
				p++;
				continue;
			}
		}
		if (!lf_known || (lf && lf < p)) {
			lf = memchr(p, '\n', (size_t)(end - p));
			lf_known = true;
		}
		const char *stop = lf ? lf : end;
		const char *cr = memchr(p, '\r', (size_t)(stop - p));
		if (cr)
			stop = cr;
		if (stop == end) {
			buf_append(&s->line, p, (size_t)(end - p));
			return;
		}
		end_line(s, (struct str){p, (size_t)(stop - p)}, time_ns);
		s->after_cr = stop == cr;
		p = stop + 1;
	}
}

void sse_gap(struct sse *s)
{
	give_up(s);
	buf_reset(&s->line);
	/* The first line after the gap may be the end of one: without this, its blank rest would pass for a blank line.
	 */
	buf_putc(&s->line, ':');
	s->after_cr = false;
	s->started = true;
}
