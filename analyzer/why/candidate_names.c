/* SPDX-License-Identifier: MIT */
/* Many backends in few words. */
#include "why/candidates.h"

/* Every template; the unknown one is none. */
#define ALL (((1u << TEMPLATES) - 1) & ~1u)

/* A bit per template of the engine that is in the list. */
static unsigned templates_of(enum engine engine, const struct backend *list, size_t n)
{
	unsigned bits = 0;
	for (size_t i = 0; i < n; i++)
		if (list[i].engine == engine)
			bits |= 1u << list[i].chat_template;
	/* Anthropic's template is its own. */
	return bits && engine == ENGINE_ANTHROPIC ? ALL : bits;
}

/* "+qwen3/glm", or " but +qwen3" for all others, or nothing for all. */
static void template_words(unsigned bits, struct buf *to)
{
	bool missing = 2 * __builtin_popcount(bits) > TEMPLATES - 1;
	const char *before = missing ? " but +" : "+";

	for (int t = TEMPLATE_UNKNOWN + 1; t < TEMPLATES; t++) {
		if (!!(bits & 1u << t) == missing)
			continue;
		buf_printf(to, "%s%s", before, template_name((enum chat_template)t));
		before = "/";
	}
}

void why_backends_names(const struct backend *list, size_t n, struct buf *to)
{
	bool said[ENGINES] = {false};
	const char *before = "";

	for (int e = ENGINE_UNKNOWN + 1; e < ENGINES; e++) {
		unsigned bits = templates_of((enum engine)e, list, n);
		if (bits == 0 || said[e])
			continue;
		for (int k = e; k < ENGINES; k++) {
			if (templates_of((enum engine)k, list, n) != bits)
				continue;
			buf_printf(to, "%s%s", before, engine_name((enum engine)k));
			before = bits == ALL ? ", " : "/";
			said[k] = true;
		}
		template_words(bits, to);
		before = ", ";
	}
}

void why_names(const struct why *w, struct buf *to)
{
	char name[64];

	if (w->all) {
		buf_puts(to, "any backend");
	} else if (w->same) {
		why_backends_names(w->same, w->nsame, to);
	} else {
		backend_name(&w->backend, name, sizeof(name));
		buf_puts(to, name);
	}
}
