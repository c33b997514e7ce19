/* SPDX-License-Identifier: MIT */
#ifndef RUN_PREFLIGHT_H
#define RUN_PREFLIGHT_H

/*
 * A look at the program before it starts: will the loader put our library into it? Follows PATH and `#!` lines
 * (`/usr/bin/env NAME` too) down to the file that the kernel will load. Never decides anything: the program is started
 * whatever is found, and exec has the last word on whether it exists.
 */

#include "base/str.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum preflight_verdict {
	PREFLIGHT_FINE,
	PREFLIGHT_NOT_FOUND,
	PREFLIGHT_NOT_EXECUTABLE,
	PREFLIGHT_STATIC,        /* no loader, no preload */
	PREFLIGHT_MUSL,          /* a loader that cannot take a library built for glibc */
	PREFLIGHT_OTHER_CLASS,   /* 32 bits */
	PREFLIGHT_OTHER_MACHINE, /* runs by emulation, if at all */
	PREFLIGHT_SETID,         /* setuid or setgid: the loader ignores LD_PRELOAD */
	PREFLIGHT_CAPABILITIES,  /* file capabilities: the same */
	PREFLIGHT_DAMAGED,       /* an ELF file with impossible contents */
};

struct preflight {
	enum preflight_verdict verdict;
	bool needs_asan;        /* AddressSanitizer insists on being loaded first, unless told otherwise */
	char program[PATH_MAX]; /* the file that is loaded: the interpreter of a script */
	char asked[256];        /* set if it is not the command itself: what a `#!` line asks for */
};

void preflight_look(const char *command, struct preflight *out);
/* One line without a final stop about why nothing will be seen; "" where nothing stands against it. */
void preflight_words(const struct preflight *p, const char *command, char *out, size_t out_bytes);
/* True if requests of this program cannot be seen. */
bool preflight_blind(const struct preflight *p);

/* ---- the parts, for tests */

#define SHEBANG_BYTES 256 /* as many as the kernel reads */

struct shebang {
	struct str interpreter;
	struct str argument; /* the rest of the line, unsplit as the kernel hands it on; empty: none */
};

/* 0, or -1 if the bytes (the first SHEBANG_BYTES of a file) are no `#!` line. Views into head. */
int shebang_parse(struct str head, struct shebang *out);
/* The program that `env ARGUMENT` starts; absent if it starts none. A view into argument. */
struct str shebang_env_program(struct str argument);
/*
 * The file that execvp would start, in out. Returns 0, else ENOENT, or EACCES with the file that may not be executed.
 * path: as in $PATH, NULL for the system's default.
 */
int program_find(const char *name, const char *path, char out[PATH_MAX]);

/* What decides whether the kernel starts a program in secure mode. */
struct exec_credentials {
	mode_t mode; /* of the file */
	uid_t file_uid;
	gid_t file_gid;
	bool file_capabilities;
	bool no_new_privileges; /* of the process, or a nosuid mount */
	uid_t uid, gid;         /* real ones, of the process */
};
enum preflight_verdict preflight_secure(const struct exec_credentials *c);

#endif
