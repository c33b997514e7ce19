/* SPDX-License-Identifier: MIT */
#ifndef RUN_LEFTOVER_H
#define RUN_LEFTOVER_H

/*
 * A note beside the ring, in its private folder, that lets `kvscope collect` finish what a run could not: because it
 * was killed, or because processes of the run outlived the command. Whoever collects from the ring holds a lock on the
 * note; the kernel gives it back however he ends, so a free lock means that the ring is an orphan.
 */

#include "trace/writer.h"

#include <stdbool.h>
#include <stddef.h>

struct leftover {
	char *ring;
	char **command; /* NULL-terminated; empty when unknown */
	char *cwd;      /* NULL: unknown */
	char *trace;    /* the run's own; absolute */
	enum content_mode content;
};

/*
 * Writes the note and takes its lock. Returns a descriptor (close-on-exec) that holds the lock until it is closed, or
 * -1 with errno. Borrows all of l.
 */
int leftover_write(const struct leftover *l);
/* Takes the lock of a note. Returns a descriptor; -1 with errno EWOULDBLOCK while somebody collects, ENOENT without
 * note. */
int leftover_lock(const char *ring);
/* Returns 0, or -1 with one line in error; *out is released by the caller either way. */
int leftover_read(const char *ring, struct leftover *out, char *error, size_t error_bytes);
void leftover_release(struct leftover *l);
/* Removes ring, note and folder. */
void leftover_remove(const char *ring);

/*
 * Calls each with the path of every orphaned ring of this user; the lock is free at that moment. Returns how many there
 * were.
 */
size_t leftover_each(void (*each)(void *context, const char *ring), void *context);

/* A name for our library without characters that LD_PRELOAD cannot carry: a link beside the ring. Returns 0 or -1. */
int leftover_link_library(const char *ring, const char *library, char *out, size_t out_bytes);

#endif
