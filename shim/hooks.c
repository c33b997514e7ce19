/* SPDX-License-Identifier: MIT */
/*
 * The hooks: one per row of hooks.def, all of them enter → real call → record → leave. A private C name and an asm
 * label keep clear of what fortified and large-file headers make of the public ones.
 *
 * Compiled with KVS_NOP they only forward: what any preload costs, to compare with.
 */
#include "hooks.h"
#include "real.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <unistd.h>

#define DECLARE(type, name, prototype)                                                                                 \
	EXPORTED type hook_##name prototype __asm__(#name);                                                            \
	EXPORTED type hook_##name prototype

#define ARGUMENT(after)                                                                                                \
	va_list list;                                                                                                  \
	va_start(list, after);                                                                                         \
	long argument = va_arg(list, long);                                                                            \
	va_end(list)

#define ARGUMENTS(after)                                                                                               \
	unsigned long a[4];                                                                                            \
	va_list list;                                                                                                  \
	va_start(list, after);                                                                                         \
	for (int i = 0; i < 4; i++)                                                                                    \
		a[i] = va_arg(list, unsigned long);                                                                    \
	va_end(list)

#ifdef KVS_NOP

#define HOOK(type, name, prototype, arguments, early)                                                                  \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		return REAL(name) arguments;                                                                           \
	}
#define HOOK_CLOSEFROM(type, name, prototype, arguments, early)                                                        \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		REAL(name) arguments;                                                                                  \
	}
#define HOOK_FCNTL(type, name, prototype, arguments, early)                                                            \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		ARGUMENT(command);                                                                                     \
		return REAL(name) arguments;                                                                           \
	}
#define HOOK_PRCTL(type, name, prototype, arguments, early)                                                            \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		ARGUMENTS(option);                                                                                     \
		return REAL(name) arguments;                                                                           \
	}

#else

/*
 * What is not followed gets out of the way at once: the rest stands in a function of its own, so that nothing is put on
 * the stack for it here. That looks again, since the descriptor may have been closed meanwhile.
 */
#define HOOK_SEND(type, name, prototype, arguments, early, view, flags)                                                \
	static APART type followed_##name prototype                                                                    \
	{                                                                                                              \
		uint32_t slot = fd_slot(fd);                                                                           \
		if (slot == 0)                                                                                         \
			return REAL(name) arguments;                                                                   \
		struct transfer t = send_begin(fd, slot);                                                              \
		type result = REAL(name) arguments;                                                                    \
		send_end(&t, result, view, flags);                                                                     \
		return result;                                                                                         \
	}                                                                                                              \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		return LIKELY(fd_slot(fd) == 0) ? REAL(name) arguments : followed_##name arguments;                    \
	}
#define HOOK_RECV(type, name, prototype, arguments, early, view, flags)                                                \
	static APART type followed_##name prototype                                                                    \
	{                                                                                                              \
		uint32_t slot = fd_slot(fd);                                                                           \
		if (slot == 0)                                                                                         \
			return REAL(name) arguments;                                                                   \
		struct transfer t = recv_begin(fd, slot);                                                              \
		type result = REAL(name) arguments;                                                                    \
		recv_end(&t, result, view, flags);                                                                     \
		return result;                                                                                         \
	}                                                                                                              \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		return LIKELY(fd_slot(fd) == 0) ? REAL(name) arguments : followed_##name arguments;                    \
	}
/* Descriptors travel through sockets that are not followed, too. */
#define HOOK_SENDMSG(type, name, prototype, arguments, early)                                                          \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		uint32_t slot = fd_slot(fd);                                                                           \
		struct transfer t = {0};                                                                               \
		if (slot != 0)                                                                                         \
			t = send_begin(fd, slot);                                                                      \
		type result = REAL(name) arguments;                                                                    \
		if (slot != 0)                                                                                         \
			send_end(&t, result, result > 0 ? MESSAGE(m) : (struct view){NULL, 0, 0}, flags);              \
		if (result >= 0)                                                                                       \
			rights_end(m, true);                                                                           \
		return result;                                                                                         \
	}
#define HOOK_RECVMSG(type, name, prototype, arguments, early)                                                          \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		uint32_t slot = fd_slot(fd);                                                                           \
		struct transfer t = {0};                                                                               \
		if (slot != 0)                                                                                         \
			t = recv_begin(fd, slot);                                                                      \
		type result = REAL(name) arguments;                                                                    \
		if (slot != 0)                                                                                         \
			recv_end(&t, result, result >= 0 ? MESSAGE(m) : (struct view){NULL, 0, 0}, flags);             \
		if (result >= 0)                                                                                       \
			rights_end(m, false);                                                                          \
		return result;                                                                                         \
	}
