/* SPDX-License-Identifier: MIT */
#include "run/preflight.h"

#include "run/elf_facts.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kernel gives up after as many `#!` lines that lead to each other. */
#define SHEBANG_DEPTH_MAX 5

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#error "preflight: which ELF machine is this?"
#endif

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes the next word off *rest; absent when there is none. */
static struct str next_word(struct str *rest)
{
	size_t at = 0;
	while (at < rest->n && is_blank(rest->p[at]))
		at++;
	size_t end = at;
	while (end < rest->n && !is_blank(rest->p[end]))
		end++;
	struct str word = end > at ? (struct str){rest->p + at, end - at} : STR_NONE;
	*rest = (struct str){rest->p + end, rest->n - end};
	return word;
}

int shebang_parse(struct str head, struct shebang *out)
{
	if (!str_starts(head, STR("#!")))
		return -1;
	struct str line = {head.p + 2, head.n - 2};
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] == '\n' || line.p[i] == '\0')
			line.n = i;
	while (line.n > 0 && is_blank(line.p[line.n - 1]))
		line.n--;
	struct str interpreter = next_word(&line);
	if (!interpreter.p)
		return -1;
	while (line.n > 0 && is_blank(line.p[0]))
		line = (struct str){line.p + 1, line.n - 1};
	*out = (struct shebang){interpreter, line};
	return 0;
}

struct str shebang_env_program(struct str argument)
{
	struct str rest = argument;
	for (;;) {
		struct str word = next_word(&rest);
		/* -S makes words of what follows, perhaps in the same word; the other options of `#!` lines take none.
		 */
		if (str_starts(word, STR("-S")) && word.n > 2)
			return (struct str){word.p + 2, word.n - 2};
		if (!word.p || (word.p[0] != '-' && !memchr(word.p, '=', word.n)))
			return word;
	}
}

