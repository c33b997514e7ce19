/* SPDX-License-Identifier: MIT */
#ifndef TRACE_QUIET_WRITE_H
#define TRACE_QUIET_WRITE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * write(2) that fails with EFBIG or EPIPE where it would kill the process by SIGXFSZ or SIGPIPE. Their dispositions
 * cannot be changed for that: the wrapped command would inherit it. So they are held back around the call and taken off
 * after it.
 */
ssize_t quiet_write(int fd, const char *p, size_t n);
/* pwrite(2) likewise. */
ssize_t quiet_pwrite(int fd, const char *p, size_t n, off_t offset);

#endif
