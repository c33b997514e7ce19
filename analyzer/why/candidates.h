/* SPDX-License-Identifier: MIT */
#ifndef WHY_CANDIDATES_H
#define WHY_CANDIDATES_H

/*
 * The verdicts where the backend is neither given nor recognised: one per candidate, equal ones as one. Candidates are
 * all engines, in the newest version known, with all templates, or with that of the model's name.
 *
 * Engines whose rules come to the same for these traces (no thinking in them: whether it is dropped; no tools: where
 * they go) are judged once. What remains is merged where the same requests miss for the same causes. Granularity of
 * reuse is taken as the coarsest of all: what is less than a block of it is not called a loss.
 *
 * A candidate is ruled out where the session's answers say that it was not that one: it would have refused a prompt
 * that was answered, or could not have reused as much as was reported.
 */

#include "why/why.h"

struct why_verdicts {
	struct why *list; /* the ones to believe first: see why_verdicts_build */
	size_t n;
	size_t ncandidates;
	struct backend *refusing; /* candidates that would have refused prompts that were answered; in no verdict */
	size_t nrefusing;
	uint64_t refused; /* prompts, at most */
};

/*
 * Sorted: those that are ruled out last, then by how many misses the rules do not explain, then by the tokens that are
 * lost, most first. One at least is not ruled out. Returns 0, or -1 with one line in error. why_verdicts_release in
 * either case.
 */
int why_verdicts_build(struct report *report, struct why_verdicts *out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
/* The one of a backend. rules: what it does to a prompt, NULL: as in the tables. */
int why_verdicts_one(struct report *report, const struct backend *backend, const struct render_rules *rules,
		     struct why_verdicts *out, char *error, size_t error_bytes) __attribute__((warn_unused_result));
void why_verdicts_release(struct why_verdicts *v);

/* Verdicts that are not ruled out; they stand first. */
size_t why_verdicts_open(const struct why_verdicts *v);

/*
 * "vllm/sglang+qwen3, ollama, mlx-lm but +glm": an engine with all templates by its name, with most by what is missing;
 * those with the same templates together. Appends.
 */
void why_backends_names(const struct backend *list, size_t n, struct buf *to);
/* The same for those of a verdict; "any backend" where it is all there are. */
void why_names(const struct why *w, struct buf *to);

#endif
