/* SPDX-License-Identifier: MIT */
#ifndef RUN_LEFTOVER_H
#define RUN_LEFTOVER_H

/*
 * A note beside the ring, in its private folder, that lets `kvscope collect` finish what a run could not: because it
 * was killed, or because processes of the run outlived the command. The reader of a ring holds a lock on it that the
 * kernel gives back however he ends: a ring with a note and without a reader is an orphan.
 */

#include "trace/writer.h"

#include <stdbool.h>
#include <stddef.h>

struct leftover {
	char *ring;
	char **command; /* NULL-terminated; empty when unknown */
	char *cwd;      /* NULL: unknown */
	char *trace;    /* the run's own; absolute */
	char *upstream; /* of the relay; NULL: there was none */
	enum content_mode content;
};

/* Returns 0, or -1 with errno. Borrows all of l. */
int leftover_write(const struct leftover *l);
/* Returns 0, or -1 with one line in error; *out is released by the caller either way. */
int leftover_read(const char *ring, struct leftover *out, char *error, size_t error_bytes);
void leftover_release(struct leftover *l);
/* Removes ring, note and folder. */
void leftover_remove(const char *ring);

/*
 * Calls each with the path of every orphaned ring of this user. Returns how many there were.
 */
size_t leftover_each(void (*each)(void *context, const char *ring), void *context);

/*
 * Removes the orphans that nobody needs: no process uses them and nothing in them waits to be collected. Memory would
 * fill up with what background processes leave. Returns how many were removed.
 */
size_t leftover_sweep(void);

/* A name for our library without characters that LD_PRELOAD cannot carry: a link beside the ring. Returns 0 or -1. */
int leftover_link_library(const char *ring, const char *library, char *out, size_t out_bytes);

#endif
