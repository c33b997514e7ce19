/* SPDX-License-Identifier: MIT */
#include "trace/rest.h"

#include "base/buf.h"
#include "trace/quiet_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, struct str s)
{
	size_t done = 0;
	while (done < s.n) {
		ssize_t n = quiet_write(fd, s.p + done, s.n - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

/* A fresh folder below `place` with the file in it; its path in *path. Leaves nothing behind on failure. */
static int save_below(const char *place, const char *name, struct str lines, struct buf *path)
{
	buf_reset(path);
	buf_printf(path, "%s/kvscope-XXXXXX", place);
	if (path->failed || !mkdtemp(path->p))
		return -1;
	size_t folder = path->n;
	buf_printf(path, "/%s.rest", name);
	int fd = path->failed ? -1 : open(path->p, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0) {
		int written = write_all(fd, lines);
		if (close(fd) == 0 && written == 0)
			return 0;
		unlink(path->p);
	}
	path->p[folder] = '\0';
	rmdir(path->p);
	return -1;
}

int rest_save(const char *trace_path, struct str lines, const char *reason, char *error, size_t error_bytes)
{
	const char *places[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp", "/dev/shm"};
	const char *slash = strrchr(trace_path, '/');
	struct buf path;
	int status = -1;

	buf_init(&path, 8192);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places) && status < 0; i++)
		if (places[i] && places[i][0] == '/')
			status = save_below(places[i], slash ? slash + 1 : trace_path, lines, &path);
	if (status == 0) {
		snprintf(error, error_bytes, "%s: cannot be written (%s): its end is in %s, to be appended to it",
			 trace_path, reason, path.p);
	} else {
		size_t n = 0;
		for (const char *p = lines.p; (p = memchr(p, '\n', lines.n - (size_t)(p - lines.p))); p++)
			n++;
		snprintf(error, error_bytes, "%s: cannot be written (%s): its last %zu lines are lost", trace_path,
			 reason, n);
	}
	buf_release(&path);
	return status;
}
