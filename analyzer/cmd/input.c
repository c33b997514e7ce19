/* SPDX-License-Identifier: MIT */
#include "cmd/input.h"

#include "cli/msg.h"
#include "trace/place.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

char *input_newest(const char *command)
{
	char error[512], *fallback = NULL, *path = NULL;
	char *folder = trace_place_folder(&fallback, error, sizeof(error));
	char *cwd = getcwd(NULL, 0);
	int elsewhere = 0;

	if (folder)
		path = trace_place_newest(folder, cwd ? cwd : "", &elsewhere, error, sizeof(error));
	if (!path)
		msg_error("%s: %s", command, error);
	else if (elsewhere)
		msg_note("no trace was made in this directory; the newest one is %s", path);
	else
		msg_note("reading %s", path);
	free(folder);
	free(fallback);
	free(cwd);
	return path;
}

int input_read(const char *command, char *const *paths, size_t n, struct input *out)
{
	char *newest = NULL;
	int result = -1;

	*out = (struct input){0};
	if (n == 0) {
		newest = input_newest(command);
		if (!newest)
			return -1;
		paths = &newest;
		n = 1;
	}
	out->traces = calloc(n, sizeof(*out->traces));
	if (!out->traces) {
		msg_error("out of memory");
		goto out;
	}
	while (out->n < n) {
		char error[PATH_MAX + 512];
		int r = trace_read(paths[out->n], &out->traces[out->n], error, sizeof(error));
		out->n++;
		if (r < 0) {
			msg_error("%s: %s", command, error);
			goto out;
		}
		if (out->traces[out->n - 1].warning)
			msg_note("%s", out->traces[out->n - 1].warning);
	}
	result = 0;
out:
	free(newest);
	return result;
}

void input_release(struct input *in)
{
	while (in->n > 0)
		trace_release(&in->traces[--in->n]);
	free(in->traces);
	*in = (struct input){0};
}
