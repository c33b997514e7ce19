/* SPDX-License-Identifier: MIT */
#include "mock/breakpoints.h"
#include "mock/script.h"

/*
 * What the mock reads: the input is a script, a zero byte and a request. Whatever they are, the prompt is the same when
 * it is read again, its blocks end in their order, and a script that is accepted has an answer to every request that
 * is.
 */

#include <stdint.h>
#include <stdlib.h>

static bool same(const struct mock_tokens *a, const struct mock_tokens *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->ids, b->ids, a->n * sizeof(*a->ids)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *zero = n ? memchr(data, 0, n) : NULL;
	if (!zero)
		return 0;
	struct str text = {(const char *)data, (size_t)(zero - data)};
	struct str body = {(const char *)zero + 1, n - text.n - 1};
	enum mock_api api = n % 2 ? MOCK_OPENAI_CHAT : MOCK_ANTHROPIC_MESSAGES;
	/* The length chooses what a server does to the prompt. */
	const struct mock_rendering how = {
		.system_turns = (enum mock_system_turns)(n / 2 % 4),
		.billing = (enum mock_billing)(n / 8 % 3),
		.thinking = (enum mock_thinking)(n / 24 % 3),
		.system_first = n / 72 % 2,
	};
	struct script script;
	struct mock_request first, again;
	char why[320], matched[32];

	int scripted = script_parse(&script, text, why, sizeof(why));
	int read = mock_request_read(&first, api, &how, body, why, sizeof(why));
	if (read != mock_request_read(&again, api, &how, body, why, sizeof(why)) || !same(&first.prompt, &again.prompt))
		abort();
	if (scripted == 0 && read == 0 && !script_match(&script, &first, matched, sizeof(matched)))
		abort();
	for (size_t i = 0; read == 0 && i < first.nblocks; i++)
		if (first.blocks[i].end > first.prompt.n || (i && first.blocks[i].end < first.blocks[i - 1].end))
			abort();
	struct mock_breakpoints b;
	if (read == 0 && !mock_breakpoints_read(&b, &first, n, 0, why, sizeof(why))) {
		if (b.npositions != first.nblocks || b.nmarks > BREAKPOINTS_MAX)
			abort();
		mock_breakpoints_release(&b);
	}
	mock_request_release(&first);
	mock_request_release(&again);
	script_release(&script);
	return 0;
}
