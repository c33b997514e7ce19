/* SPDX-License-Identifier: MIT */
/* The passes that change what a prompt says: system turns, the billing line, the order of tools, cache marks. */
#include "replay/rewrite_pass.h"

#include "base/array.h"

#include <stdlib.h>

#define BILLING_PREFIX "x-anthropic-billing-header:"
#define COUNTDOWN_PREFIX "<total_tokens>"

struct str pass_member(const struct pass *p, struct str key)
{
	struct json_value v;
	return span_member(p->body, key, &v) ? v.raw : STR_NONE;
}

/* ---- text of blocks */

/* The first text of a message's or system's content, which is a string or a list of blocks. */
static struct str first_text(struct str content)
{
	struct json_value v = {.type = JSON_STRING, .raw = content};

	if (content.n > 0 && content.p[0] == '"')
		return json_string_inner(v);
	for (struct span_walk w = span_walk(content); span_next(&w, &v);) {
		struct str text = v.type == JSON_STRING ? json_string_inner(v) : span_text(v.raw, STR("text"));
		if (text.p)
			return text;
	}
	return STR_NONE;
}

static bool is_countdown(struct str message)
{
	struct json_value content, v;
	size_t blocks = 0;

	if (!span_is(message, STR("role"), STR("system")) || !span_member(message, STR("content"), &content))
		return false;
	for (struct span_walk w = span_walk(content.raw); span_next(&w, &v);)
		blocks++;
	struct str text = first_text(content.raw);
	return blocks <= 1 && text.p && json_string_starts(text, STR(COUNTDOWN_PREFIX));
}

/* ---- the list of messages */

/* Calls for every message; `inside` is true behind the first that is no system message. */
struct message_walk {
	struct span_walk walk;
	bool inside;
};

static bool next_message(struct message_walk *m, struct json_value *v, bool *system_turn, bool openai)
{
	if (!span_next(&m->walk, v))
		return false;
	bool system = span_is(v->raw, STR("role"), STR("system"));
	*system_turn = system && (m->inside || !openai);
	m->inside = m->inside || !system;
	return true;
}

/* Blocks of a system turn as elements of a system list. */
static void add_blocks(struct buf *to, struct str content)
{
	struct json_value v;

	if (content.n > 0 && content.p[0] == '"') {
		buf_puts(to, to->n ? "," : "");
		buf_puts(to, "{\"type\":\"text\",\"text\":");
		buf_append_str(to, content);
		buf_putc(to, '}');
		return;
	}
	for (struct span_walk w = span_walk(content); span_next(&w, &v);) {
		buf_puts(to, to->n ? "," : "");
		buf_append_str(to, v.raw);
	}
}

/* Appends blocks to `system` of an Anthropic body, whatever shape that has. */
static void extend_system(struct pass *p, struct str blocks)
{
	struct str system = pass_member(p, STR("system"));
	struct buf all;

	buf_init(&all, BUF_UNLIMITED);
	add_blocks(&all, system);
	if (all.n > 0)
		buf_putc(&all, ',');
	buf_append_str(&all, blocks);
	struct buf list;
	buf_init(&list, BUF_UNLIMITED);
	buf_putc(&list, '[');
	buf_append_str(&list, buf_str(&all));
	buf_putc(&list, ']');
	edits_set(&p->edits, "system", buf_str(&list));
	p->edits.failed = p->edits.failed || all.failed || list.failed;
	buf_release(&all);
	buf_release(&list);
}

void pass_messages(struct pass *p)
{
	struct str messages = pass_member(p, STR("messages"));
	struct message_walk m = {.walk = span_walk(messages)};
	const struct rewrite_rules *r = p->rules;
	struct json_value v, role, content;
	struct buf kept, merged;
	bool system_turn, removed = false;

	buf_init(&kept, BUF_UNLIMITED);
	buf_init(&merged, BUF_UNLIMITED);
	while (next_message(&m, &v, &system_turn, p->openai)) {
		bool drop = system_turn && r->drop_total_tokens && is_countdown(v.raw);
		bool merge = system_turn && !drop && !p->openai && r->inline_system == INLINE_MERGE;
		if (drop)
			*p->changes |= CHANGE_TOTAL_TOKENS;
		if (merge && span_member(v.raw, STR("content"), &content)) {
			add_blocks(&merged, content.raw);
			*p->changes |= CHANGE_SYSTEM_MERGED;
		}
		removed = removed || drop || merge;
		if (drop || merge)
			continue;
		buf_puts(&kept, kept.n ? "," : "");
		if (system_turn && r->inline_system != INLINE_KEEP && span_member(v.raw, STR("role"), &role)) {
			size_t before = (size_t)(role.raw.p - v.raw.p), after = before + role.raw.n;
			buf_append(&kept, v.raw.p, before);
			buf_puts(&kept, "\"user\"");
			buf_append(&kept, v.raw.p + after, v.raw.n - after);
			*p->changes |= CHANGE_SYSTEM_TO_USER;
			removed = true;
		} else {
			buf_append_str(&kept, v.raw);
		}
	}
	if (removed) {
		struct buf list;
		buf_init(&list, BUF_UNLIMITED);
		buf_putc(&list, '[');
		buf_append_str(&list, buf_str(&kept));
		buf_putc(&list, ']');
		edits_replace(&p->edits, messages, buf_str(&list));
		p->edits.failed = p->edits.failed || list.failed || kept.failed || merged.failed;
		buf_release(&list);
	}
	if (merged.n > 0)
		extend_system(p, buf_str(&merged));
	buf_release(&kept);
	buf_release(&merged);
}

