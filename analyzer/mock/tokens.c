/* SPDX-License-Identifier: MIT */
#include "mock/tokens.h"

#include "base/array.h"

#include <stdlib.h>

#define WORD_BYTES_MAX 8  /* longer words are cut ... */
#define PIECE_BYTES_MAX 6 /* ... into pieces of this length */
#define DIGITS_MAX 3
#define PUNCTUATION_MAX 3
#define SPACES_MAX 16

enum byte_class { LETTER, DIGIT, SPACE, PUNCTUATION, BEYOND_ASCII };

static enum byte_class class_of(char byte)
{
	unsigned char c = (unsigned char)byte;
	if (c >= 0x80)
		return BEYOND_ASCII;
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return LETTER;
	if (c >= '0' && c <= '9')
		return DIGIT;
	if (c <= ' ')
		return SPACE;
	return PUNCTUATION;
}

/* Length of the run of one class at the start of s, at most max. */
static size_t run(struct str s, enum byte_class class, size_t max)
{
	size_t n = 0;
	while (n < s.n && n < max && class_of(s.p[n]) == class)
		n++;
	return n;
}

/* One character: a lead byte and its continuation bytes, so that no event of a stream ends inside a character. */
static size_t character(struct str s)
{
	size_t n = 1;
	while (n < s.n && n < 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static size_t word(struct str s)
{
	size_t n = run(s, LETTER, WORD_BYTES_MAX + 1);
	return n > WORD_BYTES_MAX ? PIECE_BYTES_MAX : n;
}

size_t mock_token_bytes(struct str text)
{
	if (text.n == 0)
		return 0;
	switch (class_of(text.p[0])) {
	case LETTER:
		return word(text);
	case DIGIT:
		return run(text, DIGIT, DIGITS_MAX);
	case PUNCTUATION:
		return run(text, PUNCTUATION, PUNCTUATION_MAX);
	case BEYOND_ASCII:
		return character(text);
	case SPACE:
		break;
	}
	/* A single space belongs to the word behind it; of a longer run the last space does. */
	size_t n = run(text, SPACE, SPACES_MAX);
	bool before_word = n < text.n && text.p[n - 1] == ' ' && class_of(text.p[n]) == LETTER;
	if (!before_word)
		return n;
	if (n > 1)
		return n - 1;
	return 1 + word((struct str){text.p + 1, text.n - 1});
}

static void push(struct mock_tokens *t, uint64_t id)
{
	uint64_t *ids = t->failed ? NULL : array_grow(t->ids, &t->capacity, t->n + 1, sizeof(*ids));
	if (!ids) {
		t->failed = true;
		return;
	}
	t->ids = ids;
	t->ids[t->n++] = id;
}

static const char *const mark_names[] = {
	[MARK_TOOL] = "<|tool|>",
	[MARK_SYSTEM] = "<|system|>",
	[MARK_USER] = "<|user|>",
	[MARK_ASSISTANT] = "<|assistant|>",
	[MARK_TOOL_RESULT] = "<|tool_result|>",
	[MARK_THINKING] = "<|thinking|>",
	[MARK_TOOL_CALL] = "<|tool_call|>",
	[MARK_BLOCK] = "<|block|>",
	[MARK_OTHER] = "<|other|>",
	[MARK_END] = "<|end|>",
};

void mock_tokens_mark(struct mock_tokens *t, enum mock_mark mark)
{
	push(t, mark);
	if (t->text)
		buf_puts(t->text, mark_names[mark]);
}

/* The mark that a text begins with, 0: none. */
static enum mock_mark spelled_mark(struct str text)
{
	for (enum mock_mark m = MARK_TOOL; m <= MARK_END; m++)
		if (str_starts(text, str_from(mark_names[m])))
			return m;
	return (enum mock_mark)0;
}

void mock_tokens_spelled(struct mock_tokens *t, struct str text)
{
	size_t plain = 0;

	while (plain < text.n) {
		struct str rest = {text.p + plain, text.n - plain};
		enum mock_mark mark = spelled_mark(rest);
		if (!mark) {
			plain++;
			continue;
		}
		mock_tokens_text(t, (struct str){text.p, plain});
		mock_tokens_mark(t, mark);
		plain += strlen(mark_names[mark]);
		text.p += plain;
		text.n -= plain;
		plain = 0;
	}
	mock_tokens_text(t, text);
}

void mock_tokens_text(struct mock_tokens *t, struct str text)
{
	if (t->text)
		buf_append_str(t->text, text);
	while (text.n > 0) {
		size_t n = mock_token_bytes(text);
		uint64_t id = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
		for (size_t i = 0; i < n; i++)
			id = (id ^ (unsigned char)text.p[i]) * UINT64_C(0x100000001b3);
		push(t, id | UINT64_C(1) << 63); /* never the number of a mark */
		text.p += n;
		text.n -= n;
	}
}

/* The finaliser of MurmurHash3. */
static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

uint64_t mock_tokens_hash(uint64_t h, const uint64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = mix(h + UINT64_C(0x9e3779b97f4a7c15)) ^ ids[i];
	return mix(h);
}

void mock_tokens_append(struct mock_tokens *t, const struct mock_tokens *more)
{
	for (size_t i = 0; i < more->n; i++)
		push(t, more->ids[i]);
}

void mock_tokens_release(struct mock_tokens *t)
{
	free(t->ids);
	*t = (struct mock_tokens){0};
}
