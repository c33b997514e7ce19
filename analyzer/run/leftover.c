/* SPDX-License-Identifier: MIT */
#include "run/leftover.h"

#include "base/json_out.h"
#include "kvscope/env.h"
#include "run/ring_users.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOTE_NAME "run.json"
#define NOTE_MAX ((size_t)4 << 20) /* a command line is at most 2 MiB, escapes come on top */

/* FOLDER/NAME in the folder of the ring. Returns 0, -1: too long. */
static int beside(const char *ring, const char *name, char *out, size_t out_bytes)
{
	const char *slash = strrchr(ring, '/');
	int n = slash ? snprintf(out, out_bytes, "%.*s/%s", (int)(slash - ring), ring, name)
		      : snprintf(out, out_bytes, "./%s", name);
	return n > 0 && (size_t)n < out_bytes ? 0 : -1;
}

static void note_json(const struct leftover *l, struct buf *to)
{
	struct json_out j;
	json_out_init(&j, to, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "ring", l->ring);
	json_out_array(&j, "command");
	for (size_t i = 0; l->command && l->command[i]; i++)
		json_out_cstr(&j, NULL, l->command[i]);
	json_out_end(&j);
	json_out_cstr(&j, "cwd", l->cwd);
	json_out_cstr(&j, "trace", l->trace);
	json_out_cstr(&j, "upstream", l->upstream);
	json_out_cstr(&j, "content", l->content == CONTENT_FULL ? "full" : "none");
	json_out_end(&j);
	buf_putc(to, '\n');
}

