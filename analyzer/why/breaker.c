/* SPDX-License-Identifier: MIT */
#include "why/breaker.h"

#include <string.h>

const struct breaker *breaker_find(const char *name)
{
	for (size_t i = 0; i < nbreakers; i++)
		if (strcmp(breakers[i].name, name) == 0)
			return &breakers[i];
	return NULL;
}

bool client_version_parse(struct str s, struct client_version *out)
{
	struct client_version v = {.other = false};
	size_t at = 0;

	for (size_t part = 0; part < 3; part++) {
		size_t digits = 0;
		for (; at < s.n && s.p[at] >= '0' && s.p[at] <= '9' && digits < 7; at++, digits++)
			v.n[part] = v.n[part] * 10 + (unsigned)(s.p[at] - '0');
		if (digits == 0 || (part < 2 && (at == s.n || s.p[at++] != '.')))
			return false;
	}
	*out = v;
	return true;
}

static int order(struct client_version a, struct client_version b)
{
	for (int i = 0; i < 3; i++)
		if (a.n[i] != b.n[i])
			return a.n[i] < b.n[i] ? -1 : 1;
	return 0;
}

static bool known(struct client_version v)
{
	return v.n[0] || v.n[1] || v.n[2];
}

bool client_in_range(struct client_version v, const struct client_range *range)
{
	if (!known(v))
		return true;
	return (!known(range->since) || order(v, range->since) >= 0) &&
	       (!known(range->until) || order(v, range->until) <= 0);
}

bool breaker_concerns(const struct breaker *b, struct client_version client)
{
	return client_in_range(client, &b->versions);
}

const char *breaker_fix_for(const struct breaker *b, enum fix_kind kind, struct client_version client,
			    const struct backend *backend)
{
	for (const struct breaker_fix *f = b->fixes; f < b->fixes + BREAKER_FIXES_MAX && f->what; f++) {
		if (f->kind != kind || !client_in_range(client, &f->clients))
			continue;
		if (client.other && (kind == FIX_ENV || kind == FIX_OPTION))
			continue;
		if (backend && f->engine != ENGINE_UNKNOWN && f->engine != backend->engine)
			continue;
		if (backend && f->chat_template != TEMPLATE_UNKNOWN && f->chat_template != backend->chat_template)
			continue;
		return f->what;
	}
	return NULL;
}
