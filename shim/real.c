/* SPDX-License-Identifier: MIT */
#include "real.h"

#include "raw.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

/* As libc returns: -1 and errno. */
static long libc_result(long kernel_result)
{
	if (kernel_result < 0 && kernel_result >= -4095) {
		errno = (int)-kernel_result;
		return -1;
	}
	return kernel_result;
}

/* The one system call libc makes for dup2 where the kernel has none: dup3, but equal numbers are no error. */
static long dup_onto(int fd, int to)
{
	if (fd == to) {
		long r = RAW(fcntl, fd, F_GETFD, 0, 0, 0, 0);
		return r < 0 ? r : fd;
	}
	return RAW(dup3, fd, to, 0, 0, 0, 0);
}

/* The check of the fortified variants is the real function's; before it is known, no more is read than fits. */
#define SMALLER(a, b) ((a) < (b) ? (a) : (b))

#define EARLY(name, a, b, c, d, e, f) result = RAW(name, a, b, c, d, e, f);
#define EARLY_DUP2(fd, to) result = dup_onto(fd, to);
#define EARLY_FCNTL(fd, command)                                                                                       \
	va_list list;                                                                                                  \
	va_start(list, command);                                                                                       \
	long argument = va_arg(list, long);                                                                            \
	va_end(list);                                                                                                  \
	result = RAW(fcntl, fd, command, argument, 0, 0, 0);
#define EARLY_SYSCALL(number)                                                                                          \
	va_list list;                                                                                                  \
	va_start(list, number);                                                                                        \
	long a[6];                                                                                                     \
	for (int i = 0; i < 6; i++)                                                                                    \
		a[i] = va_arg(list, long);                                                                             \
	va_end(list);                                                                                                  \
	result = raw_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);

#define EARLY_PRCTL(option)                                                                                            \
	va_list list;                                                                                                  \
	va_start(list, option);                                                                                        \
	unsigned long a[4];                                                                                            \
	for (int i = 0; i < 4; i++)                                                                                    \
		a[i] = va_arg(list, unsigned long);                                                                    \
	va_end(list);                                                                                                  \
	result = RAW(prctl, option, a[0], a[1], a[2], a[3], 0);

/* No system call can stand in for this one, but libc has it under a second name. */
FILE *_IO_fdopen(int fd, const char *mode);
#define EARLY_FDOPEN(fd, mode) return _IO_fdopen(fd, mode);

#define HOOK(type, name, prototype, arguments, early)                                                                  \
	static type early_##name prototype                                                                             \
	{                                                                                                              \
		long result;                                                                                           \
		early;                                                                                                 \
		return (type)libc_result(result);                                                                      \
	}
#define HOOK_STREAM(type, name, prototype, arguments, early)                                                           \
	static type early_##name prototype                                                                             \
	{                                                                                                              \
		early;                                                                                                 \
	}
#define HOOK_CLOSEFROM(type, name, prototype, arguments, early)                                                        \
	static type early_##name prototype                                                                             \
	{                                                                                                              \
		long result;                                                                                           \
		early;                                                                                                 \
		libc_result(result);                                                                                   \
	}
#include "hooks.def"
#undef HOOK

struct real real = {
#define HOOK(type, name, prototype, arguments, early) .name = early_##name,
#include "hooks.def"
#undef HOOK
};

void real_resolve(void)
{
#define HOOK(type, name, prototype, arguments, early)                                                                  \
	{                                                                                                              \
		void *found = dlsym(RTLD_NEXT, #name);                                                                 \
		type(*function) prototype;                                                                             \
		memcpy(&function, &found, sizeof(function));                                                           \
		if (found)                                                                                             \
			__atomic_store_n(&real.name, function, __ATOMIC_RELAXED);                                      \
	}
#include "hooks.def"
#undef HOOK
}
