/* SPDX-License-Identifier: MIT */
#ifndef ENGINES_RESET_H
#define ENGINES_RESET_H

/* A server's cache emptied by its own means (engines/profile.h says which). */

#include "engines/detect.h"

/*
 * Empties the cache and notes in reset_works whether that is possible. Returns 0, or -1 with one line in error: it has
 * no way, refuses, or did not answer.
 */
int engine_reset(struct client *client, const struct base_url *base, struct engine_facts *facts, char *error,
		 size_t error_bytes) __attribute__((warn_unused_result));

#endif
