/* SPDX-License-Identifier: MIT */
#include "http/headers.h"

#include <stddef.h>

/* A '*' at the end stands for any ending. None of these names a person, a key or a cookie. */
static const char *const kept[] = {
	"accept",
	"accept-encoding",
	"age",
	"anthropic-beta",
	"anthropic-dangerous-direct-browser-access",
	"anthropic-ratelimit-*",
	"anthropic-version",
	"cache-control",
	"connection",
	"content-encoding",
	"content-length",
	"content-type",
	"date",
	"expect",
	"host",
	"keep-alive",
	"openai-model",
	"openai-processing-ms",
	"openai-version",
	"request-id",
	"retry-after",
	"retry-after-ms",
	"server",
	"transfer-encoding",
	"upgrade",
	"user-agent",
	"vary",
	"via",
	"x-accel-buffering",
	"x-app",
	"x-claude-code-agent-id",
	"x-claude-code-session-id",
	"x-powered-by",
	"x-process-time",
	"x-ratelimit-*",
	"x-request-id",
	"x-should-retry",
	"x-stainless-*",
};

bool header_value_kept(struct str name)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		struct str k = str_from(kept[i]);
		struct str n = name;
		if (k.p[k.n - 1] == '*') {
			k.n--;
			if (n.n > k.n)
				n.n = k.n;
		}
		if (str_eq_nocase(k, n))
			return true;
	}
	return false;
}

void target_split(struct str target, struct str *path, struct str *query)
{
	const char *p = target.p, *end = target.p + target.n;
	const char *question = memchr(p, '?', target.n);
	const char *stop = question ? question : end;
	*query = question ? (struct str){question + 1, (size_t)(end - question - 1)} : STR_NONE;
	if (p < stop && *p != '/') {
		const char *colon = memchr(p, ':', (size_t)(stop - p));
		if (colon && stop - colon >= 3 && memcmp(colon, "://", 3) == 0) {
			const char *slash = memchr(colon + 3, '/', (size_t)(stop - colon - 3));
			p = slash ? slash : stop;
		}
	}
	*path = (struct str){p, (size_t)(stop - p)};
}

int query_names(struct str query, struct buf *out)
{
	const char *p = query.p, *end = query.p + query.n;
	bool first = true;
	while (p < end) {
		const char *stop = memchr(p, '&', (size_t)(end - p));
		if (!stop)
			stop = end;
		const char *equals = memchr(p, '=', (size_t)(stop - p));
		const char *name_end = equals ? equals : stop;
		if (name_end > p) {
			if (!first)
				buf_putc(out, '&');
			buf_append(out, p, (size_t)(name_end - p));
			first = false;
		}
		p = stop + (stop < end);
	}
	return out->failed ? -1 : 0;
}

struct str media_type(struct str content_type)
{
	const char *semicolon = content_type.n ? memchr(content_type.p, ';', content_type.n) : NULL;
	struct str s = {content_type.p, semicolon ? (size_t)(semicolon - content_type.p) : content_type.n};
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	return s;
}
