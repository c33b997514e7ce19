/* SPDX-License-Identifier: MIT */
/*
 * syscall(2) as a function: libuv closes sockets with it, so descriptors would be closed unseen without this hook. The
 * real syscall() makes the call in every case: the named functions are cancellation points, it is not.
 */
#include "hooks.h"
#include "real.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

EXPORTED long hook_syscall(long number, ...) __asm__("syscall");

#ifndef KVS_NOP

/* What a call was about, so that the code behind it need not decode its arguments again. */
struct call {
	enum { OTHER, SEND, RECV, CONNECT, DUP, CREATE, PAIR, SHUTDOWN, MOVE, IO_URING, CONFINE } kind;
	struct transfer transfer;
	int flags;
};

static void *pointer(long argument)
{
	void *p;
	memcpy(&p, &argument, sizeof(p));
	return p;
}

static struct call data_call(int kind, long fd, long flags)
{
	uint32_t slot = fd_slot((int)fd);
	struct call call = {.kind = OTHER};
	if (slot != 0) {
		call.kind = kind;
		call.transfer = kind == SEND ? send_begin((int)fd, slot) : recv_begin((int)fd, slot);
		call.flags = (int)flags;
	}
	return call;
}

static bool confines(long number, const long a[6])
{
	if (number == SYS_prctl)
		return a[0] == PR_SET_SECCOMP;
	return a[0] == SECCOMP_SET_MODE_STRICT || a[0] == SECCOMP_SET_MODE_FILTER;
}

/* With TSYNC, a positive result names the thread that stood against it; else it is a descriptor. */
static bool confined(long number, const long a[6], long result)
{
	return result == 0 || (result > 0 && number == SYS_seccomp && (a[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER));
}

static struct call before(long number, const long a[6])
{
	switch (number) {
	case SYS_close:
		follow_closing((int)a[0]);
		break;
	case SYS_close_range:
		if (!((unsigned)a[2] & CLOSE_RANGE_CLOEXEC))
			follow_closing_range((unsigned)a[0], (unsigned)a[1]);
		break;
	case SYS_write:
	case SYS_writev:
		return data_call(SEND, a[0], 0);
	case SYS_sendto:
		return data_call(SEND, a[0], a[3]);
	case SYS_sendmsg:
		return data_call(SEND, a[0], a[2]);
	case SYS_read:
	case SYS_readv:
		return data_call(RECV, a[0], 0);
	case SYS_recvfrom:
		return data_call(RECV, a[0], a[3]);
	case SYS_recvmsg:
		return data_call(RECV, a[0], a[2]);
	case SYS_connect:
		if (atomic_load_explicit(&shim.on, memory_order_acquire))
			return (struct call){.kind = CONNECT, .transfer = {.begin_ns = connect_begin()}};
		break;
	case SYS_dup:
#ifdef SYS_dup2
	case SYS_dup2:
#endif
	case SYS_dup3:
		return (struct call){.kind = DUP};
	case SYS_fcntl:
		return (struct call){.kind = a[1] == F_DUPFD || a[1] == F_DUPFD_CLOEXEC ? DUP : OTHER};
	case SYS_socket:
	case SYS_accept:
	case SYS_accept4:
		return (struct call){.kind = CREATE};
	case SYS_socketpair:
		return (struct call){.kind = PAIR};
	case SYS_shutdown:
		return (struct call){.kind = SHUTDOWN};
	case SYS_sendfile:
	case SYS_splice:
		return (struct call){.kind = MOVE};
	case SYS_io_uring_setup:
		return (struct call){.kind = IO_URING};
	case SYS_seccomp:
	case SYS_prctl:
		if (confines(number, a) && atomic_load_explicit(&shim.on, memory_order_relaxed))
			return (struct call){.kind = CONFINE, .transfer = {.begin_ns = confine_begin()}};
		break;
	default:
		break;
	}
	return (struct call){.kind = OTHER};
}

static struct view view_of(long number, const long a[6], struct iovec *one)
{
	const struct msghdr *m = pointer(a[1]);
	switch (number) {
	case SYS_writev:
	case SYS_readv:
		return VECTOR((const struct iovec *)pointer(a[1]), a[2]);
	case SYS_sendmsg:
	case SYS_recvmsg:
		return MESSAGE(m);
	default:
		*one = hook_iovec(pointer(a[1]), (size_t)a[2]);
		return (struct view){one, 1, 0};
	}
}

static void after(struct call *call, long number, const long a[6], long result)
{
	struct iovec one;
	const int *pair = pointer(a[3]);
	struct view none = {NULL, 0, 0};
	switch (call->kind) {
	case SEND:
		send_end(&call->transfer, result, result > 0 ? view_of(number, a, &one) : none, call->flags);
		break;
	case RECV:
		recv_end(&call->transfer, result, result >= 0 ? view_of(number, a, &one) : none, call->flags);
		break;
	case CONNECT:
		connect_end((int)a[0], pointer(a[1]), (socklen_t)a[2], call->transfer.begin_ns, (int)result);
		break;
	case DUP:
		dup_end((int)a[0], (int)result);
		break;
	case CREATE:
		create_end((int)result);
		break;
	case PAIR:
		if (result == 0) {
			create_end(pair[0]);
			create_end(pair[1]);
		}
		break;
	case SHUTDOWN:
		shutdown_end((int)a[0], (int)a[1], (int)result);
		break;
	case MOVE:
		if (number == SYS_splice)
			move_end((int)a[0], (int)a[2], result);
		else
			move_end((int)a[1], (int)a[0], result);
		break;
	case CONFINE:
		if (confined(number, a, result))
			confine_end(call->transfer.begin_ns);
		break;
	case IO_URING:
		if (result >= 0)
			blind_end(KVS_BLIND_IO_URING);
		break;
	default:
		break;
	}
}

#endif

EXPORTED long hook_syscall(long number, ...)
{
	/* Six longs, whatever the call takes: what is not passed is garbage that the kernel does not look at. */
	long a[6];
	va_list list;
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
#ifdef KVS_NOP
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
#else
	struct call call = before(number, a);
	long result = REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	after(&call, number, a, result);
	return result;
#endif
}
