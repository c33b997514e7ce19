/* SPDX-License-Identifier: MIT */
#ifndef RENDER_RENDER_H
#define RENDER_RENDER_H

/*
 * The prompt as the model gets it: the parts of a request in the order in which a backend's server and chat template
 * lay them out, without what they drop. Two requests share a cached prefix as far as their rendered pieces are equal.
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

/* What a piece is, besides its place. */
enum piece_class {
	PIECE_BILLING = 1,
	PIECE_TOOL = 2,
	PIECE_MOVED = 4, /* not where the wire had it: a hoisted system turn */
	PIECE_THINKING = 8,
};

struct render_piece {
	enum render_place place;
	uint32_t part;        /* index in trace.parts */
	uint32_t message;     /* on the wire: index in messages[], tools[] or system[] */
	uint32_t index;       /* of the block in its message */
	uint32_t classes;     /* enum piece_class */
	struct digest digest; /* equal for pieces that a model sees as equal, role and masking included */
	uint64_t bytes;       /* normalised */
	/* Of the pieces before it in its run: */
	uint64_t before;                          /* bytes */
	uint64_t before_billing, before_thinking; /* of them those of such pieces */
	uint64_t chain[2]; /* stands for their digests and its own: 128 bits of a polynomial in these */
};

/* What a stretch of the prompt is, in which longer prompts have more pieces and shorter ones fewer. */
enum render_kind { KIND_TOOLS, KIND_SYSTEM, KIND_MOVED, KIND_MESSAGES };

/*
 * Where pieces are kept, in the order in which they came. Those of messages and moved system turns that took others'
 * places in the midst of the prompt are kept apart, so that what stands behind them stays as it is.
 */
enum render_run_kind {
	RUN_TOOLS,
	RUN_SYSTEM,
	RUN_MOVED,
	RUN_MESSAGES,
	RUN_MOVED_CHANGED,
	RUN_MESSAGES_CHANGED,
	RENDER_RUNS
};

/* Where in a run a digest is; filled when it is asked for. */
struct render_index {
	uint32_t *slots, *before; /* of each place the one before it with such a digest */
	size_t nslots, used, n, capacity;
};

struct render_run {
	struct render_piece *pieces;
	size_t n, capacity;
	size_t kept;                /* the first ones, which are those that they were in the prompt rendered before */
	struct render_index *index; /* made with the run's first prompt */
};

/* Pieces of a run that follow each other in the prompt. */
struct render_slice {
	enum render_run_kind run;
	size_t first, n;
};

struct render_slices {
	struct render_slice *list;
	size_t n, capacity;
	size_t pieces;
};

/* Bytes of pieces, all of them and those of some classes. */
struct render_sums {
	uint64_t all, tools, moved;
	uint64_t billing[2], thinking[2]; /* elsewhere, and in what was moved */
};

/* A stretch of the prompt: pieces of one run. */
struct render_segment {
	enum render_kind kind;
	enum render_run_kind run;
	size_t at;    /* of its first piece in the prompt */
	size_t first; /* ... in the run */
	size_t n;
	uint64_t before[2];      /* stands for all pieces before it */
	struct render_sums sums; /* of all pieces before it */
};

/* How far a rendering had come before a part of the prompt, so that it can go on from there. */
struct render_mark {
	uint32_t moved, moved_dropped; /* system turns in front */
	uint32_t pieces, dropped;      /* of messages */
	uint32_t last_user;            /* message index of the last turn in which the user himself spoke */
	uint32_t refused;              /* system turns that the backend answers with an error */
};

/* A tool or block of the system prompt, and where it stands among the parts. */
struct render_head {
	size_t at;
	struct trace_prompt_part part;
};

struct render_heads {
	struct render_head *list;
	size_t n, capacity;
};

/*
 * A rendered prompt: segments of runs. Where a backend puts something new at the head, one run grows and the others
 * stay as they are; where something in the midst of the prompt is changed, added or left out, what stands behind it
 * stays where it is in its run and only the segments are others. So neither rendering nor comparing costs the length of
 * the prompt.
 */
struct rendered {
	struct render_run runs[RENDER_RUNS];
	struct render_segment *segments; /* in the prompt's order, none empty */
	size_t nsegments, segments_capacity;
	size_t n; /* pieces */
	uint64_t bytes;
	uint32_t dropped; /* parts that are not rendered */
	bool refused;     /* the backend answers such a prompt with an error; rendered as if in place */
	/* Of the prompt as the wire had it, for the next one. */
	struct trace_prompt_part *wire;
	struct render_mark *marks; /* per part, and one for its end */
	struct render_mark *marks_before;
	size_t nmarks, wire_capacity, marks_capacity, marks_before_capacity;
	struct render_heads heads, heads_before;
	struct render_slices moved, messages; /* system turns in front, and what stays among the messages */
	struct render_slices moved_before, messages_before;
	uint32_t heads_dropped;
};

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
 * `kept` parts. Costs time for what is new, and little (part numbers are compared) for what is the same behind parts
 * that differ, came or went.
 */
int render_continue(const struct render_rules *rules, const struct trace_part *parts,
		    const struct trace_prompt_part *prompt, size_t n, size_t kept, render_text_fn *text, void *context,
		    struct rendered *out) __attribute__((warn_unused_result));
void rendered_release(struct rendered *r);

/* A piece of the prompt; i < n. */
const struct render_piece *rendered_piece(const struct rendered *r, size_t i);
/* The pieces [*from, *to) of one kind; for messages that stand apart those of the first stretch. */
void rendered_find(const struct rendered *r, enum render_kind kind, size_t *from, size_t *to);
/* Where the stretch of one kind ends that a piece stands in. */
size_t rendered_stretch(const struct rendered *r, size_t i);
/* Bytes of the first pieces, and of those among them that are of such classes. */
uint64_t rendered_bytes(const struct rendered *r, size_t pieces);
uint64_t rendered_bytes_of(const struct rendered *r, size_t pieces, uint32_t classes);
/* Stands for the first pieces, of which there is one at least. */
void rendered_prefix(const struct rendered *r, size_t pieces, uint64_t hash[2]);
/* Pieces that both begin with. Time grows with the logarithm of their number. */
size_t rendered_common(const struct rendered *a, const struct rendered *b);
/* Pieces that are equal from these on, as far as both stay in one stretch of one kind. In such time, too. */
size_t rendered_equal(const struct rendered *a, size_t i, const struct rendered *b, size_t k);

/*
 * The first piece from one on that a model sees as such; n: there is none. Costs little, but for digests that many
 * pieces share and where there is no memory.
 */
size_t rendered_search(const struct rendered *r, const struct digest *digest, size_t from);

/* Private to render/: adds to a run, its sums filled in (-1: no memory), and cuts it. */
int render_run_add(struct render_run *run, const struct render_piece *piece);
void render_run_cut(struct render_run *run, size_t n);
/* Appends pieces of a run to slices, or those of other slices from one number to another. -1: no memory. */
int render_slices_add(struct render_slices *to, enum render_run_kind run, size_t first, size_t n);
int render_slices_copy(struct render_slices *to, const struct render_slices *from, size_t begin, size_t end);
/* Lays the runs out: the tools before the piece `tools_at` of the messages, or where the rules want them. */
int rendered_lay_out(struct rendered *r, const struct render_rules *rules, size_t tools_at);

#endif
