/* SPDX-License-Identifier: MIT */
/* Lives at its limits: little address space left, no descriptors left, files that may not grow, locked memory. */
#include "host.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

static void limit(int what, rlim_t n)
{
	struct rlimit l;
	HOST_CHECK(getrlimit(what, &l) == 0);
	l.rlim_cur = n < l.rlim_max ? n : l.rlim_max;
	HOST_CHECK(setrlimit(what, &l) == 0);
}

static size_t address_space(void)
{
	size_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	HOST_CHECK(f && fscanf(f, "%zu", &pages) == 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void show(const char *name, ssize_t result)
{
	printf("%s: %zd, errno %d\n", name, result, result < 0 ? errno : 0);
}

int main(void)
{
	host_start_server();
	int fd = host_connect();
	host_talk(fd, "unlimited");

	/* What is there stays, and 20 MiB more may come. */
	limit(RLIMIT_AS, address_space() + (20u << 20));
	char *p = malloc(8u << 20);
	printf("8 MiB: %s\n", p ? "there" : "refused");
	char *q = malloc(40u << 20);
	printf("40 MiB: %s\n", q ? "there" : "refused");
	if (p)
		memset(p, 1, 8u << 20);
	host_talk(fd, "little-memory");
	free(p);
	free(q);

	limit(RLIMIT_NOFILE, (rlim_t)fd + 1);
	show("no descriptor", dup(fd));
	show("no socket", socket(AF_INET, SOCK_STREAM, 0));
	host_talk(fd, "no-descriptors");
	limit(RLIMIT_NOFILE, 1024);

	signal(SIGXFSZ, SIG_IGN);
	limit(RLIMIT_FSIZE, 0);
	host_talk(fd, "no-files");
	char path[] = "/tmp/kvscope-limits-XXXXXX";
	int file = mkstemp(path);
	show("a file", write(file, "x", 1));
	close(file);
	unlink(path);

	limit(RLIMIT_MEMLOCK, 64u << 10);
	host_talk(fd, "nothing-locked");
	/* What is there and what comes: allowed or not, the same for it. */
	show("all locked", mlockall(MCL_CURRENT | MCL_FUTURE));
	host_talk(fd, "all-locked");
	limit(RLIMIT_STACK, 256u << 10);
	host_talk(fd, "small-stack");
	close(fd);
	return 0;
}
