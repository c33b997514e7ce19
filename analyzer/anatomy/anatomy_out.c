/* SPDX-License-Identifier: MIT */
#include "anatomy/anatomy_out.h"

#include "report/units.h"

#include <math.h>
#include <stdio.h>

#define BAR_CHARS 30
#define TOOLS_ROWS 5

static bool is_told(const struct anatomy *a, enum anatomy_part part)
{
	return a->texts || (part != ANATOMY_MEMORY && part != ANATOMY_REMINDERS);
}

static void sum_json(struct json_out *j, const struct anatomy *a, const struct anatomy_sum *s, bool told)
{
	json_out_int_or_null(j, "tokens", told ? llround(s->tokens) : TOKENS_UNKNOWN);
	json_out_int_or_null(j, "bytes", told ? llround(s->bytes) : -1);
	json_out_double(j, "seconds", told && a->timed > 0 ? s->seconds : NAN, 6);
}

void anatomy_json(struct json_out *j, const struct anatomy *a)
{
	if (!a) {
		json_out_null(j, "anatomy");
		return;
	}
	json_out_object(j, "anatomy");
	json_out_uint(j, "requests", a->requests);
	json_out_uint(j, "timed_requests", a->timed);
	json_out_object(j, "parts");
	for (int i = 0; i < ANATOMY_PARTS; i++) {
		json_out_object(j, anatomy_part_name((enum anatomy_part)i));
		sum_json(j, a, &a->parts[i], is_told(a, (enum anatomy_part)i));
		json_out_end(j);
	}
	json_out_end(j);
	json_out_array(j, "tools");
	for (size_t i = 0; i < a->ntools; i++) {
		json_out_object(j, NULL);
		json_out_cstr(j, "name", a->tools[i].name);
		json_out_uint(j, "requests", a->tools[i].requests);
		sum_json(j, a, &a->tools[i].sum, true);
		json_out_end(j);
	}
	json_out_end(j);
	json_out_end(j);
}

static void row(struct buf *to, const struct anatomy *a, const char *what, const struct anatomy_sum *s, double all)
{
	char tokens[UNITS_CHARS], bytes[UNITS_CHARS], seconds[UNITS_CHARS], bar[BAR_CHARS + 1];
	double part = all > 0 ? s->tokens / all : 0;
	size_t filled = (size_t)lround(part * BAR_CHARS);

	for (size_t i = 0; i < BAR_CHARS; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[BAR_CHARS] = '\0';
	buf_puts(to, "  ");
	units_text(to, what, 13, true);
	buf_printf(to, "%5.1f%%  %s%9s%10s%9s\n", part * 100, bar, units_count(llround(s->tokens), tokens),
		   units_bytes((uint64_t)llround(s->bytes), bytes),
		   units_seconds(a->timed > 0 ? s->seconds : NAN, seconds));
}

void anatomy_text(const struct anatomy *a, const struct text_style *style, struct buf *to)
{
	static const char *const words[] = {"tools", "system prompt", "memory files", "reminders", "history", "new"};
	double all = 0;

	for (int i = 0; i < ANATOMY_PARTS; i++)
		all += a->parts[i].tokens;
	if (!(all > 0))
		return;
	buf_printf(to, "\n%sWhat the prompts were made of%s (estimated)\n", style->bold, style->reset);
	buf_printf(to, "%s  %-13s%6s  %-*s%9s%10s%9s%s\n", style->dim, "", "", BAR_CHARS, "", "tokens", "bytes",
		   "prefill", style->reset);
	for (int i = 0; i < ANATOMY_PARTS; i++) {
		if (a->parts[i].tokens >= 0.5)
			row(to, a, words[i], &a->parts[i], all);
		for (size_t k = 0; i == ANATOMY_TOOLS && k < a->ntools; k++) {
			char name[64];
			if (k == TOOLS_ROWS && !style->all) {
				buf_printf(to, "    (%zu more tools: --all)\n", a->ntools - k);
				break;
			}
			snprintf(name, sizeof(name), "  %.60s", a->tools[k].name);
			row(to, a, name, &a->tools[k].sum, all);
		}
	}
	if (a->timed > 0 && a->timed < a->requests)
		buf_printf(to, "  (prefill: of the %llu of %llu requests of which it is known)\n",
			   (unsigned long long)a->timed, (unsigned long long)a->requests);
}
