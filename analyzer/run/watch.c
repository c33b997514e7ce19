/* SPDX-License-Identifier: MIT */
#include "run/watch.h"

#include "base/clock.h"
#include "cli/msg.h"
#include "kvscope/env.h"
#include "run/catch_up.h"
#include "run/env.h"
#include "run/leftover.h"
#include "run/trace_file.h"
#include "trace/place.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Processes that the command left behind get this long for what is on its way, or to end as well. */
#define GRACE_QUIET_MS 100
#define GRACE_MAX_MS 1000

/* Why the command will run without being watched. */
static void say_unwatched(const struct watch *w, const char *why)
{
	msg_error("%s runs, but nothing is recorded: %s", w->argv[0], why);
}

/* Sets w->trace; it stays NULL where there is no place. -1 after having said what is wrong with the one asked for. */
static int choose_trace(struct watch *w)
{
	char error[512];

	if (w->output) {
		if (trace_file_check(w->output, error, sizeof(error)) < 0) {
			msg_error("%s", error);
			return -1;
		}
		w->trace = strdup(w->output);
		return 0;
	}
	char *fallback = NULL;
	w->folder = trace_place_folder(&fallback, error, sizeof(error));
	if (w->folder)
		w->trace = trace_place_new(w->folder, w->argv[0], clock_realtime_ns(), getpid());
	else
		say_unwatched(w, error);
	if (w->trace && fallback)
		msg_note("%s; the trace goes to %s", fallback, w->folder);
	free(fallback);
	return 0;
}

static int apply_environment(const struct watch *w, const char *library)
{
	char linked[PATH_MAX];
	struct env_settings settings = {
		.library = library,
		.ring = w->ring,
		.follow = w->follow,
		.needs_asan = w->needs_asan,
	};
	if (!env_preloadable(library)) {
		if (leftover_link_library(w->ring, library, linked, sizeof(linked)) < 0)
			return -1;
		settings.library = linked;
	}
	return env_apply(&settings);
}

static void nothing(void *context)
{
	(void)context;
}

static void unwatch(struct watch *w)
{
	if (w->relayed.process)
		relayed_finish(&w->relayed, COLLECTOR_POLL_MS, nothing, NULL);
	if (w->ring)
		leftover_remove(w->ring);
	free(w->ring);
	w->ring = NULL;
}

static int open_collector(struct watch *w, char *error, size_t error_bytes)
{
	char cwd[PATH_MAX];
	struct trace_header header = {
		.command = (const char *const *)w->argv,
		.cwd = getcwd(cwd, sizeof(cwd)),
		.fix = w->fix,
		.capture_mode = w->relay ? "relay" : "preload",
		.upstream = w->relay ? w->relayed.upstream.url : NULL,
		.content = w->content,
	};
	return collector_open(w->ring, w->trace, w->output != NULL, &header, &w->collector, error, error_bytes);
}

/* For `kvscope collect`, should we not live to finish. Without it the ring is collected all the same. */
static void leave_note(struct watch *w)
{
	char cwd[PATH_MAX];
	char *trace = realpath(w->trace, NULL);
	struct leftover note = {
		.ring = w->ring,
		.command = w->argv,
		.cwd = getcwd(cwd, sizeof(cwd)),
		.trace = trace,
		.upstream = w->relay ? w->relayed.upstream.url : NULL,
		.content = w->content,
	};
	leftover_write(&note);
	free(trace);
}

int watch_start(struct watch *w, const sigset_t *mask)
{
	char library[PATH_MAX], error[512];

	if (choose_trace(w) < 0)
		return -1;
	if (!w->trace)
		return 0;
	if (!w->relay && env_find_shim(library) < 0) {
		snprintf(error, sizeof(error), KVS_SHIM_NAME " is not in %.400s", library);
		say_unwatched(w, error);
		return 0;
	}
	if (ring_create(w->ring_bytes, &w->ring, error, sizeof(error)) < 0) {
		say_unwatched(w, error);
		return 0;
	}
	/* Before the collector: it would inherit the lock that says that the ring has a reader. */
	if (w->relay && relayed_start(&w->relayed, w->ring, mask, error, sizeof(error)) < 0) {
		msg_error("run: %s", error);
		unwatch(w);
		return -1;
	}
	if (open_collector(w, error, sizeof(error)) < 0) {
		unwatch(w);
		if (w->output) {
			msg_error("%s", error);
			return -1;
		}
		say_unwatched(w, error);
		return 0;
	}
	leave_note(w);
	if (w->relay)
		relayed_warn(&w->relayed);
	if ((w->relay ? relayed_environment(&w->relayed) : apply_environment(w, library)) < 0)
		say_unwatched(w, "the environment has no room for it");
	return 0;
}

void watch_tick(void *watch)
{
	struct watch *w = watch;
	collector_poll(w->collector);
}

/* For what is on its way, and what waits. False: somebody has had enough of it. */
static bool linger(struct watch *w)
{
	int quiet_ms = 0;
	if (w->relayed.process)
		relayed_finish(&w->relayed, COLLECTOR_POLL_MS, watch_tick, w);
	collector_poll(w->collector);
	if (!catch_up(w->collector, w->ring_bytes / KVS_SLOT_BYTES))
		return false;
	for (int ms = 0; ms < GRACE_MAX_MS && quiet_ms < GRACE_QUIET_MS && collector_alive(w->collector) > 0;
	     ms += COLLECTOR_POLL_MS) {
		if (!launch_linger(COLLECTOR_POLL_MS))
			break;
		quiet_ms = collector_poll(w->collector) > 0 ? 0 : quiet_ms + COLLECTOR_POLL_MS;
	}
	return true;
}

void watch_finish(struct watch *w, const struct launch_end *end, struct collector_summary *summary)
{
	struct collector_end how = {.exit_status = end->exit_status, .signal = end->signal};

	how.give_up = !linger(w);
	how.leave_open = collector_alive(w->collector) > 0;
	collector_finish(w->collector, &how, summary);
	w->collector = NULL;
	if (summary->alive == 0)
		unwatch(w);
}

void watch_release(struct watch *w)
{
	free(w->folder);
	free(w->trace);
	free(w->ring);
}
