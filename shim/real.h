/* SPDX-License-Identifier: MIT */
#ifndef SHIM_REAL_H
#define SHIM_REAL_H

/*
 * The functions behind the hooks. Until real_resolve has run, each is a plain system call: constructors of other
 * libraries run before ours and may talk already, and dlsym inside a hook can deadlock in an allocator's start.
 */

#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct real {
#define HOOK(type, name, prototype, arguments, early) type(*name) prototype;
#include "hooks.def"
#undef HOOK
};

extern struct real real;

/* Relaxed: threads of earlier constructors may call while real_resolve stores; either value is right. */
#define REAL(name) __atomic_load_n(&real.name, __ATOMIC_RELAXED)

/* dlsym for every name: the constructor's business alone. */
void real_resolve(void);

#endif