/* ---- the billing line */

bool pass_is_billing(struct str block)
{
	struct str text = span_text(block, STR("text"));
	return text.p && json_string_starts(text, STR(BILLING_PREFIX));
}

/* Overwrites what stands between a mark and the next ';' or '.' behind `from`, byte by byte. */
static void pin(struct str text, struct str mark, unsigned dots, struct buf *out)
{
	const char *at = memmem(text.p, text.n, mark.p, mark.n);
	buf_append_str(out, text);
	if (!at || out->failed)
		return;
	size_t i = (size_t)(at - text.p) + mark.n;
	char *to = out->p + (out->n - text.n);
	for (; i < text.n && text.p[i] != ';'; i++) {
		if (text.p[i] == '.' && dots > 0)
			dots--;
		else if (dots == 0 && text.p[i] != '.')
			to[i] = '0';
	}
}

void pass_billing(struct pass *p)
{
	struct str system = pass_member(p, STR("system"));
	struct json_value v;
	struct buf kept;
	bool changed = false;

	if (p->rules->billing == BILLING_AS_SENT || system.n == 0 || system.p[0] != '[')
		return;
	buf_init(&kept, BUF_UNLIMITED);
	buf_putc(&kept, '[');
	for (struct span_walk w = span_walk(system); span_next(&w, &v);) {
		struct str text = span_text(v.raw, STR("text"));
		if (!pass_is_billing(v.raw)) {
			buf_puts(&kept, kept.n > 1 ? "," : "");
			buf_append_str(&kept, v.raw);
			continue;
		}
		changed = true;
		if (p->rules->billing == BILLING_STRIP) {
			*p->changes |= CHANGE_BILLING_STRIPPED;
			continue;
		}
		*p->changes |= CHANGE_BILLING_PINNED;
		struct buf one, two;
		buf_init(&one, BUF_UNLIMITED);
		buf_init(&two, BUF_UNLIMITED);
		pin(text, STR("cc_version="), 3, &one);
		pin(buf_str(&one), STR("cch="), 0, &two);
		buf_puts(&kept, kept.n > 1 ? "," : "");
		buf_append(&kept, v.raw.p, (size_t)(text.p - v.raw.p));
		buf_append_str(&kept, buf_str(&two));
		buf_append(&kept, text.p + text.n, (size_t)(v.raw.p + v.raw.n - (text.p + text.n)));
		buf_release(&one);
		buf_release(&two);
	}
	buf_putc(&kept, ']');
	if (changed)
		edits_replace(&p->edits, system, buf_str(&kept));
	p->edits.failed = p->edits.failed || kept.failed;
	buf_release(&kept);
}

/* ---- tools */

struct named_tool {
	struct str name, raw;
	size_t place;
};

static struct str tool_name(struct str tool)
{
	struct json_value function;
	struct str name = span_text(tool, STR("name"));
	if (!name.p && span_member(tool, STR("function"), &function))
		name = span_text(function.raw, STR("name"));
	return name;
}

static int by_name(const void *a, const void *b)
{
	const struct named_tool *x = a, *y = b;
	size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int r = n ? memcmp(x->name.p, y->name.p, n) : 0;
	if (r != 0)
		return r;
	if (x->name.n != y->name.n)
		return x->name.n < y->name.n ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

void pass_tools(struct pass *p)
{
	struct str tools = pass_member(p, STR("tools"));
	struct named_tool *list = NULL, *grown;
	size_t n = 0, capacity = 0;
	struct json_value v;
	struct buf sorted;
	bool moved = false;

	if (!p->rules->sort_tools)
		return;
	for (struct span_walk w = span_walk(tools); span_next(&w, &v);) {
		grown = array_grow(list, &capacity, n + 1, sizeof(*grown));
		if (!grown) {
			p->edits.failed = true;
			break;
		}
		list = grown;
		list[n] = (struct named_tool){tool_name(v.raw), v.raw, n};
		n++;
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), by_name);
	buf_init(&sorted, BUF_UNLIMITED);
	buf_putc(&sorted, '[');
	for (size_t i = 0; i < n; i++) {
		moved = moved || list[i].place != i;
		buf_puts(&sorted, i ? "," : "");
		buf_append_str(&sorted, list[i].raw);
	}
	buf_putc(&sorted, ']');
	if (moved) {
		edits_replace(&p->edits, tools, buf_str(&sorted));
		*p->changes |= CHANGE_TOOLS_SORTED;
	}
	p->edits.failed = p->edits.failed || sorted.failed;
	buf_release(&sorted);
	free(list);
}

/* ---- cache_control */

static void strip_list(struct pass *p, struct str list)
{
	struct json_value v, content;

	for (struct span_walk w = span_walk(list); span_next(&w, &v);) {
		if (v.type != JSON_OBJECT)
			continue;
		if (edits_remove_member(&p->edits, v.raw, STR("cache_control")))
			*p->changes |= CHANGE_CACHE_CONTROL;
		else if (span_member(v.raw, STR("content"), &content) && content.type == JSON_ARRAY)
			strip_list(p, content.raw); /* a message's blocks, a tool result's */
	}
}

void pass_cache_control(struct pass *p)
{
	if (!p->rules->strip_cache_control)
		return;
	if (edits_remove_member(&p->edits, p->body, STR("cache_control")))
		*p->changes |= CHANGE_CACHE_CONTROL;
	strip_list(p, pass_member(p, STR("system")));
	strip_list(p, pass_member(p, STR("tools")));
	strip_list(p, pass_member(p, STR("messages")));
}