int leftover_write(const struct leftover *l)
{
	char path[PATH_MAX];
	struct buf text;

	if (beside(l->ring, NOTE_NAME, path, sizeof(path)) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	buf_init(&text, NOTE_MAX);
	note_json(l, &text);
	ssize_t n = text.failed ? -1 : write(fd, text.p, text.n);
	int error = n < 0 ? errno : ENOSPC;
	bool whole = n >= 0 && (size_t)n == text.n;
	buf_release(&text);
	close(fd);
	if (whole)
		return 0;
	unlink(path);
	errno = error;
	return -1;
}

/* True while somebody reads the ring, or if there is no ring. */
static bool has_reader(const char *ring)
{
	int fd = open(ring, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool busy = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0;
	if (fd >= 0)
		close(fd);
	return busy;
}

static char *take_string(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
	return cJSON_IsString(item) ? strdup(item->valuestring) : NULL;
}

static int take_note(const cJSON *note, struct leftover *out)
{
	const cJSON *command = cJSON_GetObjectItemCaseSensitive(note, "command");
	const cJSON *content = cJSON_GetObjectItemCaseSensitive(note, "content");
	const cJSON *word;
	size_t n = 0;

	if (!cJSON_IsObject(note) || !cJSON_IsArray(command) || !cJSON_IsString(content))
		return -1;
	out->command = calloc((size_t)cJSON_GetArraySize(command) + 1, sizeof(*out->command));
	if (!out->command)
		return -1;
	cJSON_ArrayForEach(word, command)
	{
		if (!cJSON_IsString(word) || !(out->command[n] = strdup(word->valuestring)))
			return -1;
		n++;
	}
	out->cwd = take_string(note, "cwd");
	out->trace = take_string(note, "trace");
	out->upstream = take_string(note, "upstream");
	/* Anything but the word "full" keeps no content: the careful reading. */
	out->content = strcmp(content->valuestring, "full") == 0 ? CONTENT_FULL : CONTENT_NONE;
	return 0;
}

/* The note as a document, which the caller deletes; NULL with errno, EINVAL for one that is not ours or no JSON. */
static cJSON *note_parse(const char *path)
{
	struct stat st;
	cJSON *note = NULL;

	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	/* /dev/shm is open to all: what others put there is not believed. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_size <= (off_t)NOTE_MAX) {
		char *text = malloc((size_t)st.st_size + 1);
		ssize_t n = text ? pread(fd, text, (size_t)st.st_size, 0) : -1;
		note = n > 0 ? cJSON_ParseWithLength(text, (size_t)n) : NULL;
		free(text);
	}
	close(fd);
	errno = EINVAL;
	return note;
}

int leftover_read(const char *ring, struct leftover *out, char *error, size_t error_bytes)
{
	char path[PATH_MAX];

	*out = (struct leftover){0};
	if (beside(ring, NOTE_NAME, path, sizeof(path)) < 0) {
		snprintf(error, error_bytes, "%s: the name is too long", ring);
		return -1;
	}
	cJSON *note = note_parse(path);
	out->ring = strdup(ring);
	int r = note && out->ring ? take_note(note, out) : -1;
	if (!note && errno != EINVAL)
		snprintf(error, error_bytes, "%s: %s", path, strerror(errno));
	else if (r < 0)
		snprintf(error, error_bytes, "%s: cannot be read as a note of kvscope run", path);
	cJSON_Delete(note);
	return r;
}

void leftover_release(struct leftover *l)
{
	for (size_t i = 0; l->command && l->command[i]; i++)
		free(l->command[i]);
	free(l->command);
	free(l->ring);
	free(l->cwd);
	free(l->trace);
	free(l->upstream);
	*l = (struct leftover){0};
}

void leftover_remove(const char *ring)
{
	static const char *const names[] = {NOTE_NAME, KVS_SHIM_NAME};
	char path[PATH_MAX];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (beside(ring, names[i], path, sizeof(path)) == 0)
			unlink(path);
	ring_remove(ring);
}

int leftover_link_library(const char *ring, const char *library, char *out, size_t out_bytes)
{
	return beside(ring, KVS_SHIM_NAME, out, out_bytes) == 0 && symlink(library, out) == 0 ? 0 : -1;
}

/* The ring that a note stands beside; NULL if it is none of ours, or speaks of another. Caller frees. */
static char *ring_of_note(const char *path)
{
	char own[PATH_MAX];
	cJSON *note = note_parse(path);
	char *ring = take_string(note, "ring");
	cJSON_Delete(note);
	if (ring && (beside(ring, NOTE_NAME, own, sizeof(own)) < 0 || strcmp(own, path) != 0)) {
		free(ring);
		ring = NULL;
	}
	return ring;
}

static size_t each_below(const char *base, void (*each)(void *context, const char *ring), void *context)
{
	size_t n = 0;
	DIR *dir = opendir(base);
	if (!dir)
		return 0;
	for (struct dirent *entry; (entry = readdir(dir));) {
		char path[PATH_MAX];
		int length = snprintf(path, sizeof(path), "%s/%s/" NOTE_NAME, base, entry->d_name);
		if (strncmp(entry->d_name, "kvscope", 7) != 0 || length < 0 || (size_t)length >= sizeof(path))
			continue;
		char *ring = ring_of_note(path);
		if (ring && !has_reader(ring)) {
			each(context, ring);
			n++;
		}
		free(ring);
	}
	closedir(dir);
	return n;
}

size_t leftover_each(void (*each)(void *context, const char *ring), void *context)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	size_t n = runtime && runtime[0] == '/' ? each_below(runtime, each, context) : 0;
	if (!runtime || strcmp(runtime, "/dev/shm") != 0)
		n += each_below("/dev/shm", each, context);
	return n;
}

/* True if nothing in the ring would make a line of a trace: ends of connections and processes do not. */
static bool is_empty(const char *ring)
{
	struct ring_reader *reader;
	const struct kvs_record *record;
	struct str payload;
	char ignored[256];
	bool empty = true;
	int r = 0;

	if (ring_reader_open(ring, &reader, ignored, sizeof(ignored)) < 0)
		return false;
	/* Held, so that what we look at stays for the one who collects it. */
	ring_reader_hold(reader, true);
	while (empty && (r = ring_reader_next(reader, &record, &payload)) > 0)
		empty = record->type != KVS_REC_CONNECT && record->type != KVS_REC_CLASS &&
			record->type != KVS_REC_SEND && record->type != KVS_REC_RECV && record->type != KVS_REC_BLIND;
	ring_reader_close(reader);
	return empty && r == 0;
}

static void sweep_one(void *context, const char *ring)
{
	size_t *removed = context;
	/* In this order: what has no users can not become full again. */
	if (ring_users(ring, NULL, 0) > 0 || !is_empty(ring))
		return;
	leftover_remove(ring);
	++*removed;
}

size_t leftover_sweep(void)
{
	size_t removed = 0;
	leftover_each(sweep_one, &removed);
	return removed;
}
