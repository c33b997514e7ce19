/* SPDX-License-Identifier: MIT */
/* The constructor: everything that needs the environment, the file system or system calls a sandbox may forbid later.
 */
#include "raw.h"
#include "real.h"
#include "record.h"
#include "sum.h"

#include "kvscope/env.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

extern char **environ;

#ifdef KVS_NOP

__attribute__((constructor)) static void start(void)
{
	real_resolve();
}

#else

static int map_ring(const char *path, struct ring *ring)
{
	int fd = (int)RAW(openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0, 0, 0);
	if (fd < 0)
		return -1;
	int result = -1;
	struct stat st;
	/* Ours and nobody else's: another user's ring would hand him our bytes, or us his. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0 &&
	    st.st_size > 0) {
		size_t n = (size_t)st.st_size;
		void *base = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (base != MAP_FAILED) {
			result = ring_attach(ring, base, n);
			if (result < 0)
				munmap(base, n);
		}
	}
	RAW(close, fd, 0, 0, 0, 0, 0);
	return result;
}

static int make_fork_page(void)
{
	size_t n = (size_t)getauxval(AT_PAGESZ);
	void *page = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -1;
	if (madvise(page, n, MADV_WIPEONFORK) < 0) {
		munmap(page, n);
		return -1;
	}
	shim.fork_pid = page;
	return 0;
}

/*
 * A library that fakes the time (libfaketime) stands before libc: our stamps would be on another clock than the
 * collector's, and its code would run inside our hooks.
 */
static void find_clock(void)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	void *found = libc ? dlsym(libc, "clock_gettime") : NULL;
	if (found)
		memcpy(&shim.clock, &found, sizeof(shim.clock));
	if (libc)
		dlclose(libc);
}

static void describe_process(void)
{
	struct stat st;
	shim.pid = (int32_t)RAW(getpid, 0, 0, 0, 0, 0, 0);
	shim.process.head.ppid = (int32_t)RAW(getppid, 0, 0, 0, 0, 0, 0);
	shim.process.head.uid = (uint32_t)getuid();
	if (stat("/proc/self/ns/pid", &st) == 0)
		shim.process.head.pidns_inode = st.st_ino;
	long n = RAW(readlinkat, AT_FDCWD, "/proc/self/exe", shim.process.exe, sizeof(shim.process.exe), 0, 0);
	shim.exe_bytes = n > 0 ? (size_t)n : 0;
}

/* The variable's place in environ, NULL if it is not set. */
static char **variable(const char *name)
{
	size_t n = strlen(name);
	for (char **v = environ; v && *v; v++) {
		if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
			return v;
	}
	return NULL;
}

static void remove_variable(const char *name)
{
	char **v = variable(name);
	for (; v && *v; v++)
		v[0] = v[1];
}

/*
 * Children are not to be recorded: takes this library, and only it, out of LD_PRELOAD. In place: the text lies on the
 * process's first stack, is writable, and only gets shorter; setenv would allocate.
 */
static void leave_preload(void)
{
	Dl_info self;
	char **v = variable("LD_PRELOAD");
	if (!v || !dladdr(&shim, &self) || !self.dli_fname)
		return;
	char *value = *v + sizeof("LD_PRELOAD=") - 1;
	char *to = value;
	for (const char *p = value; *p;) {
		size_t n = strcspn(p, ": ");
		size_t with_separator = n + (p[n] != '\0');
		if (n != strlen(self.dli_fname) || memcmp(p, self.dli_fname, n) != 0) {
			memmove(to, p, with_separator);
			to += with_separator;
		}
		p += with_separator;
	}
	if (to > value && (to[-1] == ':' || to[-1] == ' '))
		to--;
	*to = '\0';
	if (to == value)
		remove_variable("LD_PRELOAD");
}

static void read_environment(char **argv)
{
	char **path = variable(KVS_ENV_RING), **follow = variable(KVS_ENV_FOLLOW);
	/* A setuid program runs with rights that its caller does not have; so would what it says. */
	if (!path || variable(KVS_ENV_DISABLE) || getauxval(AT_SECURE))
		return;
	if (map_ring(*path + sizeof(KVS_ENV_RING), &shim.ring) == 0) {
		struct kvs_ring_header *h = shim.ring.header;
		if (make_fork_page() == 0) {
			describe_process();
			find_clock();
			shim.main_stack_top = (uintptr_t)argv;
			atomic_store_explicit(shim.fork_pid, shim.pid, memory_order_relaxed);
			bool known = shim.process.head.pidns_inode == h->pidns_inode;
			atomic_store_explicit(&shim.tids_known, known, memory_order_relaxed);
			atomic_fetch_add_explicit(&h->processes, 1, memory_order_relaxed);
			if (!known)
				atomic_fetch_add_explicit(&h->foreign_pidns, 1, memory_order_relaxed);
			record_start();
		} else {
			atomic_fetch_add_explicit(&h->passthrough, 1, memory_order_relaxed);
		}
	}
	if (follow && strcmp(*follow, KVS_ENV_FOLLOW "=0") == 0) {
		leave_preload();
		remove_variable(KVS_ENV_RING);
		remove_variable(KVS_ENV_FOLLOW);
	}
}

/* Called as the loader calls every constructor: with main's arguments, which lie at the top of the first stack. */
__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)envp;
	int error = errno;
	real_resolve();
	read_environment(argv);
	errno = error;
}

/* Of a program that ends by exit. */
__attribute__((destructor)) static void finish(void)
{
	int error = errno;
	sum_tell_all();
	errno = error;
}

#endif
