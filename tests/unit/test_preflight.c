/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/elf_facts.h"
#include "run/preflight.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#define OTHER_MACHINE EM_AARCH64
#else
#define OWN_MACHINE EM_AARCH64
#define OTHER_MACHINE EM_X86_64
#endif

/* ---- ELF files made by hand: header, three segments, dynamic section, strings, in this order */

struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segment[3];
	Elf64_Dyn dynamic[4];
	char interpreter[32];
	char strings[48];
};

#define BASE_ADDRESS 0x400000

static struct image dynamic_program(const char *interpreter, const char *library)
{
	struct image i = {
		.header =
			{
				.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
				.e_type = ET_EXEC,
				.e_machine = OWN_MACHINE,
				.e_phoff = offsetof(struct image, segment),
				.e_phentsize = sizeof(Elf64_Phdr),
				.e_phnum = 3,
			},
		.segment =
			{
				{.p_type = PT_LOAD, .p_vaddr = BASE_ADDRESS, .p_filesz = sizeof(struct image)},
				{.p_type = PT_INTERP,
				 .p_offset = offsetof(struct image, interpreter),
				 .p_filesz = strlen(interpreter) + 1},
				{.p_type = PT_DYNAMIC,
				 .p_offset = offsetof(struct image, dynamic),
				 .p_filesz = sizeof(i.dynamic)},
			},
		.dynamic =
			{
				{.d_tag = DT_NEEDED, .d_un.d_val = 1},
				{.d_tag = DT_NEEDED, .d_un.d_val = 11},
				{.d_tag = DT_STRTAB, .d_un.d_ptr = BASE_ADDRESS + offsetof(struct image, strings)},
				{.d_tag = DT_NULL},
			},
	};
	snprintf(i.interpreter, sizeof(i.interpreter), "%s", interpreter);
	/* "\0libc.so.6\0LIBRARY\0" */
	memcpy(i.strings + 1, "libc.so.6", 9);
	snprintf(i.strings + 11, sizeof(i.strings) - 11, "%s", library);
	return i;
}

/* The bytes end at a page that cannot be read. */
struct guarded {
	char *pages;
	size_t size;
	const char *bytes;
	size_t n;
};

static struct guarded guard(const void *bytes, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct guarded g = {.size = (n + page - 1) / page * page + page, .n = n};
	g.pages = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(g.pages != MAP_FAILED);
	assert_int_equal(mprotect(g.pages + g.size - page, page, PROT_NONE), 0);
	char *at = g.pages + g.size - page - n;
	memcpy(at, bytes, n);
	g.bytes = at;
	return g;
}

static int memory_read_at(void *context, uint64_t offset, void *to, size_t n)
{
	const struct guarded *g = context;
	if (offset > g->n || n > g->n - offset)
		return -1;
	memcpy(to, g->bytes + offset, n);
	return 0;
}

static enum elf_reading read_facts(const void *bytes, size_t n, struct elf_facts *out)
{
	struct guarded g = guard(bytes, n);
	struct byte_source source = {&g, memory_read_at};
	enum elf_reading r = elf_facts_read(&source, out);
	munmap(g.pages, g.size);
	return r;
}

static void test_facts(void **state)
{
	struct image i = dynamic_program("/lib64/ld-linux-x86-64.so.2", "libm.so.6");
	struct elf_facts f;
	(void)state;
	assert_int_equal(read_facts(&i, sizeof(i), &f), ELF_READ);
	assert_int_equal(f.class, ELFCLASS64);
	assert_int_equal(f.machine, OWN_MACHINE);
	assert_int_equal(f.type, ET_EXEC);
	assert_string_equal(f.interpreter, "/lib64/ld-linux-x86-64.so.2");
	assert_false(f.needs_asan);

	i = dynamic_program("/lib64/ld-linux-x86-64.so.2", "libasan.so.8");
	assert_int_equal(read_facts(&i, sizeof(i), &f), ELF_READ);
	assert_true(f.needs_asan);

	i.segment[1].p_type = PT_NOTE;
	assert_int_equal(read_facts(&i, sizeof(i), &f), ELF_READ);
	assert_string_equal(f.interpreter, "");
}

