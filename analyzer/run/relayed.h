/* SPDX-License-Identifier: MIT */
#ifndef RUN_RELAYED_H
#define RUN_RELAYED_H

/*
 * A run whose command talks to its backend through a relay (relay/process.h): what it needs in its environment, and
 * what the user is told about it.
 */

#include "relay/process.h"
#include "relay/upstream.h"

#include <signal.h>
#include <stdbool.h>

struct relayed {
	struct upstream upstream;
	const char *cacert;            /* NULL: none */
	struct relay_process *process; /* NULL: not running */
};

/* Starts the relay. Returns 0, or -1 with one line in error. */
int relayed_start(struct relayed *r, const char *ring, const sigset_t *mask, char *error, size_t error_bytes);
/*
 * Sets, in this process's environment for the command to inherit, the base URL of the APIs that the server may have,
 * the variable that keeps Claude Code's first-party features, and exempts the relay from proxies. Returns 0, -1: no
 * memory.
 */
int relayed_environment(const struct relayed *r);
/* Says that a settings file sends the client elsewhere, if one does. */
void relayed_warn(const struct relayed *r);
/* Ends the relay, calling tick every period_ms meanwhile, and says what went wrong with it. */
void relayed_finish(struct relayed *r, int period_ms, void (*tick)(void *context), void *context);

/* NO_PROXY with an entry for this host; existing may be NULL. Caller frees; NULL: no memory. For tests too. */
char *relayed_no_proxy(const char *existing, const char *host);

#endif
