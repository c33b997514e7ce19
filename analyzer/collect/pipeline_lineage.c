/* SPDX-License-Identifier: MIT */
#include "collect/pipeline_lineage.h"

#include "collect/pipeline.h"

#include <assert.h>
#include <stdlib.h>

static_assert(PIPELINE_BODY_MAX <= LINEAGES_BYTES_MAX / 2, "any body can be kept");

/* Far enough to tell conversations of one session apart (the model and the system prompt stand there), and no walk
 * through megabytes for every candidate. */
#define LOOK_BYTES 65536
/* One huge body is no reason to hold on to its size. */
#define SPARE_BYTES_MAX ((size_t)8 << 20)

void lineages_init(struct lineages *l)
{
	*l = (struct lineages){0};
	prompt_init(&l->spare.prompt);
	buf_init(&l->spare.body, PIPELINE_BODY_MAX);
	for (size_t i = 0; i < LINEAGES_MAX; i++) {
		prompt_init(&l->entries[i].prompt);
		buf_init(&l->entries[i].body, PIPELINE_BODY_MAX);
	}
}

static void forget(struct lineage *e)
{
	free(e->session);
	free(e->agent);
	free(e->model);
	free(e->path);
	e->session = e->agent = e->model = e->path = NULL;
	prompt_release(&e->prompt);
	buf_release(&e->body);
	digest_marks_release(&e->marks);
	e->used = 0;
}

void lineages_release(struct lineages *l)
{
	for (size_t i = 0; i < LINEAGES_MAX; i++)
		forget(&l->entries[i]);
	prompt_release(&l->spare.prompt);
	buf_release(&l->spare.body);
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* All of the key but the model, which is known only when the body has been read. */
static bool may_continue(const struct lineage *e, const struct exchange *x)
{
	return e->used && same(e->path, x->request.path) && same(e->session, x->session) && same(e->agent, x->agent) &&
	       (x->session || e->pid == x->pid);
}

static size_t common_prefix(struct str a, struct str b, size_t limit)
{
	enum { STEP = 4096 };
	size_t n = a.n < b.n ? a.n : b.n, i = 0;
	if (n > limit)
		n = limit;
	while (n - i >= STEP && memcmp(a.p + i, b.p + i, STEP) == 0)
		i += STEP;
	while (i < n && a.p[i] == b.p[i])
		i++;
	return i;
}

const struct lineage *lineages_find(const struct lineages *l, const struct exchange *x)
{
	const struct lineage *best = NULL;
	size_t best_n = 0;
	for (size_t i = 0; i < LINEAGES_MAX; i++) {
		const struct lineage *e = &l->entries[i];
		if (!may_continue(e, x))
			continue;
		size_t n = common_prefix(buf_str(&e->body), buf_str(&x->request.body), LOOK_BYTES);
		if (!best || n > best_n || (n == best_n && e->used > best->used)) {
			best = e;
			best_n = n;
		}
	}
	return best;
}

size_t lineage_same(const struct lineage *last, struct str body)
{
	return last ? common_prefix(buf_str(&last->body), body, SIZE_MAX) : 0;
}

struct digest lineage_digest(const struct lineage *last, size_t same, struct str body, struct digest_marks *marks)
{
	return digest_marked(last ? &last->marks : NULL, same, body, marks);
}

static struct lineage *oldest(struct lineages *l)
{
	struct lineage *old = &l->entries[0];
	for (size_t i = 1; i < LINEAGES_MAX; i++)
		if (l->entries[i].used < old->used)
			old = &l->entries[i];
	return old;
}

/* The entry that x takes: its lineage's own, else the one that was not used for longest. */
static struct lineage *place_for(struct lineages *l, const struct exchange *x)
{
	for (size_t i = 0; i < LINEAGES_MAX; i++) {
		struct lineage *e = &l->entries[i];
		if (may_continue(e, x) && same(e->model, x->model) && (x->session || e->connection == x->connection))
			return e;
	}
	struct lineage *e = oldest(l);
	forget(e);
	return e;
}

static void limit_bytes(struct lineages *l, const struct lineage *spare)
{
	size_t total = 0;
	for (size_t i = 0; i < LINEAGES_MAX; i++)
		total += l->entries[i].body.capacity;
	while (total > LINEAGES_BYTES_MAX) {
		struct lineage *old = NULL;
		for (size_t i = 0; i < LINEAGES_MAX; i++) {
			struct lineage *e = &l->entries[i];
			if (e != spare && e->used && (!old || e->used < old->used))
				old = e;
		}
		if (!old)
			return;
		total -= old->body.capacity;
		forget(old);
	}
}

static int copy_key(struct lineage *e, const struct exchange *x)
{
	const char *from[] = {x->session, x->agent, x->model, x->request.path};
	char **to[] = {&e->session, &e->agent, &e->model, &e->path};
	for (size_t i = 0; i < 4; i++)
		if (from[i] && !*to[i] && !(*to[i] = strdup(from[i])))
			return -1;
	e->pid = x->pid;
	e->connection = x->connection;
	return 0;
}

void lineages_keep(struct lineages *l, struct exchange *x, struct digest_marks *marks)
{
	if (x->request.body.n != x->request.body_bytes)
		return; /* somebody else has it */
	struct lineage *e = place_for(l, x);
	if (copy_key(e, x) < 0) {
		forget(e);
		return;
	}
	prompt_release(&l->spare.prompt);
	buf_release(&l->spare.body);
	l->spare = (struct lineage_spare){e->prompt, e->body};
	if (l->spare.body.capacity > SPARE_BYTES_MAX) {
		prompt_release(&l->spare.prompt);
		buf_release(&l->spare.body);
	}
	e->prompt = x->prompt;
	e->body = x->request.body;
	prompt_init(&x->prompt);
	buf_init(&x->request.body, PIPELINE_BODY_MAX);
	e->exchange = x->id;
	digest_marks_release(&e->marks);
	e->marks = *marks;
	*marks = DIGEST_MARKS_NONE;
	e->used = ++l->clock;
	limit_bytes(l, e);
}