/* A file cut anywhere is damaged, or still tells the same; what lies behind its end is never read. */
static void test_cut_anywhere(void **state)
{
	struct image i = dynamic_program("/lib64/ld-linux-x86-64.so.2", "libasan.so.8");
	size_t whole = offsetof(struct image, interpreter) + strlen(i.interpreter) + 1;
	size_t needed = offsetof(struct image, strings) + 11 + strlen("libasan.so");
	(void)state;
	for (size_t n = 0; n <= sizeof(i); n++) {
		struct elf_facts f = {.machine = 4711};
		enum elf_reading r = read_facts(&i, n, &f);
		if (n < SELFMAG)
			assert_int_equal(r, ELF_NOT_ELF);
		else if (n < whole)
			assert_int_equal(r, ELF_DAMAGED);
		else
			assert_int_equal(r, ELF_READ);
		if (r != ELF_READ)
			assert_int_equal(f.machine, 4711); /* untouched */
		else
			assert_int_equal(f.needs_asan, n >= needed);
	}
}

static void test_absurd_fields(void **state)
{
	struct image good = dynamic_program("/lib64/ld-linux-x86-64.so.2", "libm.so.6"), i;
	struct elf_facts f;
	(void)state;

	i = good;
	i.header.e_phoff = UINT64_MAX - 8;
	assert_int_equal(read_facts(&i, sizeof(i), &f), ELF_DAMAGED);
	i = good;
	i.header.e_phentsize = 8;
	assert_int_equal(read_facts(&i, sizeof(i), &f), ELF_DAMAGED);
	i = good;
	i.header.e_phnum = 0;
	assert_int_equal(read_facts(&i, sizeof(i), &f), ELF_DAMAGED);
	i = good;
	i.header.e_phnum = UINT16_MAX;
	assert_int_equal(read_facts(&i, sizeof(i), &f), ELF_DAMAGED);
	i = good;
	i.segment[1].p_filesz = UINT64_MAX;
	assert_int_equal(read_facts(&i, sizeof(i), &f), ELF_DAMAGED);
	i = good;
	i.segment[1].p_filesz = 5; /* no terminator */
	assert_int_equal(read_facts(&i, sizeof(i), &f), ELF_DAMAGED);
	i = good;
	i.dynamic[2].d_un.d_ptr = 7; /* strings in no segment */
	assert_int_equal(read_facts(&i, sizeof(i), &f), ELF_DAMAGED);
	i = good;
	i.dynamic[1].d_un.d_val = UINT64_MAX; /* a name in no file */
	assert_int_equal(read_facts(&i, sizeof(i), &f), ELF_READ);
}

/* ---- `#!` lines */

static void test_shebang(void **state)
{
	static const struct {
		const char *line, *interpreter, *argument;
	} cases[] = {
		{"#!/bin/sh\necho", "/bin/sh", ""},
		{"#! /bin/sh -e\n", "/bin/sh", "-e"},
		{"#!\t/usr/bin/env \t node\n", "/usr/bin/env", "node"},
		{"#!/usr/bin/env -S node --flag  \n", "/usr/bin/env", "-S node --flag"},
		{"#!/bin/sh", "/bin/sh", ""},
		{"#!/bin/sh\r\n", "/bin/sh\r", ""},
	};
	struct shebang s;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guarded g = guard(cases[i].line, strlen(cases[i].line));
		assert_int_equal(shebang_parse((struct str){g.bytes, g.n}, &s), 0);
		assert_true(str_eq(s.interpreter, str_from(cases[i].interpreter)));
		assert_true(str_eq(s.argument, str_from(cases[i].argument)));
		munmap(g.pages, g.size);
	}
	static const char *const not_scripts[] = {"", "#", "#!", "#!\n/bin/sh", "#!  \t\n", "\177ELF", "echo"};
	for (size_t i = 0; i < sizeof(not_scripts) / sizeof(not_scripts[0]); i++)
		assert_int_equal(shebang_parse(str_from(not_scripts[i]), &s), -1);
}

