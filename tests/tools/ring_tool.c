/* SPDX-License-Identifier: MIT */
/*
 * A ring for tests of the shim without the rest of the program:
 *
 *     ring-tool create BYTES     makes a ring, prints its path
 *     ring-tool dump RING        takes all records out of it, one line of JSON each, then one with the counters
 *     ring-tool drain RING       the same without the records: only how many they were
 *     ring-tool remove RING
 */
#include "collect/ring_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *type_name(unsigned type)
{
	static const char *const names[] = {"?",   "process", "connect",  "class", "send", "recv",
					    "eof", "error",   "shutdown", "close", "blind"};
	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

static void print_record(const struct kvs_record *r, struct str payload)
{
	printf("{\"type\":\"%s\",\"flags\":%u,\"arg\":%u,\"pid\":%d,\"tid\":%d,\"fd\":%d,\"conn\":%llu,\"offset\":%llu,"
	       "\"wire_bytes\":%llu,\"time_ns\":%llu,\"end_ns\":%llu,\"payload\":\"",
	       type_name(r->type), r->flags, r->arg, r->pid, r->tid, r->fd, (unsigned long long)r->conn,
	       (unsigned long long)r->offset, (unsigned long long)r->wire_bytes, (unsigned long long)r->time_ns,
	       (unsigned long long)r->end_ns);
	for (size_t i = 0; i < payload.n; i++)
		printf("%02x", (unsigned char)payload.p[i]);
	printf("\"}\n");
}

static int dump(const char *path, bool records)
{
	static const char *const reasons[] = {"full", "nested", "conns", "identity", "internal", "undecided"};
	char error[512];
	struct ring_reader *r;
	const struct kvs_record *record;
	struct str payload;
	struct ring_loss loss;
	int result;
	uint64_t n = 0;
	if (ring_reader_open(path, &r, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	ring_reader_settle(r);
	while ((result = ring_reader_next(r, &record, &payload)) > 0) {
		n++;
		if (records)
			print_record(record, payload);
	}
	ring_reader_loss(r, &loss);
	printf("{\"type\":\"loss\",\"records\":%llu,\"corrupt\":%s,\"bytes\":%llu,\"voided\":%llu,\"processes\":%llu,"
	       "\"foreign_pidns\":%llu,\"passthrough\":%llu",
	       (unsigned long long)n, result < 0 ? "true" : "false", (unsigned long long)loss.dropped_bytes,
	       (unsigned long long)loss.voided, (unsigned long long)loss.processes,
	       (unsigned long long)loss.foreign_pidns, (unsigned long long)loss.passthrough);
	for (int i = 0; i < KVS_DROP_REASONS; i++)
		printf(",\"%s\":%llu", reasons[i], (unsigned long long)loss.dropped[i]);
	printf("}\n");
	ring_reader_close(r);
	return 0;
}

int main(int argc, char **argv)
{
	char error[512];
	char *path;
	if (argc == 3 && strcmp(argv[1], "create") == 0) {
		if (ring_create(strtoull(argv[2], NULL, 10), &path, error, sizeof(error)) < 0) {
			fprintf(stderr, "%s\n", error);
			return 1;
		}
		puts(path);
		free(path);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "dump") == 0)
		return dump(argv[2], true);
	if (argc == 3 && strcmp(argv[1], "drain") == 0)
		return dump(argv[2], false);
	if (argc == 3 && strcmp(argv[1], "remove") == 0) {
		ring_remove(argv[2]);
		return 0;
	}
	fprintf(stderr, "usage: ring-tool create BYTES | dump RING | drain RING | remove RING\n");
	return 2;
}