/* 0 if it is a file that may be executed, else the errno that exec would give. */
static int executable(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return errno == EACCES ? EACCES : ENOENT;
	return S_ISREG(st.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : EACCES;
}

int program_find(const char *name, const char *path, char out[PATH_MAX])
{
	out[0] = '\0';
	if (!*name || strlen(name) >= PATH_MAX)
		return ENOENT;
	if (strchr(name, '/')) {
		snprintf(out, PATH_MAX, "%s", name);
		return executable(name);
	}
	int result = ENOENT;
	const char *at = path ? path : "/bin:/usr/bin";
	for (;;) {
		size_t n = strcspn(at, ":");
		char candidate[PATH_MAX];
		/* An empty element is the working directory. */
		int length = snprintf(candidate, sizeof(candidate), "%.*s%s%s", (int)n, at, n ? "/" : "./", name);
		if (length > 0 && (size_t)length < sizeof(candidate)) {
			int error = executable(candidate);
			if (error == 0) {
				snprintf(out, PATH_MAX, "%s", candidate);
				return 0;
			}
			if (error == EACCES && result == ENOENT) {
				snprintf(out, PATH_MAX, "%s", candidate);
				result = EACCES;
			}
		}
		if (!at[n])
			return result;
		at += n + 1;
	}
}

enum preflight_verdict preflight_secure(const struct exec_credentials *c)
{
	if (c->no_new_privileges)
		return PREFLIGHT_FINE;
	if ((c->mode & S_ISUID) && c->file_uid != c->uid)
		return PREFLIGHT_SETID;
	/* Without group execution the bit once meant mandatory locking. */
	if ((c->mode & S_ISGID) && (c->mode & S_IXGRP) && c->file_gid != c->gid)
		return PREFLIGHT_SETID;
	return c->file_capabilities && c->uid != 0 ? PREFLIGHT_CAPABILITIES : PREFLIGHT_FINE;
}

static int file_read_at(void *context, uint64_t offset, void *to, size_t n)
{
	const int *fd = context;
	if (offset > INT64_MAX - n)
		return -1;
	return pread(*fd, to, n, (off_t)offset) == (ssize_t)n ? 0 : -1;
}

static enum preflight_verdict file_secure(int fd)
{
	struct stat st;
	struct statvfs fs;
	if (fstat(fd, &st) < 0)
		return PREFLIGHT_FINE;
	bool nosuid = fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOSUID);
	struct exec_credentials c = {
		.mode = st.st_mode,
		.file_uid = st.st_uid,
		.file_gid = st.st_gid,
		.file_capabilities = fgetxattr(fd, "security.capability", NULL, 0) > 0,
		.no_new_privileges = nosuid || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
		.uid = getuid(),
		.gid = getgid(),
	};
	return preflight_secure(&c);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static enum preflight_verdict elf_verdict(const struct elf_facts *facts, const char *path)
{
	if (facts->machine != OWN_MACHINE && facts->class == ELFCLASS64)
		return PREFLIGHT_OTHER_MACHINE;
	if (facts->class != ELFCLASS64)
		return facts->machine == EM_386 || facts->machine == EM_ARM || facts->machine == OWN_MACHINE
			       ? PREFLIGHT_OTHER_CLASS
			       : PREFLIGHT_OTHER_MACHINE;
	if (strstr(facts->interpreter, "ld-musl"))
		return PREFLIGHT_MUSL;
	/* The loader itself, started as a program, has no interpreter and does honour LD_PRELOAD. */
	if (!facts->interpreter[0] && strncmp(base_name(path), "ld-linux", 8) != 0)
		return PREFLIGHT_STATIC;
	return PREFLIGHT_FINE;
}

/*
 * Looks at one file. Returns true if it is a script and out->program has become its interpreter; else the verdict is
 * final.
 */
static bool look_at_file(struct preflight *out)
{
	char head[SHEBANG_BYTES];
	struct elf_facts facts;
	struct shebang line;
	bool again = false;

	int fd = open(out->program, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) /* may be executed, but not read: nothing is known */
		return false;
	ssize_t n = pread(fd, head, sizeof(head), 0);
	if (n > 0 && shebang_parse((struct str){head, (size_t)n}, &line) == 0) {
		char interpreter[SHEBANG_BYTES];
		snprintf(interpreter, sizeof(interpreter), "%.*s", STR_FMT(line.interpreter));
		struct str wanted = line.interpreter;
		if (strcmp(base_name(interpreter), "env") == 0 && shebang_env_program(line.argument).p)
			wanted = shebang_env_program(line.argument);
		snprintf(out->asked, sizeof(out->asked), "%.*s", STR_FMT(wanted));
		int error = program_find(out->asked, getenv("PATH"), out->program);
		if (error)
			out->verdict = error == ENOENT ? PREFLIGHT_NOT_FOUND : PREFLIGHT_NOT_EXECUTABLE;
		again = error == 0;
		goto out;
	}
	struct byte_source source = {&fd, file_read_at};
	switch (elf_facts_read(&source, &facts)) {
	case ELF_READ:
		out->verdict = elf_verdict(&facts, out->program);
		out->needs_asan = facts.needs_asan;
		if (out->verdict == PREFLIGHT_FINE)
			out->verdict = file_secure(fd);
		break;
	case ELF_DAMAGED:
		out->verdict = PREFLIGHT_DAMAGED;
		break;
	case ELF_NOT_ELF: /* a script without `#!`: execvp hands it to the shell */
		break;
	}
out:
	close(fd);
	return again;
}

void preflight_look(const char *command, struct preflight *out)
{
	*out = (struct preflight){.verdict = PREFLIGHT_FINE};
	int error = program_find(command, getenv("PATH"), out->program);
	if (error) {
		out->verdict = error == ENOENT ? PREFLIGHT_NOT_FOUND : PREFLIGHT_NOT_EXECUTABLE;
		return;
	}
	for (int depth = 0; depth < SHEBANG_DEPTH_MAX && look_at_file(out); depth++)
		;
}

bool preflight_blind(const struct preflight *p)
{
	return p->verdict != PREFLIGHT_FINE;
}

void preflight_words(const struct preflight *p, const char *command, char *out, size_t out_bytes)
{
	static const char *const why[] = {
		[PREFLIGHT_FINE] = "",
		[PREFLIGHT_NOT_FOUND] = "was not found",
		[PREFLIGHT_NOT_EXECUTABLE] = "is not an executable file",
		[PREFLIGHT_STATIC] = "is statically linked and loads no libraries",
		[PREFLIGHT_MUSL] = "is built for musl and cannot load a library that is built for glibc",
		[PREFLIGHT_OTHER_CLASS] = "is a 32-bit program and cannot load a 64-bit library",
		[PREFLIGHT_OTHER_MACHINE] = "is built for another kind of machine",
		[PREFLIGHT_SETID] = "is setuid or setgid, so that the loader ignores LD_PRELOAD",
		[PREFLIGHT_CAPABILITIES] = "has file capabilities, so that the loader ignores LD_PRELOAD",
		[PREFLIGHT_DAMAGED] = "is a damaged ELF file",
	};
	const char *what = p->program[0] ? p->program : command;
	if (p->verdict == PREFLIGHT_FINE)
		out[0] = '\0';
	else if (p->asked[0])
		snprintf(out, out_bytes, "%s, which runs %s, %s", p->program[0] ? what : p->asked, command,
			 why[p->verdict]);
	else
		snprintf(out, out_bytes, "%s %s", what, why[p->verdict]);
}
