/* SPDX-License-Identifier: MIT */
#ifndef RUN_ELF_FACTS_H
#define RUN_ELF_FACTS_H

/*
 * What an ELF file says about how it will be loaded: the few facts that decide whether LD_PRELOAD reaches it. Reads a
 * handful of small pieces through a callback (the native client is a file of 200 MB), never maps the file: one that is
 * cut while we look must not kill us.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_INTERP_MAX 256
/* Entries beyond these are not looked at; real programs have a dozen segments and a few dozen dynamic entries. */
#define ELF_SEGMENTS_MAX 128
#define ELF_DYNAMIC_MAX 1024

struct byte_source {
	void *context;
	/* Puts exactly n bytes from offset into to. Returns 0, or -1 if the source does not have them all. */
	int (*read_at)(void *context, uint64_t offset, void *to, size_t n);
};

struct elf_facts {
	uint8_t class; /* ELFCLASS32, ELFCLASS64 */
	uint8_t data;  /* ELFDATA2LSB, ELFDATA2MSB */
	uint16_t machine;
	uint16_t type; /* ET_EXEC, ET_DYN, … */
	/* The rest is read from 64-bit little-endian files only: no other kind can load our library anyway. */
	char interpreter[ELF_INTERP_MAX]; /* "": none, the program is static */
	bool needs_asan;                  /* the AddressSanitizer runtime is one of its libraries */
};

enum elf_reading { ELF_READ, ELF_NOT_ELF, ELF_DAMAGED };

/* *out is set only for ELF_READ. */
enum elf_reading elf_facts_read(const struct byte_source *source, struct elf_facts *out);

#endif
