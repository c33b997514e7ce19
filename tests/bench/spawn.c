/* SPDX-License-Identifier: MIT */
/* The time to start and end a child: spawn COUNT PROGRAM. Prints the lower quartile in microseconds. */
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	size_t count = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;
	uint64_t *times = calloc(count + 1, sizeof(*times));
	if (count == 0 || !times)
		return 2;
	char *const child[] = {argv[2], NULL};
	for (size_t i = 0; i < count; i++) {
		pid_t pid;
		int status;
		uint64_t begin = now_ns();
		if (posix_spawn(&pid, argv[2], NULL, NULL, child, environ) != 0 || waitpid(pid, &status, 0) != pid ||
		    status != 0)
			return 1;
		times[i] = now_ns() - begin;
	}
	qsort(times, count, sizeof(*times), by_size);
	printf("%.1f\n", (double)times[count / 4] / 1e3);
	return 0;
}