#define HOOK_SENDMM(type, name, prototype, arguments, early)                                                           \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		uint32_t slot = fd_slot(fd);                                                                           \
		if (LIKELY(slot == 0)) {                                                                               \
			type result = REAL(name) arguments;                                                            \
			for (type i = 0; i < result; i++)                                                              \
				rights_end(&m[i].msg_hdr, true);                                                       \
			return result;                                                                                 \
		}                                                                                                      \
		struct transfer t = send_begin(fd, slot);                                                              \
		type result = REAL(name) arguments;                                                                    \
		sendmm_end(&t, result, m, flags);                                                                      \
		return result;                                                                                         \
	}
#define HOOK_RECVMM(type, name, prototype, arguments, early)                                                           \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		uint32_t slot = fd_slot(fd);                                                                           \
		struct transfer t = recv_begin(fd, slot);                                                              \
		type result = REAL(name) arguments;                                                                    \
		if (slot != 0)                                                                                         \
			recvmm_end(&t, result, m, flags);                                                              \
		for (type i = 0; i < result; i++)                                                                      \
			rights_end(&m[i].msg_hdr, false);                                                              \
		return result;                                                                                         \
	}
#define HOOK_CONNECT(type, name, prototype, arguments, early)                                                          \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		if (!atomic_load_explicit(&shim.on, memory_order_acquire))                                             \
			return REAL(name) arguments;                                                                   \
		uint64_t begin_ns = connect_begin();                                                                   \
		type result = REAL(name) arguments;                                                                    \
		connect_end(fd, to, to_bytes, begin_ns, result);                                                       \
		return result;                                                                                         \
	}
#define HOOK_CLOSE(type, name, prototype, arguments, early)                                                            \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		if (!LIKELY(fd_slot(fd) == 0))                                                                         \
			follow_closing(fd);                                                                            \
		return REAL(name) arguments;                                                                           \
	}
#define HOOK_CLOSE_RANGE(type, name, prototype, arguments, early)                                                      \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		if (!((unsigned)flags & CLOSE_RANGE_CLOEXEC))                                                          \
			follow_closing_range(first, last);                                                             \
		return REAL(name) arguments;                                                                           \
	}
#define HOOK_CLOSEFROM(type, name, prototype, arguments, early)                                                        \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		follow_closing_range(first > 0 ? (unsigned)first : 0, ~0U);                                            \
		REAL(name) arguments;                                                                                  \
	}
#define HOOK_DUP(type, name, prototype, arguments, early)                                                              \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		type result = REAL(name) arguments;                                                                    \
		dup_end(fd, result);                                                                                   \
		return result;                                                                                         \
	}
#define HOOK_DUP_TO HOOK_DUP
#define HOOK_FCNTL(type, name, prototype, arguments, early)                                                            \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		ARGUMENT(command);                                                                                     \
		type result = REAL(name) arguments;                                                                    \
		if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)                                                  \
			dup_end(fd, result);                                                                           \
		return result;                                                                                         \
	}
#define HOOK_CREATE(type, name, prototype, arguments, early)                                                           \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		type result = REAL(name) arguments;                                                                    \
		create_end(result);                                                                                    \
		return result;                                                                                         \
	}
#define HOOK_CREATE_PAIR(type, name, prototype, arguments, early)                                                      \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		type result = REAL(name) arguments;                                                                    \
		if (result == 0) {                                                                                     \
			create_end(pair[0]);                                                                           \
			create_end(pair[1]);                                                                           \
		}                                                                                                      \
		return result;                                                                                         \
	}
#define HOOK_SHUTDOWN(type, name, prototype, arguments, early)                                                         \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		type result = REAL(name) arguments;                                                                    \
		shutdown_end(fd, how, result);                                                                         \
		return result;                                                                                         \
	}
#define HOOK_MOVE(type, name, prototype, arguments, early, in, out)                                                    \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		type result = REAL(name) arguments;                                                                    \
		move_end(in, out, result);                                                                             \
		return result;                                                                                         \
	}

#define HOOK_STREAM(type, name, prototype, arguments, early)                                                           \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		type result = REAL(name) arguments;                                                                    \
		if (result)                                                                                            \
			stream_end(fd);                                                                                \
		return result;                                                                                         \
	}
#define HOOK_PRCTL(type, name, prototype, arguments, early)                                                            \
	DECLARE(type, name, prototype)                                                                                 \
	{                                                                                                              \
		ARGUMENTS(option);                                                                                     \
		if (LIKELY(option != PR_SET_SECCOMP) || !atomic_load_explicit(&shim.on, memory_order_relaxed))         \
			return REAL(name) arguments;                                                                   \
		uint64_t begin_ns = confine_begin();                                                                   \
		type result = REAL(name) arguments;                                                                    \
		if (result == 0)                                                                                       \
			confine_end(begin_ns);                                                                         \
		return result;                                                                                         \
	}

#endif

/* By number: in hook_syscall.c. */
#define HOOK_SYSCALL(type, name, prototype, arguments, early)

#include "hooks.def"
