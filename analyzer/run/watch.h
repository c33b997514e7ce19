/* SPDX-License-Identifier: MIT */
#ifndef RUN_WATCH_H
#define RUN_WATCH_H

/*
 * All that stands ready around a command that is recorded: the place for its trace, the ring, the library or the relay
 * that fills it, the collector that empties it, the note by which `kvscope collect` finishes what we cannot.
 *
 *     struct watch w = {.argv = argv, .output = NULL, ...};
 *     if (watch_start(&w, &mask) < 0) ...
 *     ... run the command, calling watch_tick(&w) ...
 *     if (w.collector)
 *             watch_finish(&w, &end, &summary);
 *     watch_release(&w);
 */

#include "collect/collector.h"
#include "run/launch.h"
#include "run/relayed.h"

struct watch {
	/* What is wanted; borrowed. */
	char **argv;
	const char *const *fix; /* settings that --fix made, for the trace's header; NULL: none */
	const char *output;     /* NULL: the default place */
	enum content_mode content;
	uint64_t ring_bytes;
	bool follow;
	bool relay;      /* through `relayed`, in place of the preloaded library */
	bool needs_asan; /* the command is built with the address sanitizer */
	struct relayed relayed;

	/* What came of it. */
	struct collector *collector; /* NULL: nothing is recorded */
	char *folder;                /* the default place; NULL: the trace goes elsewhere */
	char *trace;
	char *ring; /* NULL: removed, or none */
};

/*
 * Makes everything ready, the environment that the command inherits from us included. mask: signals as the command
 * gets them. What fails is said, and the command may then run unwatched: 0. Only a trace that was asked for by name and
 * cannot be written, and a relay that cannot be had, are -1.
 */
int watch_start(struct watch *w, const sigset_t *mask);
/* Takes what is in the ring; for launch_wait. */
void watch_tick(void *watch);
/*
 * After the end of the command: waits a little for what is on its way, closes the trace, and takes everything down.
 * The ring stays where processes of the run live on (summary->alive).
 */
void watch_finish(struct watch *w, const struct launch_end *end, struct collector_summary *summary);
void watch_release(struct watch *w);

#endif
