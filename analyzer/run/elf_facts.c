/* SPDX-License-Identifier: MIT */
#include "run/elf_facts.h"

#include <elf.h>
#include <string.h>

enum { NEEDED_MAX = 128, NAME_MAX_BYTES = 24 };

struct segment {
	uint32_t type;
	uint64_t offset, vaddr, file_bytes;
};

static int read_at(const struct byte_source *s, uint64_t offset, void *to, size_t n)
{
	return s->read_at(s->context, offset, to, n);
}

static uint64_t little(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

static int read_segment(const struct byte_source *s, uint64_t offset, struct segment *out)
{
	uint8_t raw[sizeof(Elf64_Phdr)];
	if (read_at(s, offset, raw, sizeof(raw)) < 0)
		return -1;
	out->type = (uint32_t)little(raw + offsetof(Elf64_Phdr, p_type), 4);
	out->offset = little(raw + offsetof(Elf64_Phdr, p_offset), 8);
	out->vaddr = little(raw + offsetof(Elf64_Phdr, p_vaddr), 8);
	out->file_bytes = little(raw + offsetof(Elf64_Phdr, p_filesz), 8);
	return 0;
}

static int read_interpreter(const struct byte_source *s, const struct segment *segment, char out[ELF_INTERP_MAX])
{
	if (segment->file_bytes == 0 || segment->file_bytes > ELF_INTERP_MAX)
		return -1;
	if (read_at(s, segment->offset, out, (size_t)segment->file_bytes) < 0)
		return -1;
	return memchr(out, '\0', (size_t)segment->file_bytes) && out[0] ? 0 : -1;
}

/* Where in the file a virtual address lies; -1 if in none of the segments. */
static int file_offset(const struct segment *segments, size_t n, uint64_t vaddr, uint64_t *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct segment *s = &segments[i];
		if (s->type == PT_LOAD && vaddr >= s->vaddr && vaddr - s->vaddr < s->file_bytes) {
			*out = s->offset + (vaddr - s->vaddr);
			return 0;
		}
	}
	return -1;
}

static bool is_asan_runtime(const char *library)
{
	static const char *const names[] = {"libasan.so", "libclang_rt.asan"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(library, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* A name near the end of the file may be shorter than what we would like to compare. */
static void read_name(const struct byte_source *s, uint64_t offset, char out[NAME_MAX_BYTES])
{
	memset(out, 0, NAME_MAX_BYTES);
	for (size_t n = NAME_MAX_BYTES - 1; n > 0; n--)
		if (read_at(s, offset, out, n) == 0)
			return;
}

static int read_dynamic(const struct byte_source *s, const struct segment *segments, size_t n,
			const struct segment *dynamic, bool *needs_asan)
{
	uint64_t names[NEEDED_MAX];
	size_t nnames = 0;
	uint64_t table = 0, table_offset;

	for (uint64_t i = 0; i < dynamic->file_bytes / sizeof(Elf64_Dyn) && i < ELF_DYNAMIC_MAX; i++) {
		uint8_t raw[sizeof(Elf64_Dyn)];
		if (read_at(s, dynamic->offset + i * sizeof(raw), raw, sizeof(raw)) < 0)
			return -1;
		uint64_t tag = little(raw, 8), value = little(raw + 8, 8);
		if (tag == DT_NULL)
			break;
		if (tag == DT_STRTAB)
			table = value;
		if (tag == DT_NEEDED && nnames < NEEDED_MAX)
			names[nnames++] = value;
	}
	if (nnames == 0)
		return 0;
	if (file_offset(segments, n, table, &table_offset) < 0)
		return -1;
	for (size_t i = 0; i < nnames; i++) {
		char name[NAME_MAX_BYTES];
		read_name(s, table_offset + names[i], name);
		*needs_asan |= is_asan_runtime(name);
	}
	return 0;
}

static int read_segments(const struct byte_source *s, const uint8_t header[sizeof(Elf64_Ehdr)], struct elf_facts *out)
{
	struct segment segments[ELF_SEGMENTS_MAX];
	uint64_t at = little(header + offsetof(Elf64_Ehdr, e_phoff), 8);
	uint64_t size = little(header + offsetof(Elf64_Ehdr, e_phentsize), 2);
	size_t n = (size_t)little(header + offsetof(Elf64_Ehdr, e_phnum), 2);

	if (n == 0 || size < sizeof(Elf64_Phdr))
		return -1;
	if (n > ELF_SEGMENTS_MAX)
		n = ELF_SEGMENTS_MAX;
	for (size_t i = 0; i < n; i++)
		if (read_segment(s, at + i * size, &segments[i]) < 0)
			return -1;
	for (size_t i = 0; i < n; i++) {
		if (segments[i].type == PT_INTERP && read_interpreter(s, &segments[i], out->interpreter) < 0)
			return -1;
		if (segments[i].type == PT_DYNAMIC && read_dynamic(s, segments, n, &segments[i], &out->needs_asan) < 0)
			return -1;
	}
	return 0;
}

enum elf_reading elf_facts_read(const struct byte_source *source, struct elf_facts *out)
{
	uint8_t header[sizeof(Elf64_Ehdr)];
	if (read_at(source, 0, header, SELFMAG) < 0 || memcmp(header, ELFMAG, SELFMAG) != 0)
		return ELF_NOT_ELF;
	/* The 32-bit header is shorter; up to e_machine the two are alike. */
	if (read_at(source, 0, header, offsetof(Elf64_Ehdr, e_version)) < 0)
		return ELF_DAMAGED;

	bool swapped = header[EI_DATA] == ELFDATA2MSB;
	const uint8_t *type = header + offsetof(Elf64_Ehdr, e_type);
	const uint8_t *machine = header + offsetof(Elf64_Ehdr, e_machine);
	struct elf_facts facts = {
		.class = header[EI_CLASS],
		.data = header[EI_DATA],
		.type = (uint16_t)(swapped ? type[0] << 8 | type[1] : type[1] << 8 | type[0]),
		.machine = (uint16_t)(swapped ? machine[0] << 8 | machine[1] : machine[1] << 8 | machine[0]),
	};
	if (facts.class == ELFCLASS64 && facts.data == ELFDATA2LSB &&
	    (read_at(source, 0, header, sizeof(header)) < 0 || read_segments(source, header, &facts) < 0))
		return ELF_DAMAGED;
	*out = facts;
	return ELF_READ;
}
