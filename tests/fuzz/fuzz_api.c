/* SPDX-License-Identifier: MIT */
#include "api/api.h"

/*
 * A response of lines, each an event ("name data" or "data"), then the same bytes as a body: stamps are those of events
 * that came, counts fit together, absent numbers are -1. The first byte chooses the API.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_usage(const struct usage *u)
{
	check(u->input >= -1 && u->output >= -1 && u->cache_read >= -1 && u->cache_creation >= -1 &&
	      u->reasoning >= -1);
}

static void check_response(const struct exchange *x, uint64_t events)
{
	const struct exchange_response *r = &x->response;
	check(x->times.message_start <= events && x->times.first_content <= events && r->events == events);
	check((x->times.first_content > 0) == (r->content_deltas > 0));
	check_usage(&r->usage);
	check_usage(&r->usage_start);
	check_usage(&r->usage_end);
	check(!r->error || (r->error[0] && !strchr(r->error, '\n')));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum kvs_llm_api apis[] = {KVS_API_ANTHROPIC_MESSAGES, KVS_API_ANTHROPIC_COUNT_TOKENS,
						KVS_API_OPENAI_CHAT, KVS_API_OPENAI_RESPONSES};
	if (n == 0)
		return 0;
	struct str all = {(const char *)data + 1, n - 1}, rest = all;
	struct exchange x;
	uint64_t events = 0;

	exchange_init(&x, 16, 16);
	x.api = apis[data[0] % 4];
	while (rest.n > 0) {
		const char *end = memchr(rest.p, '\n', rest.n);
		struct str line = {rest.p, end ? (size_t)(end - rest.p) : rest.n}, name = {line.p, 0};
		rest = (struct str){line.p + line.n, rest.n - line.n};
		if (end)
			rest = (struct str){rest.p + 1, rest.n - 1};
		const char *space = line.n > 0 && line.p[0] != '{' ? memchr(line.p, ' ', line.n) : NULL;
		if (space) {
			name.n = (size_t)(space - line.p);
			line = (struct str){space + 1, line.n - name.n - 1};
		}
		api_response_event(&x, name, line, ++events);
		check_response(&x, events);
	}
	exchange_release(&x);

	exchange_init(&x, 16, 16);
	x.api = apis[data[0] % 4];
	x.response.status = data[0] & 4 ? 500 : 200;
	api_response_body(&x, all, 7);
	check_response(&x, 0);
	check(x.api == KVS_API_OPENAI_RESPONSES || x.response.status == 200 || x.response.error);
	exchange_release(&x);
	return 0;
}
