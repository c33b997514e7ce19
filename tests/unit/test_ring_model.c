/* SPDX-License-Identifier: MIT */
/*
 * The protocol of the ring (include/kvscope/ring.h) as a model of which every interleaving is tried: writers that are
 * killed, jump away or sleep between any two steps, and one reader. Each step below is one access to shared memory of
 * ring_writer.c or ring_reader.c, in the same order. Sequentially consistent: what a weaker machine might reorder is
 * the business of the acquire and release that stand at these accesses.
 *
 * What must hold: no record is read torn, twice or out of its writer's order; nobody waits (from every state, every
 * writer ends its record in a few steps of its own while all others stand still); at the end everything committed has
 * been read, and the ring is whole: tail at head, every word free for its next lap.
 *
 * Each rule of the protocol is then left out in turn, and the search must find what goes wrong without it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SLOTS_MAX = 4, WRITERS_MAX = 3 };
enum { FREE, OPEN, DONE, VOID };

/* Rules that can be left out. */
enum rule {
	ALL_RULES,
	NO_LAP_IN_FREE_WORDS,      /* a writer takes any free word */
	NO_HELPING_BY_WRITERS,     /* only the owner moves the head */
	NO_HELPING_BY_THE_READER,  /* a dead owner's head stays where it is */
	TAIL_BEFORE_WORDS,         /* space is given back before it is marked free */
	READER_TAKES_OPEN_RECORDS, /* no waiting for the commit */
	NO_VOIDING,                /* records of the dead stay open */
};

struct word {
	uint8_t length, owner, state, lap;
};

enum pc { IDLE, LOAD_TAIL, FULL_CHECK, LOAD_WORD, HELP, TAKE, MOVE_HEAD, COPY, COMMIT, FINISHED, DEAD };
enum reader_pc { LOOK, READ, READ_HEAD, FREE_WORDS, MOVE_TAIL };

struct writer {
	uint8_t pc, seq, head, tail, k;
	struct word seen;
};

struct state {
	uint8_t head, tail;
	uint8_t kills, jumps;
	struct word meta[SLOTS_MAX];
	uint8_t data[SLOTS_MAX];
	struct writer writers[WRITERS_MAX];
	uint8_t reader_pc, reader_k;
	struct word reader_word;
	uint8_t committed[WRITERS_MAX], delivered[WRITERS_MAX]; /* bit per record */
};

struct model {
	uint8_t slots, writers, records;
	uint8_t kills, jumps; /* at most so many */
	enum rule without;
	/* The search. */
	struct state *states;
	size_t nstates, room;
	uint32_t *table;
	size_t table_mask;
	const char *violation;
};

static uint8_t size_of(uint8_t writer, uint8_t seq)
{
	return (uint8_t)(1 + (writer + seq) % 2);
}

static uint8_t stamp(uint8_t writer, uint8_t seq, uint8_t k)
{
	return (uint8_t)(0x80 | writer << 4 | seq << 1 | k);
}

static bool same_word(struct word a, struct word b)
{
	return a.length == b.length && a.owner == b.owner && a.state == b.state && a.lap == b.lap;
}

static struct word free_word(const struct model *m, uint8_t position)
{
	return (struct word){0, 0, FREE, (uint8_t)(position / m->slots)};
}

static struct word open_word(const struct model *m, const struct state *s, uint8_t w)
{
	const struct writer *me = &s->writers[w];
	return (struct word){size_of(w, me->seq), (uint8_t)(w + 1), OPEN, (uint8_t)(me->head / m->slots)};
}

static void next_record(const struct model *m, struct writer *me)
{
	me->seq++;
	me->pc = me->seq < m->records ? IDLE : FINISHED;
	me->head = me->tail = me->k = 0;
	me->seen = (struct word){0};
}

