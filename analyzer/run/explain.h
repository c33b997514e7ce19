/* SPDX-License-Identifier: MIT */
#ifndef RUN_EXPLAIN_H
#define RUN_EXPLAIN_H

/* Why a run saw no requests: the likeliest reason, in words. */

#include "base/str.h"
#include "collect/collector.h"
#include "run/preflight.h"

#include <stdbool.h>
#include <stddef.h>

/* A settings file of the client that sets the base URL, over the head of the environment. */
struct base_url_override {
	char file[PATH_MAX]; /* "": none */
	char url[256];
};

struct explain_facts {
	const char *command;
	const struct preflight *preflight;
	const struct collector_summary *summary;
	const struct base_url_override *override;
	bool disabled; /* KVSCOPE_DISABLE is set */
	bool relay;    /* the client was to talk to a relay */
};

/* One sentence without a final stop. */
void explain_nothing_seen(const struct explain_facts *facts, char *out, size_t out_bytes);

/* Looks through the client's settings files: project local, project, user; the first that sets a base URL wins. */
void explain_find_override(struct base_url_override *out);

/* env.ANTHROPIC_BASE_URL of a settings file. Returns 0, or -1 if the text does not set it or is no JSON. For tests too.
 */
int explain_settings_url(struct str json, char *out, size_t out_bytes);

#endif
