/* SPDX-License-Identifier: MIT */
#include "collect/alive.h"

#include "base/array.h"
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_ended(int32_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static void forget(struct alive *a, size_t i)
{
	if (a->watch[i].fd >= 0) {
		close(a->watch[i].fd);
		a->npidfds--;
	}
	a->n--;
	a->process[i] = a->process[a->n];
	a->watch[i] = a->watch[a->n];
}

void alive_release(struct alive *a)
{
	while (a->n > 0)
		forget(a, a->n - 1);
	free(a->process);
	free(a->watch);
	*a = (struct alive){0};
}

int alive_watch(struct alive *a, int32_t pid)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->process[i].pid == pid)
			return 0; /* another program by exec */

	struct alive_process *process = array_grow(a->process, &a->process_capacity, a->n + 1, sizeof(*a->process));
	if (!process)
		return -1;
	a->process = process;
	struct pollfd *watch = array_grow(a->watch, &a->watch_capacity, a->n + 1, sizeof(*a->watch));
	if (!watch)
		return -1;
	a->watch = watch;

	int fd = a->npidfds < ALIVE_PIDFDS_MAX ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	a->npidfds += fd >= 0;
	bool gone = fd < 0 && has_ended(pid);
	a->process[a->n] = (struct alive_process){.pid = pid, .gone = gone, .gone_ns = gone ? clock_monotonic_ns() : 0};
	a->watch[a->n] = (struct pollfd){.fd = fd, .events = POLLIN};
	a->n++;
	return 0;
}

void alive_look(struct alive *a)
{
	if (a->n == 0)
		return;
	poll(a->watch, a->n, 0);
	for (size_t i = 0; i < a->n; i++) {
		struct alive_process *p = &a->process[i];
		p->gone = a->watch[i].fd >= 0 ? a->watch[i].revents != 0 : has_ended(p->pid);
		if (p->gone && p->gone_ns == 0)
			p->gone_ns = clock_monotonic_ns();
	}
}

void alive_retire(struct alive *a, void (*gone)(void *context, int32_t pid, uint64_t gone_ns), void *context)
{
	for (size_t i = 0; i < a->n;) {
		if (!a->process[i].gone) {
			i++;
			continue;
		}
		gone(context, a->process[i].pid, a->process[i].gone_ns);
		forget(a, i);
	}
}
