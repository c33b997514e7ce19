/* SPDX-License-Identifier: MIT */
#include "run/elf_facts.h"
#include "run/preflight.h"

/*
 * A program that is looked at before it starts may be any file: the ELF header and the `#!` line. Nothing is read
 * beyond the file, and what is told of it lies within.
 */

#include <stdlib.h>
#include <string.h>

struct file {
	const uint8_t *p;
	size_t n;
};

static int read_at(void *context, uint64_t offset, void *to, size_t n)
{
	const struct file *f = context;
	if (offset > f->n || n > f->n - offset)
		return -1;
	memcpy(to, f->p + offset, n);
	return 0;
}

static void within(struct str inner, struct str outer)
{
	if (inner.n && (inner.p < outer.p || inner.n > outer.n || (size_t)(inner.p - outer.p) > outer.n - inner.n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct file file = {data, n};
	const struct byte_source source = {&file, read_at};
	struct elf_facts facts;
	struct shebang line;
	struct str head = {(const char *)data, n < SHEBANG_BYTES ? n : SHEBANG_BYTES};

	if (elf_facts_read(&source, &facts) == ELF_READ && memchr(facts.interpreter, 0, ELF_INTERP_MAX) == NULL)
		abort();
	if (shebang_parse(head, &line) == 0) {
		within(line.interpreter, head);
		within(line.argument, head);
		within(shebang_env_program(line.argument), line.argument);
	}
	return 0;
}
