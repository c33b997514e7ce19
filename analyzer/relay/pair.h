/* SPDX-License-Identifier: MIT */
#ifndef RELAY_PAIR_H
#define RELAY_PAIR_H

/* Inside of the relay: one client's connection and the one to the server that belongs to it. */

#include "relay/relay.h"

/* Takes fd, which is closed at once if there is no memory. */
void pair_open(struct relay *r, int fd);
/* Ends both connections now. */
void pair_free(struct relay_pair *p);

/* relay.c: something was recorded; what the ring did not take is tried again soon. */
void relay_recorded(struct relay *r);

#endif
