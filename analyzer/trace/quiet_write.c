/* SPDX-License-Identifier: MIT */
#include "trace/quiet_write.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

/* offset -1: where the file stands. */
static ssize_t write_quietly(int fd, const char *p, size_t n, off_t offset)
{
	sigset_t deadly, before, pending;
	sigemptyset(&deadly);
	sigaddset(&deadly, SIGXFSZ);
	sigaddset(&deadly, SIGPIPE);
	sigemptyset(&pending);
	sigpending(&pending);
	if (pthread_sigmask(SIG_BLOCK, &deadly, &before) != 0)
		return -1;
	ssize_t written = offset < 0 ? write(fd, p, n) : pwrite(fd, p, n, offset);
	int e = errno;
	int sig = e == EFBIG ? SIGXFSZ : SIGPIPE;
	if (written < 0 && (e == EFBIG || e == EPIPE) && !sigismember(&pending, sig)) {
		sigset_t one;
		sigemptyset(&one);
		sigaddset(&one, sig);
		while (sigtimedwait(&one, NULL, &(struct timespec){0}) < 0 && errno == EINTR)
			continue;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = e;
	return written;
}

ssize_t quiet_write(int fd, const char *p, size_t n)
{
	return write_quietly(fd, p, n, -1);
}

ssize_t quiet_pwrite(int fd, const char *p, size_t n, off_t offset)
{
	return write_quietly(fd, p, n, offset);
}
