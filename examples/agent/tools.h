/* SPDX-License-Identifier: MIT */
#ifndef AGENT_TOOLS_H
#define AGENT_TOOLS_H

/*
 * The tools that the model may call. They work on a small project in a scratch folder: nothing outside it is read or
 * changed, and it is removed in the end.
 */

#include "text.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

struct workspace {
	char path[256];
	int dir_fd;
};

/* Makes the folder and the project. Returns 0, or -1 with a message on stderr. */
int workspace_open(struct workspace *w);
void workspace_close(struct workspace *w);

/* The definitions for the request. The sub-agent gets those that only read. The caller frees. */
cJSON *tools_describe(bool only_reading);
/* Appends what the tool answers. Returns 0, or -1 when it failed: out then says why, for the model to read. */
int tools_run(struct workspace *w, const char *name, const cJSON *input, struct text *out);

#endif
