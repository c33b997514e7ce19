/* SPDX-License-Identifier: MIT */
#include "trace/words.h"

#include <assert.h>
#include <string.h>

static const char *const grades[] = {
	[GRADE_EXACT] = "exact",
	[GRADE_RECORD_LEVEL] = "record-level",
	[GRADE_DEGENERATE] = "degenerate",
};

/* A new reason needs a word here and in the schema. */
static_assert(KVS_DROP_REASONS == KVS_DROP_UNDECIDED + 1, "a reason without a word");
const char *const loss_drop_names[KVS_DROP_REASONS] = {
	[KVS_DROP_FULL] = "full",         [KVS_DROP_NESTED] = "nested",     [KVS_DROP_CONNS] = "connections",
	[KVS_DROP_IDENTITY] = "identity", [KVS_DROP_INTERNAL] = "internal", [KVS_DROP_UNDECIDED] = "undecided",
};

const char *const loss_blind_names[LOSS_BLIND_NAMES] = {
	[KVS_BLIND_IO_URING] = "io_uring", [KVS_BLIND_SENDFILE] = "sendfile", [KVS_BLIND_PASSED] = "passed",
	[KVS_BLIND_STDIO] = "stdio",       [KVS_BLIND_SANDBOX] = "sandbox",   [KVS_BLIND_CHILD] = "child",
};

const char *const *capture_changes(const char *capture_mode)
{
	static const char *const none[] = {NULL};
	/* In the words of docs/trace-format.md, "What a way of capture changes". */
	static const char *const relay[] = {"base_url", "host", "tls", "http1", "latency", NULL};
	return capture_mode && strcmp(capture_mode, "relay") == 0 ? relay : none;
}

const char *timing_grade_name(enum timing_grade grade)
{
	return grades[grade];
}

int timing_grade_from_name(struct str name)
{
	for (int i = 0; i < (int)(sizeof(grades) / sizeof(*grades)); i++)
		if (str_eq(str_from(grades[i]), name))
			return i;
	return -1;
}
