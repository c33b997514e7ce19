/* SPDX-License-Identifier: MIT */
#ifndef RELAY_PROCESS_H
#define RELAY_PROCESS_H

/*
 * The relay as a process of its own, between `kvscope run` and the server. Of its own, so that neither the collecting
 * waits for it nor it for the collecting, that a stopped or killed kvscope does not take the client's connection along,
 * and that the terminal's signals do not reach it.
 *
 *     struct relay_process *p;
 *     if (relay_process_start(&config, &p, error, sizeof(error)) < 0) ...
 *     relay_process_url(p)                      // for the command's environment
 *     relay_process_command(p, pid);            // once it has been started
 *     while (!relay_process_ended(p, &end)) ... // after relay_process_stop; collect meanwhile
 *
 * Should whoever started it die, it goes on until the command has ended and no connection is left; what it records
 * then waits in the ring.
 */

#include "relay/relay.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#define RELAY_TOKEN_BYTES 24

struct relay_process;

struct relay_process_config {
	const struct upstream *upstream;
	const char *cacert; /* NULL: none */
	const char *ring;
	const sigset_t *mask; /* signals as they were before we held them back */
};

struct relay_process_end {
	bool died; /* before it was told to end */
	int signal;
	struct relay_stats stats;
};

/* Returns 0 when it listens, or -1 with one line in error. */
int relay_process_start(const struct relay_process_config *config, struct relay_process **out, char *error,
			size_t error_bytes);
/* "http://127.0.0.1:PORT/TOKEN": whoever knows it may use the relay. */
const char *relay_process_url(const struct relay_process *p);
/* Whom it serves: see above. */
void relay_process_command(struct relay_process *p, pid_t command);
/* It is to end as soon as no connection is open, and in a second at the latest. */
void relay_process_stop(struct relay_process *p);
/* It is to end now, whatever is lost. */
void relay_process_kill(struct relay_process *p);
/* True once it has; *out is then set and p is freed. */
bool relay_process_ended(struct relay_process *p, struct relay_process_end *out);

#endif
