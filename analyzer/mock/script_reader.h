/* SPDX-License-Identifier: MIT */
#ifndef MOCK_SCRIPT_READER_H
#define MOCK_SCRIPT_READER_H

/*
 * Reading a script: values and answers from JSON, mistakes as a sentence with their place. Functions return 0, or -1
 * having said what is wrong.
 */

#include "mock/answer.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the reader stands, for messages, and where they go. */
struct script_reader {
	char place[64]; /* "rule 2" */
	char *why;
	size_t why_bytes;
};

/* Returns -1. */
__attribute__((format(printf, 2, 3))) int script_wrong(struct script_reader *in, const char *format, ...);
int script_no_memory(struct script_reader *in);

bool script_key_is(const cJSON *v, const char *key);
int script_count(struct script_reader *in, const cJSON *v, uint64_t max, uint64_t *out);
/* Replaces *out, which the caller frees. */
int script_string(struct script_reader *in, const cJSON *v, char **out);

/* An answer by itself: a list of actions, or an object. */
int script_answer(struct script_reader *in, const cJSON *v, struct answer *a);
/* A key of an object that holds an answer among other things. Returns 1 if it is not one of the answer's. */
int script_answer_key(struct script_reader *in, const cJSON *v, struct answer *a);
/* To be called behind the last key of such an object. */
int script_answer_check(struct script_reader *in, const cJSON *object, struct answer *a);

#endif
