/* SPDX-License-Identifier: MIT */
#ifndef RUN_RING_USERS_H
#define RUN_RING_USERS_H

/*
 * Which processes have a file mapped, as /proc tells. Costs a few milliseconds on a busy machine: for one-off questions
 * about rings whose collector is gone, not for the running collection, which learns it from the ring.
 */

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Fills pids with up to max of them, this process left out, and returns how many there are. Processes whose maps cannot
 * be read (another user's, or one that made itself undumpable) are not found.
 */
size_t ring_users(const char *path, int32_t *pids, size_t max);

/* True if a line of /proc/PID/maps is about this file. For tests too. */
bool maps_line_is(struct str line, const char *path, unsigned major, unsigned minor, uint64_t inode);

#endif
