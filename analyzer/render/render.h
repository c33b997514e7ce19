/* SPDX-License-Identifier: MIT */
#ifndef RENDER_RENDER_H
#define RENDER_RENDER_H

/*
 * The prompt as the model gets it: the parts of a request in the order in which a backend's server and chat template
 * lay them out, without what they drop. Two requests share a cached prefix as far as their rendered pieces are equal.
 *
 * The wire view is rendering too, by rules that change nothing: canonical order (tools, system, messages), billing
 * block kept, everything in place; it shows what the client did, the rendered view what came of it.
 *
 * What is modelled are order, omission and masking of whole parts. The template's own words around them are constant
 * and left out; a rendered prompt's sizes are those of its parts.
 */

#include "base/digest.h"
#include "render/backend.h"
#include "trace/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum render_place { RENDER_HEAD_TOOLS, RENDER_HEAD_SYSTEM, RENDER_MESSAGES };

struct render_piece {
	enum render_place place;
	uint32_t part;        /* index in trace.parts */
	uint32_t message;     /* on the wire: index in messages[], tools[] or system[] */
	uint32_t index;       /* of the block in its message */
	bool moved;           /* not where the wire had it: a hoisted system turn */
	struct digest digest; /* equal for pieces that a model sees as equal, role and masking included */
	uint64_t bytes;       /* normalised */
	uint64_t before;      /* bytes of the pieces before it */
	uint64_t chain[2];    /* stands for the digests up to this one, mixed in one by one: 128 bits of them */
};

/* How far a rendering had come before a part of the prompt, so that it can go on from there. */
struct render_mark {
	uint64_t heads; /* stands for the tools and system parts before it */
	uint32_t pieces, dropped;
	uint32_t last_user; /* message index of the last turn in which the user himself spoke */
	bool refused;
};

struct rendered {
	struct render_piece *pieces;
	size_t n, capacity;
	uint64_t bytes;
	uint32_t dropped;          /* parts that are not rendered */
	bool refused;              /* the backend answers such a prompt with an error; rendered as if in place */
	size_t heads;              /* pieces up to the last one that is no message's */
	size_t kept;               /* pieces that are still those of the prompt rendered before in this place */
	struct render_mark *marks; /* per part of the prompt, and one for its end */
	size_t nmarks, marks_capacity;
};

/* The rules of the wire view. */
extern const struct render_rules render_wire;

/* Text of a part, appended to *out; 0 or -1 (not kept). What render needs where a rule masks text inside a part. */
typedef int render_text_fn(void *context, uint32_t part, struct buf *out);

/*
 * Renders the prompt parts of one request. Reuses the memory of *out, which starts zeroed and ends with
 * rendered_release. Returns 0, or -1: no memory. Time linear in n.
 */
int render_prompt(const struct render_rules *rules, const struct trace_part *parts,
		  const struct trace_prompt_part *prompt, size_t n, render_text_fn *text, void *context,
		  struct rendered *out) __attribute__((warn_unused_result));
/*
 * The same where *out holds an earlier prompt of the same trace, rendered by the same rules, that began with the same
 * `kept` parts. Costs time for what is new, unless the rules move what is new to the front.
 */
int render_continue(const struct render_rules *rules, const struct trace_part *parts,
		    const struct trace_prompt_part *prompt, size_t n, size_t kept, render_text_fn *text, void *context,
		    struct rendered *out) __attribute__((warn_unused_result));
void rendered_release(struct rendered *r);

/* Bytes of the first pieces. */
uint64_t rendered_bytes(const struct rendered *r, size_t pieces);
/* Pieces that both begin with. Time grows with the logarithm of their number. */
size_t rendered_common(const struct rendered *a, const struct rendered *b);

#endif
