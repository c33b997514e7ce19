/* SPDX-License-Identifier: MIT */
#include "collect/turns.h"

#include "base/array.h"

#include <stdlib.h>

static void begin_turn(struct turns *t, uint64_t start_ns)
{
	struct turn *grown = t->n < TURNS_MAX ? array_grow(t->list, &t->capacity, t->n + 1, sizeof(*t->list)) : NULL;
	t->begun = true;
	if (!grown) {
		t->cut = true;
		return;
	}
	t->list = grown;
	if (t->n > 0)
		grown[t->n - 1].sent_bytes -= t->run_bytes; /* it was no part of that one after all */
	grown[t->n++] = (struct turn){.start_ns = start_ns, .sent_bytes = t->run_bytes};
}

void turns_sent(struct turns *t, uint64_t bytes, uint64_t begin_ns, uint64_t end_ns)
{
	if (t->receiving || t->n == 0) {
		t->receiving = t->begun = false;
		t->run_bytes = 0;
		t->run_start_ns = begin_ns;
	}
	if (t->n == 0)
		begin_turn(t, begin_ns);
	else if (!t->begun && t->run_bytes + bytes >= TURN_BYTES_MIN)
		begin_turn(t, t->run_start_ns);
	t->run_bytes += bytes;
	if (t->n == 0)
		return;
	struct turn *last = &t->list[t->n - 1];
	last->sent_bytes += bytes;
	if (t->begun)
		last->sent_ns = end_ns ? end_ns : begin_ns;
}

void turns_received(struct turns *t, uint64_t bytes, uint64_t time_ns)
{
	t->receiving = true;
	if (t->n == 0)
		return;
	struct turn *last = &t->list[t->n - 1];
	if (!last->first_received_ns)
		last->first_received_ns = time_ns;
	/* A long receive may be several records of one time. */
	last->receives += time_ns != last->last_received_ns;
	last->last_received_ns = time_ns;
	last->received_bytes += bytes;
}

void turns_release(struct turns *t)
{
	free(t->list);
	*t = (struct turns){0};
}
