/* SPDX-License-Identifier: MIT */
#include "trace/json_path.h"

#include "base/json_span.h"

/* Goes to the member that holds the byte. False if it is a key, a comma, or there is none. */
static bool find_member(struct json_scan *s, bool object, size_t offset, struct buf *out)
{
	struct json_level level;
	struct json_value v;
	struct str key = STR_NONE;

	if (json_enter(s, object ? JSON_OBJECT : JSON_ARRAY, &level) < 0)
		return false;
	for (size_t i = 0; json_next(s, &level, &key); i++) {
		if (json_peek(s) == JSON_NONE)
			return false;
		size_t start = s->at;
		if (start > offset || json_read(s, &v) < 0)
			return false;
		if (offset >= s->at)
			continue;
		if (object)
			buf_printf(out, "%s%.*s", out->n ? "." : "", STR_FMT(key));
		else
			buf_printf(out, "[%zu]", i);
		s->at = start;
		return true;
	}
	return false;
}

void json_path_at(struct str text, size_t offset, struct buf *out)
{
	struct json_scan s;

	json_scan_init(&s, text);
	for (;;) {
		enum json_type type = json_peek(&s);
		if ((type != JSON_OBJECT && type != JSON_ARRAY) || !find_member(&s, type == JSON_OBJECT, offset, out))
			return;
		/* What is around the value does not matter any more: its level is the first again. */
		size_t at = s.at;
		json_scan_init(&s, text);
		s.at = at;
	}
}
