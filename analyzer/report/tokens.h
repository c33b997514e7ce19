/* SPDX-License-Identifier: MIT */
#ifndef REPORT_TOKENS_H
#define REPORT_TOKENS_H

/*
 * How many tokens a prompt has, and how sure that is.
 *
 * Reported: what the backend said. Anthropic's API counts input without cached tokens, so a prompt is input +
 * cache_read + cache_creation; OpenAI's input includes them.
 *
 * Estimated: bytes (normalised) divided by a ratio per kind of text. The defaults below are middling values for large
 * vocabularies and JSON-escaped text; where the same model's usage is reported for other requests of the trace, all
 * estimates for it are multiplied with what it reported over what was estimated there (TOKENS_SCALE_MIN..MAX; models
 * without a report take the factor of all others together).
 */

#include "exchange.h"
#include "lineage/names.h"
#include "report/units.h"

#include <stdint.h>

#define TOKENS_UNKNOWN INT64_C(-1)

#define TOKENS_TOOL_BYTES 4.0  /* bytes per token of tool definitions: JSON Schema and prose */
#define TOKENS_PROSE_BYTES 4.3 /* of system prompts and of what user and assistant say */
#define TOKENS_CODE_BYTES 3.4  /* of tool calls and their results: code, listings, paths */
#define TOKENS_IMAGE 1500.0    /* an image, whatever its bytes */
#define TOKENS_SCALE_MIN 0.25
#define TOKENS_SCALE_MAX 4.0

enum tokens_basis { TOKENS_NONE, TOKENS_REPORTED, TOKENS_ESTIMATED, TOKENS_MIXED };

/* "reported", "estimated", "mixed"; NULL for TOKENS_NONE. */
const char *tokens_basis_name(enum tokens_basis basis);
/* The label of a sum. */
enum tokens_basis tokens_basis_join(enum tokens_basis a, enum tokens_basis b);

/* units_count, with '~' before it where it is an estimate or has one in it; "-" where nothing of it is known. */
const char *tokens_count(enum tokens_basis basis, int64_t n, char out[UNITS_CHARS]);

/* Uncalibrated estimate for a part. */
double tokens_of_part(enum part_kind kind, enum block_type block, uint64_t bytes);

/* All tokens of the prompt as the backend reported them, or TOKENS_UNKNOWN. */
int64_t tokens_reported_prompt(const struct exchange *x);
/* Those of them that it says it took from its cache; absent is unknown, not 0. */
int64_t tokens_reported_cached(const struct exchange *x);

/* Calibration: what was reported and what had been estimated, per model. */
struct tokens_scale {
	struct names names;
	struct tokens_model *models; /* by number of their names */
	size_t capacity;
	double reported, estimated;
};

/* {0} is empty. model may be NULL. */
int tokens_scale_add(struct tokens_scale *s, const char *model, int64_t reported, double estimated)
	__attribute__((warn_unused_result));
double tokens_scale_for(const struct tokens_scale *s, const char *model);
void tokens_scale_release(struct tokens_scale *s);

#endif
