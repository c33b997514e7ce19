/* SPDX-License-Identifier: MIT */
#include "base/json_span.h"

/*
 * Passing over a text and walking into everything in it find the same end or the same error at the same place, and what
 * is JSON to the scanner and ends before the end of the text is "truncated" when it is cut there.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void walk(struct json_scan *s)
{
	static struct json_level levels[JSON_SCAN_DEPTH_MAX];
	struct buf decoded;
	struct json_value v;
	struct str key = STR_NONE;

	buf_init(&decoded, 1 << 16);
	do {
		enum json_type type = json_peek(s);
		if (type == JSON_OBJECT || type == JSON_ARRAY) {
			struct json_level level;
			if (json_enter(s, type, &level) < 0)
				break;
			levels[s->depth - 1] = level;
		} else {
			if (json_read(s, &v) < 0)
				break;
			buf_reset(&decoded);
			if (type == JSON_STRING && json_string_decode(json_string_inner(v), &decoded) == 0 &&
			    !json_string_eq(json_string_inner(v), buf_str(&decoded)))
				abort();
		}
		while (s->depth > 0 && !json_next(s, &levels[s->depth - 1], &key) && !s->error)
			;
	} while (s->depth > 0 && !s->error);
	json_finish(s);
	buf_release(&decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = {(const char *)data, n};
	struct json_scan passed, walked;

	json_scan_init(&passed, text);
	json_skip(&passed);
	json_finish(&passed);
	json_scan_init(&walked, text);
	walk(&walked);
	if (passed.error != walked.error && (!passed.error || !walked.error || strcmp(passed.error, walked.error) != 0))
		abort();
	if (passed.error_offset != walked.error_offset || passed.error_offset > n)
		abort();
	if (passed.error || n == 0 || (data[n - 1] != '}' && data[n - 1] != ']'))
		return 0;
	json_scan_init(&passed, (struct str){text.p, n - 1});
	if (json_skip(&passed) == 0 || strcmp(passed.error, JSON_TRUNCATED) != 0)
		abort();
	return 0;
}