/* One step of a writer. */
static void step_writer(const struct model *m, struct state *s, uint8_t w)
{
	struct writer *me = &s->writers[w];
	uint8_t size = size_of(w, me->seq);
	struct word *word = &s->meta[me->head % m->slots];
	struct word open = open_word(m, s, w);
	switch (me->pc) {
	case IDLE:
		me->head = s->head;
		me->pc = LOAD_TAIL;
		break;
	case LOAD_TAIL:
		me->tail = s->tail;
		me->pc = (uint8_t)(me->head + size - me->tail) > m->slots ? FULL_CHECK : LOAD_WORD;
		break;
	case FULL_CHECK:
		if (s->head == me->head)
			next_record(m, me); /* dropped */
		else
			me->pc = IDLE;
		break;
	case LOAD_WORD:
		me->seen = *word;
		if (me->seen.state == FREE &&
		    (same_word(me->seen, free_word(m, me->head)) || m->without == NO_LAP_IN_FREE_WORDS))
			me->pc = TAKE;
		else if (me->seen.state != FREE && me->seen.lap == me->head / m->slots &&
			 m->without != NO_HELPING_BY_WRITERS)
			me->pc = HELP;
		else
			me->pc = IDLE;
		break;
	case HELP:
		if (s->head == me->head)
			s->head = (uint8_t)(s->head + me->seen.length);
		me->pc = IDLE;
		break;
	case TAKE:
		if (same_word(*word, me->seen)) {
			*word = open;
			me->pc = MOVE_HEAD;
		} else {
			me->pc = IDLE;
		}
		break;
	case MOVE_HEAD:
		if (s->head == me->head)
			s->head = (uint8_t)(s->head + size);
		me->k = 0;
		me->pc = COPY;
		break;
	case COPY:
		s->data[(me->head + me->k) % m->slots] = stamp(w, me->seq, me->k);
		if (++me->k == size)
			me->pc = COMMIT;
		break;
	case COMMIT:
		if (same_word(*word, open)) {
			word->state = DONE;
			s->committed[w] |= (uint8_t)(1 << me->seq);
		}
		next_record(m, me);
		break;
	default:
		break;
	}
	if (me->pc == IDLE) {
		/* Nothing that was seen before counts any more: keeps equal states equal. */
		me->head = me->tail = 0;
		me->seen = (struct word){0};
	}
}

/* One step of the reader. Returns NULL, or what is wrong. */
static const char *step_reader(const struct model *m, struct state *s)
{
	struct word *word = &s->meta[s->tail % m->slots];
	switch (s->reader_pc) {
	case LOOK:
		if (word->lap != (uint8_t)(s->tail / m->slots))
			return "a word of another lap at the tail";
		if (word->state == OPEN && s->writers[word->owner - 1].pc == DEAD && m->without != NO_VOIDING)
			word->state = VOID; /* one exchange with the check that it is still open */
		s->reader_word = *word;
		s->reader_k = 0;
		if (word->state == DONE || (word->state == OPEN && m->without == READER_TAKES_OPEN_RECORDS))
			s->reader_pc = READ;
		else if (word->state == VOID)
			s->reader_pc = READ_HEAD;
		else
			s->reader_word = (struct word){0};
		break;
	case READ: {
		/* The next record of this writer that was not read yet; earlier ones were lost or come never more. */
		uint8_t w = (uint8_t)(s->reader_word.owner - 1);
		uint8_t got = s->data[(s->tail + s->reader_k) % m->slots];
		uint8_t seq = got >> 1 & 7;
		if ((got & 0xf1) != (0x80 | w << 4 | s->reader_k))
			return "a torn record";
		if (s->reader_word.length != size_of(w, seq) || s->delivered[w] >> (seq + (s->reader_k > 0)))
			return "a record twice, out of order or of two";
		s->delivered[w] |= (uint8_t)(1 << seq);
		if (++s->reader_k == s->reader_word.length)
			s->reader_pc = READ_HEAD;
		break;
	}
	case READ_HEAD:
		if (s->head == s->tail && m->without != NO_HELPING_BY_THE_READER)
			s->head = (uint8_t)(s->head + s->reader_word.length);
		s->reader_k = 0;
		s->reader_pc = m->without == TAIL_BEFORE_WORDS ? MOVE_TAIL : FREE_WORDS;
		break;
	case FREE_WORDS: {
		uint8_t begin = m->without == TAIL_BEFORE_WORDS ? (uint8_t)(s->tail - s->reader_word.length) : s->tail;
		uint8_t position = (uint8_t)(begin + s->reader_k);
		s->meta[position % m->slots] = free_word(m, (uint8_t)(position + m->slots));
		if (++s->reader_k == s->reader_word.length)
			s->reader_pc = m->without == TAIL_BEFORE_WORDS ? LOOK : MOVE_TAIL;
		break;
	}
	case MOVE_TAIL:
		s->tail = (uint8_t)(s->tail + s->reader_word.length);
		s->reader_k = 0;
		s->reader_pc = m->without == TAIL_BEFORE_WORDS ? FREE_WORDS : LOOK;
		break;
	}
	if (s->reader_pc == LOOK) {
		s->reader_word = (struct word){0};
		s->reader_k = 0;
	}
	return NULL;
}

/* All writers are done and the reader finds nothing more. */
static const char *check_end(const struct model *m, const struct state *s)
{
	if (memcmp(s->committed, s->delivered, sizeof(s->committed)) != 0)
		return "a committed record was not read";
	if (s->head != s->tail)
		return "head and tail do not meet";
	for (uint8_t i = 0; i < m->slots; i++) {
		uint8_t position = (uint8_t)(s->tail + i);
		if (!same_word(s->meta[position % m->slots], free_word(m, position)))
			return "a word is not free for its next lap";
	}
	return NULL;
}

