/* SPDX-License-Identifier: MIT */
#ifndef WHY_CLIENT_H
#define WHY_CLIENT_H

/*
 * Which client sent a request: Claude Code of some version, or another program, for which its settings are no help. It
 * is Claude Code by its User-Agent; else, behind a gateway that has one of its own, by what it alone writes into a
 * prompt: the attribution block, or the sentence that says who the model is. X-Claude-Code-Session-Id proves nothing:
 * other programs send it to have their requests grouped.
 */

#include "report/report.h"
#include "why/breaker.h"

struct clients {
	const struct report *report; /* borrowed */
	bool *claude;                /* per trace: some prompt in it is Claude Code's */
};

/* 0, or -1: no memory. clients_release in either case. Time linear in the parts of the traces. */
int clients_init(struct clients *c, const struct report *report) __attribute__((warn_unused_result));
void clients_release(struct clients *c);
struct client_version clients_of(const struct clients *c, uint32_t exchange);

#endif
