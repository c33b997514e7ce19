/* SPDX-License-Identifier: MIT */
#include "cmd/bench_system.h"

#include "cli/msg.h"
#include "cmd/input.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_BYTES_MAX ((size_t)16 << 20)
#define BILLING "x-anthropic-billing-header:"

int bench_system_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	size_t n = 0;

	if (!f) {
		msg_error("bench: %s: %s", path, strerror(errno));
		return -1;
	}
	do {
		char *to = buf_reserve(out, 65536);
		n = to ? fread(to, 1, 65536, f) : 0;
		out->n += n;
		if (to)
			out->p[out->n] = '\0';
	} while (n > 0);
	int failed = ferror(f);
	fclose(f);
	if (failed || out->failed)
		msg_error("bench: %s: %s", path, failed ? "cannot be read" : "longer than 16 MiB");
	else if (out->n == 0 || memchr(out->p, 0, out->n))
		msg_error("bench: %s: %s", path, out->n ? "holds a NUL byte, so it is no text" : "is empty");
	else
		return 0;
	return -1;
}

static void append_texts(const cJSON *content, struct buf *out)
{
	const cJSON *block;

	if (cJSON_IsString(content)) {
		buf_printf(out, "%s\n", content->valuestring);
		return;
	}
	cJSON_ArrayForEach(block, content)
	{
		const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(block, "text"));
		if (text && strncmp(text, BILLING, sizeof(BILLING) - 1) != 0)
			buf_printf(out, "%s\n", text);
	}
}

/* Of either API: `system`, or the first message if it is a system's. */
static void append_system(const cJSON *request, struct buf *out)
{
	const cJSON *system = cJSON_GetObjectItemCaseSensitive(request, "system");
	const cJSON *tools = cJSON_GetObjectItemCaseSensitive(request, "tools"), *tool;

	if (!system) {
		const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(request, "messages"), 0);
		const char *role = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(first, "role"));
		if (role && strcmp(role, "system") == 0)
			system = cJSON_GetObjectItemCaseSensitive(first, "content");
	}
	append_texts(system, out);
	cJSON_ArrayForEach(tool, tools)
	{
		char *text = cJSON_PrintUnformatted(tool);
		if (text)
			buf_printf(out, "%s\n", text);
		else
			out->failed = true;
		cJSON_free(text);
	}
}

int bench_system_trace(const char *path, struct buf *out)
{
	struct input in;
	struct buf body;
	char *name = path ? strdup(path) : input_newest("bench"), error[256];
	size_t longest = SIZE_MAX;
	int status = -1;

	if (!name)
		return -1;
	buf_init(&body, (size_t)256 << 20);
	if (input_read("bench", &name, 1, &in) < 0)
		goto out;
	const struct trace *t = &in.traces[0];
	for (size_t i = 0; i < t->nexchanges; i++)
		if (t->exchanges[i].prompt.has_system &&
		    (longest == SIZE_MAX ||
		     t->exchanges[i].request.body_bytes > t->exchanges[longest].request.body_bytes))
			longest = i;
	if (longest == SIZE_MAX) {
		msg_error("bench: %s: no request has a system prompt", name);
		goto out;
	}
	if (trace_request_body(&in.traces[0], longest, &body, error, sizeof(error)) != 0) {
		msg_error("bench: %s: %s", name, error);
		goto out;
	}
	cJSON *request = cJSON_ParseWithLength(body.p, body.n);
	append_system(request, out);
	cJSON_Delete(request);
	if (out->failed || out->n == 0)
		msg_error("bench: %s: the system prompt cannot be read", name);
	else
		status = 0;
out:
	input_release(&in);
	buf_release(&body);
	free(name);
	return status;
}
