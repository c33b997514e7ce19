/* SPDX-License-Identifier: MIT */
#include "replay/rewrite.h"

#include "base/json_span.h"

/*
 * A body that is JSON stays JSON, whatever is changed in it; without anything to change it stays as it is but for the
 * stream; rewriting does not care whether it is done at once or again. The first two bytes choose what is changed.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool is_object(struct str text)
{
	struct json_scan s;
	json_scan_init(&s, text);
	return json_peek(&s) == JSON_OBJECT && json_skip(&s) == 0 && json_finish(&s) == 0;
}

static struct rewrite_rules rules_of(uint8_t a, uint8_t b)
{
	return (struct rewrite_rules){
		.model = a & 1 ? "m\"odel" : NULL,
		.max_tokens = a & 2 ? 7 : -1,
		.billing = (enum billing_change)((a >> 2) % 3),
		.inline_system = (enum inline_system)((a >> 4) % 3),
		.drop_total_tokens = a & 64,
		.sort_tools = a & 128,
		.keep_thinking = b & 1,
		.strip_cache_control = b & 2,
		.nonce = b & 4 ? "1 2 3 " : NULL,
		.salt_member = b & 8 ? "cache_salt" : NULL,
		.salt = b & 8 ? "s" : NULL,
		.to_openai = b & 16,
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	struct str body = {(const char *)data + 2, n - 2};
	struct rewrite_rules rules = rules_of(data[0], data[1]);
	enum kvs_llm_api api = data[1] & 32 ? KVS_API_OPENAI_CHAT : KVS_API_ANTHROPIC_MESSAGES;
	struct buf out;
	uint32_t changes = 0;
	const char *error = NULL;

	buf_init(&out, (size_t)64 << 20);
	if (rewrite_body(api, body, &rules, &out, &changes, &error) < 0) {
		/* Messages are what a conversion cannot do without. */
		check(error && (!is_object(body) || rules.to_openai));
	} else {
		check(is_object(body) && is_object(buf_str(&out)));
		check(changes || str_eq(body, buf_str(&out)));
	}
	buf_release(&out);
	return 0;
}
