/* SPDX-License-Identifier: MIT */
#include "why/client.h"

#include "why/signs.h"
#include "why/text_signs.h"

#include <stdlib.h>

/* The sentence that says who the model is stands in a block of its own, or at the head of one. */
#define IDENTITY_BYTES_MAX ((size_t)1 << 20)

static bool is_claude_codes(struct trace *t, uint32_t part)
{
	struct buf text;
	bool found = false;

	if (t->parts[part].block == BLOCK_BILLING)
		return true;
	if (t->parts[part].kind != PART_SYSTEM || t->parts[part].bytes > IDENTITY_BYTES_MAX)
		return false;
	buf_init(&text, 2 * IDENTITY_BYTES_MAX);
	found = signs_part_text(t, part, &text) == 0 && text_is_identity(buf_str(&text));
	buf_release(&text);
	return found;
}

int clients_init(struct clients *c, const struct report *report)
{
	*c = (struct clients){report, calloc(report->ntraces + 1, sizeof(*c->claude))};
	for (size_t i = 0; c->claude && i < report->ntraces; i++) {
		struct trace *t = &report->traces[i];
		for (size_t k = 0; k < t->nparts && !c->claude[i]; k++)
			c->claude[i] = is_claude_codes(t, (uint32_t)k);
	}
	return c->claude ? 0 : -1;
}

void clients_release(struct clients *c)
{
	free(c->claude);
	*c = (struct clients){NULL, NULL};
}

/* "claude-cli/2.1.330 (external, sdk-cli)" */
struct client_version clients_of(const struct clients *c, uint32_t exchange)
{
	const struct report_exchange *e = &c->report->exchanges[exchange];
	const struct exchange_request *r = &e->x->request;
	struct str agent = str_from(exchange_header_value(r->headers, r->nheaders, "User-Agent"));
	struct client_version v = {.other = !c->claude[e->trace]};

	if (str_starts(agent, STR("claude-cli/"))) {
		v.other = false;
		client_version_parse((struct str){agent.p + 11, agent.n - 11}, &v);
	}
	return v;
}