static void test_env_program(void **state)
{
	static const char *const cases[][2] = {
		{"node", "node"},    {"-S node --flag", "node"}, {"-Snode --flag", "node"},
		{"-i node", "node"}, {"A=1 B=2 node x", "node"}, {"-S A=1 node", "node"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(str_eq(shebang_env_program(str_from(cases[i][0])), str_from(cases[i][1])));
	assert_null(shebang_env_program(STR("")).p);
	assert_null(shebang_env_program(STR("-i A=1")).p);
}

static void test_secure(void **state)
{
	struct exec_credentials plain = {.mode = 0755, .file_uid = 0, .file_gid = 0, .uid = 1000, .gid = 1000}, c;
	(void)state;
	assert_int_equal(preflight_secure(&plain), PREFLIGHT_FINE);
	c = plain, c.mode = 04755;
	assert_int_equal(preflight_secure(&c), PREFLIGHT_SETID);
	c.uid = 0; /* root gains nothing by it */
	assert_int_equal(preflight_secure(&c), PREFLIGHT_FINE);
	c = plain, c.mode = 04755, c.no_new_privileges = true;
	assert_int_equal(preflight_secure(&c), PREFLIGHT_FINE);
	c = plain, c.mode = 02755;
	assert_int_equal(preflight_secure(&c), PREFLIGHT_SETID);
	c.mode = 02745;
	assert_int_equal(preflight_secure(&c), PREFLIGHT_FINE);
	c = plain, c.file_capabilities = true;
	assert_int_equal(preflight_secure(&c), PREFLIGHT_CAPABILITIES);
	c.uid = 0;
	assert_int_equal(preflight_secure(&c), PREFLIGHT_FINE);
}

/* ---- on real files */

static char folder[] = "/tmp/kvs-test-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"program", "script", "script2", "link", "plain"};
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(names[i]);
	rmdir("directory");
	return chdir("/") == 0 ? rmdir(folder) : -1;
}

static void put(const char *name, const void *bytes, size_t n, mode_t mode)
{
	FILE *f = fopen(name, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
	assert_int_equal(chmod(name, mode), 0);
}

static void put_text(const char *name, const char *text)
{
	put(name, text, strlen(text), 0755);
}

static void looks(const char *command, enum preflight_verdict verdict, const char *words)
{
	struct preflight p;
	char said[PATH_MAX + 512];
	preflight_look(command, &p);
	assert_int_equal(p.verdict, verdict);
	preflight_words(&p, command, said, sizeof(said));
	assert_int_equal(preflight_blind(&p), verdict != PREFLIGHT_FINE);
	if (!strstr(said, words))
		fail_msg("\"%s\" does not say \"%s\"", said, words);
}

static void test_verdicts(void **state)
{
	struct image i = dynamic_program("/lib64/ld-linux-x86-64.so.2", "libm.so.6");
	(void)state;
	put("program", &i, sizeof(i), 0755);
	looks("./program", PREFLIGHT_FINE, "");

	i = dynamic_program("/lib/ld-musl-x86_64.so.1", "libm.so.6");
	put("program", &i, sizeof(i), 0755);
	looks("./program", PREFLIGHT_MUSL, "./program is built for musl");

	i.segment[1].p_type = PT_NOTE;
	put("program", &i, sizeof(i), 0755);
	looks("./program", PREFLIGHT_STATIC, "./program is statically linked");

	i.header.e_machine = OTHER_MACHINE;
	put("program", &i, sizeof(i), 0755);
	looks("./program", PREFLIGHT_OTHER_MACHINE, "another kind of machine");

	i.header.e_machine = EM_386;
	i.header.e_ident[EI_CLASS] = ELFCLASS32;
	put("program", &i, sizeof(Elf32_Ehdr), 0755);
	looks("./program", PREFLIGHT_OTHER_CLASS, "32-bit");

	i.header.e_ident[EI_DATA] = ELFDATA2MSB;
	i.header.e_machine = EM_PPC << 8;
	put("program", &i, sizeof(Elf32_Ehdr), 0755);
	looks("./program", PREFLIGHT_OTHER_MACHINE, "another kind of machine");

	put("program", "\177ELF", 4, 0755);
	looks("./program", PREFLIGHT_DAMAGED, "damaged");
	put("program", "echo hello\n", 11, 0755);
	looks("./program", PREFLIGHT_FINE, "");
	looks("no-such-command", PREFLIGHT_NOT_FOUND, "no-such-command was not found");
	put("plain", "x", 1, 0644);
	looks("./plain", PREFLIGHT_NOT_EXECUTABLE, "./plain is not an executable file");
	assert_int_equal(mkdir("directory", 0755), 0);
	looks("./directory", PREFLIGHT_NOT_EXECUTABLE, "");
	looks("", PREFLIGHT_NOT_FOUND, "");
	looks("/bin/sh", PREFLIGHT_FINE, "");
	looks("sh", PREFLIGHT_FINE, "");
}

static void test_scripts(void **state)
{
	struct image i = dynamic_program("/lib64/ld-linux-x86-64.so.2", "libasan.so.8");
	struct preflight p;
	char line[PATH_MAX + 64], old_path[PATH_MAX];
	(void)state;

	put("program", &i, sizeof(i), 0755);
	snprintf(line, sizeof(line), "#!%s/program\n", folder);
	put_text("script", line);
	preflight_look("./script", &p);
	assert_int_equal(p.verdict, PREFLIGHT_FINE);
	assert_true(p.needs_asan);

	i = dynamic_program("/lib/ld-musl-x86_64.so.1", "libm.so.6");
	put("program", &i, sizeof(i), 0755);
	snprintf(line, sizeof(line), "%s/program, which runs ./script, is built for musl", folder);
	looks("./script", PREFLIGHT_MUSL, line);

	/* A script whose interpreter is a script; and by a link. */
	snprintf(line, sizeof(line), "#!%s/script\n", folder);
	put_text("script2", line);
	looks("./script2", PREFLIGHT_MUSL, "program, which runs ./script2");
	assert_int_equal(symlink("script2", "link"), 0);
	looks("./link", PREFLIGHT_MUSL, "program, which runs ./link");

	/* By way of env and PATH. */
	snprintf(old_path, sizeof(old_path), "%s", getenv("PATH") ? getenv("PATH") : "");
	snprintf(line, sizeof(line), "/nowhere::%s", old_path);
	setenv("PATH", line, 1);
	put_text("script", "#!/usr/bin/env -S program --flag\n");
	looks("./script", PREFLIGHT_MUSL, "./program, which runs ./script,");
	looks("script", PREFLIGHT_MUSL, "");
	setenv("PATH", old_path, 1);
	looks("./script", PREFLIGHT_NOT_FOUND, "program, which runs ./script, was not found");

	/* A loop ends. */
	snprintf(line, sizeof(line), "#!%s/script\n", folder);
	put_text("script", line);
	looks("./script", PREFLIGHT_FINE, "");
	put_text("script", "#!/nowhere/sh\n");
	looks("./script", PREFLIGHT_NOT_FOUND, "/nowhere/sh, which runs ./script, was not found");
}

static void test_find(void **state)
{
	char out[PATH_MAX];
	(void)state;
	put_text("program", "#!/bin/sh\n");
	put("plain", "x", 1, 0644);
	assert_int_equal(program_find("program", "/nowhere:", out), 0);
	assert_string_equal(out, "./program");
	assert_int_equal(program_find("program", folder, out), 0);
	assert_int_equal(program_find("program", "/nowhere", out), ENOENT);
	assert_int_equal(program_find("plain", ":/nowhere", out), EACCES);
	assert_int_equal(program_find("plain/x", NULL, out), ENOENT);
	assert_int_equal(program_find("sh", NULL, out), 0);
	assert_string_equal(out, "/bin/sh");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),         cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_absurd_fields), cmocka_unit_test(test_shebang),
		cmocka_unit_test(test_env_program),   cmocka_unit_test(test_secure),
		cmocka_unit_test(test_verdicts),      cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_find),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder) != 0;
}
