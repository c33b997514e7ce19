/* SPDX-License-Identifier: MIT */
/* Making and removing the file behind a ring. */
#include "base/clock.h"
#include "collect/ring_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PATH_BYTES 4096

/* NULL: the folder will do. */
static const char *trouble_with_folder(const char *path)
{
	struct stat st;
	struct statfs fs;
	if (lstat(path, &st) < 0)
		return strerror(errno);
	/* The system's own links (/dev/shm is one on some) are as good as what they lead to. */
	if (S_ISLNK(st.st_mode) && st.st_uid != 0)
		return "is a symbolic link";
	if (stat(path, &st) < 0 || statfs(path, &fs) < 0)
		return strerror(errno);
	if (!S_ISDIR(st.st_mode))
		return "is not a folder";
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		return "is not on memory";
	/* Others could rename our folder away in one that is theirs, or theirs to write in. */
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return "belongs to another user";
	if ((st.st_mode & 022) != 0 && !(st.st_mode & S_ISVTX))
		return "can be changed by others";
	return NULL;
}

static uint64_t slots_for(uint64_t data_bytes)
{
	uint64_t slots = KVS_RING_SLOTS_MIN;
	while (slots < KVS_RING_SLOTS_MAX && slots * KVS_SLOT_BYTES < data_bytes)
		slots *= 2;
	return slots;
}

/* All metas start as FREE of lap 0, head and tail at 0: a new file is zero already. */
static const char *write_header(int fd, uint64_t slots, uint64_t file_bytes)
{
	struct kvs_ring_header *h = mmap(NULL, KVS_RING_HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct stat st;
	if (h == MAP_FAILED)
		return strerror(errno);
	h->version = KVS_RING_VERSION;
	h->slots = (uint32_t)slots;
	h->file_bytes = file_bytes;
	h->meta_offset = KVS_RING_HEADER_BYTES;
	h->data_offset = KVS_RING_HEADER_BYTES + slots * sizeof(uint64_t);
	h->monotonic_ns = clock_monotonic_ns();
	h->realtime_ns = clock_realtime_ns();
	if (getrandom(h->run_id, sizeof(h->run_id), 0) != (ssize_t)sizeof(h->run_id))
		memcpy(h->run_id, &h->realtime_ns, sizeof(h->realtime_ns));
	if (stat("/proc/self/ns/pid", &st) == 0)
		h->pidns_inode = st.st_ino;
	h->magic = KVS_RING_MAGIC;
	munmap(h, KVS_RING_HEADER_BYTES);
	return NULL;
}

static const char *make_file(const char *path, uint64_t slots)
{
	uint64_t file_bytes = KVS_RING_HEADER_BYTES + slots * (sizeof(uint64_t) + KVS_SLOT_BYTES);
	struct rlimit limit;
	/* Beyond it the kernel does not fail the call but sends SIGXFSZ. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < file_bytes)
		return "the file-size limit (ulimit -f) is below the size of the ring";
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return strerror(errno);
	int status = posix_fallocate(fd, 0, (off_t)file_bytes);
	const char *trouble = status != 0 ? strerror(status) : write_header(fd, slots, file_bytes);
	close(fd);
	if (trouble)
		unlink(path);
	return trouble;
}

static const char *try_folder(const char *parent, uint64_t slots, char *path, size_t path_bytes)
{
	const char *trouble = trouble_with_folder(parent);
	if (trouble)
		return trouble;
	size_t n = (size_t)snprintf(path, path_bytes, "%s/kvscope-XXXXXX", parent);
	if (n + sizeof("/ring") > path_bytes)
		return "has too long a name";
	if (!mkdtemp(path))
		return strerror(errno);
	memcpy(path + n, "/ring", sizeof("/ring"));
	trouble = make_file(path, slots);
	if (trouble) {
		path[n] = '\0';
		rmdir(path);
	}
	return trouble;
}

int ring_create(uint64_t data_bytes, char **path, char *error, size_t error_bytes)
{
	const char *parents[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm"};
	uint64_t slots = slots_for(data_bytes);
	char made[PATH_BYTES];
	size_t said = 0;
	snprintf(error, error_bytes, "no place for the ring");
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		if (!parents[i] || parents[i][0] != '/')
			continue;
		const char *trouble = try_folder(parents[i], slots, made, sizeof(made));
		if (!trouble) {
			char *copy = strdup(made);
			if (copy) {
				*path = copy;
				return 0;
			}
			ring_remove(made);
			trouble = strerror(ENOMEM);
		}
		if (said < error_bytes) {
			int n = snprintf(error + said, error_bytes - said, "%s%s: %s",
					 said ? "; " : "no place for the ring: ", parents[i], trouble);
			said += n > 0 ? (size_t)n : 0;
		}
	}
	return -1;
}

void ring_remove(const char *path)
{
	char folder[PATH_BYTES];
	const char *slash = strrchr(path, '/');
	unlink(path);
	if (!slash || (size_t)(slash - path) >= sizeof(folder))
		return;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	rmdir(folder);
}