/* Written or dropped, a record ends by its own writer's steps alone. */
static bool ends_alone(const struct model *m, const struct state *from, uint8_t w)
{
	enum { STEPS = 32 };
	struct state s = *from;
	for (int i = 0; i < STEPS; i++) {
		step_writer(m, &s, w);
		if (s.writers[w].seq != from->writers[w].seq)
			return true;
	}
	return false;
}

static uint32_t hash(const struct state *s)
{
	const uint8_t *p = (const uint8_t *)s;
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < sizeof(*s); i++)
		h = (h ^ p[i]) * 1099511628211u;
	return (uint32_t)(h ^ h >> 32);
}

/* Remembers a state that is new. */
static void visit(struct model *m, const struct state *s)
{
	for (size_t i = hash(s) & m->table_mask;; i = (i + 1) & m->table_mask) {
		if (m->table[i] == 0) {
			if (m->nstates == m->room)
				fail_msg("more states than there is room for");
			m->states[m->nstates] = *s;
			m->table[i] = (uint32_t)++m->nstates;
			return;
		}
		if (memcmp(&m->states[m->table[i] - 1], s, sizeof(*s)) == 0)
			return;
	}
}

static void expand(struct model *m, const struct state *from)
{
	bool working = false;
	struct state s;
	for (uint8_t w = 0; w < m->writers; w++) {
		const struct writer *me = &from->writers[w];
		if (me->pc == FINISHED || me->pc == DEAD)
			continue;
		working = true;
		if (!ends_alone(m, from, w)) {
			m->violation = "a writer waits";
			return;
		}
		s = *from;
		step_writer(m, &s, w);
		visit(m, &s);
		if (from->kills < m->kills) {
			s = *from;
			s.kills++;
			s.writers[w].pc = DEAD;
			visit(m, &s);
		}
		/* Out of the middle by siglongjmp: voids what it had reserved, and goes on with the next record. */
		if (from->jumps < m->jumps && me->pc >= MOVE_HEAD && me->pc <= COMMIT) {
			struct word open = open_word(m, from, w);
			s = *from;
			s.jumps++;
			if (same_word(s.meta[me->head % m->slots], open))
				s.meta[me->head % m->slots].state = VOID;
			next_record(m, &s.writers[w]);
			visit(m, &s);
		}
	}
	s = *from;
	const char *wrong = step_reader(m, &s);
	if (!wrong && !working && memcmp(&s, from, sizeof(s)) == 0)
		wrong = check_end(m, &s);
	if (wrong)
		m->violation = wrong;
	else
		visit(m, &s);
}

/* What goes wrong in some interleaving, NULL if nothing does. */
static const char *search(struct model m, size_t *states)
{
	m.room = (size_t)1 << 21;
	m.table_mask = ((size_t)1 << 22) - 1;
	m.states = malloc(m.room * sizeof(*m.states));
	m.table = calloc(m.table_mask + 1, sizeof(*m.table));
	assert_true(m.states && m.table);
	struct state begin;
	memset(&begin, 0, sizeof(begin));
	visit(&m, &begin);
	for (size_t i = 0; i < m.nstates && !m.violation; i++) {
		struct state s = m.states[i];
		expand(&m, &s);
	}
	if (states)
		*states = m.nstates;
	free(m.states);
	free(m.table);
	return m.violation;
}

static const struct model models[] = {
	{.slots = 2, .writers = 2, .records = 3, .kills = 1, .jumps = 1},
	{.slots = 4, .writers = 2, .records = 3, .kills = 1, .jumps = 0},
	{.slots = 4, .writers = 3, .records = 1, .kills = 2, .jumps = 0},
	{.slots = 2, .writers = 3, .records = 1, .kills = 1, .jumps = 1},
};

static void every_interleaving_is_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		size_t states;
		const char *wrong = search(models[i], &states);
		if (wrong)
			fail_msg("model %zu: %s", i, wrong);
		print_message("# model %zu: %zu states\n", i, states);
		assert_true(states > 10000);
	}
}

/* The search can find errors, and the protocol has no rule that it could do without. */
static void every_rule_is_needed(void **state)
{
	(void)state;
	for (enum rule rule = NO_LAP_IN_FREE_WORDS; rule <= NO_VOIDING; rule++) {
		const char *wrong = NULL;
		for (size_t i = 0; i < sizeof(models) / sizeof(models[0]) && !wrong; i++) {
			struct model m = models[i];
			m.without = rule;
			wrong = search(m, NULL);
		}
		if (!wrong)
			fail_msg("nothing goes wrong without rule %d", rule);
		print_message("# without rule %d: %s\n", rule, wrong);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_interleaving_is_sound),
		cmocka_unit_test(every_rule_is_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
