/* SPDX-License-Identifier: MIT */
/* The verdict on first bytes: each case whole, cut at every byte, and with its end at a page that cannot be read. */
#include "classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static uint8_t *guarded;
static size_t page;

static int setup(void **state)
{
	(void)state;
	page = (size_t)sysconf(_SC_PAGESIZE);
	guarded = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return guarded == MAP_FAILED || mprotect(guarded + page, page, PROT_NONE) != 0;
}

/* The input ends where the page ends. */
static struct verdict judge(const void *p, size_t n)
{
	uint8_t *at = guarded + page - n;
	assert_true(n <= page);
	memcpy(at, p, n);
	return classify(at, n);
}

static const struct {
	const char *text;
	enum kvs_class class;
	enum kvs_llm_api api;
} requests[] = {
	{"POST /v1/messages HTTP/1.1\r\n", KVS_CLASS_RECORDED, KVS_API_ANTHROPIC_MESSAGES},
	{"POST /v1/messages?beta=true HTTP/1.1\r\n", KVS_CLASS_RECORDED, KVS_API_ANTHROPIC_MESSAGES},
	{"POST /prefix/v1/messages HTTP/1.1\r\n", KVS_CLASS_RECORDED, KVS_API_ANTHROPIC_MESSAGES},
	{"POST http://gateway:8080/v1/messages HTTP/1.1\r\n", KVS_CLASS_RECORDED, KVS_API_ANTHROPIC_MESSAGES},
	{"POST /v1/messages/count_tokens HTTP/1.1\r\n", KVS_CLASS_RECORDED, KVS_API_ANTHROPIC_COUNT_TOKENS},
	{"POST /v1/chat/completions HTTP/1.1\r\n", KVS_CLASS_RECORDED, KVS_API_OPENAI_CHAT},
	{"POST /v1/completions HTTP/1.1\r\n", KVS_CLASS_RECORDED, KVS_API_OPENAI_COMPLETIONS},
	{"POST /openai/deployments/x/chat/completions?api-version=1 HTTP/1.1\r\n", KVS_CLASS_RECORDED,
	 KVS_API_OPENAI_CHAT},
	{"POST /api/generate HTTP/1.1\r\n", KVS_CLASS_RECORDED, KVS_API_OLLAMA_GENERATE},
	{"POST /completion HTTP/1.1\r\n", KVS_CLASS_RECORDED, KVS_API_LLAMACPP_COMPLETION},
	{"GET / HTTP/1.1\r\n", KVS_CLASS_WATCHED, KVS_API_NONE},
	{"HEAD /health HTTP/1.1\r\n", KVS_CLASS_WATCHED, KVS_API_NONE},
	{"GET /v1/messages/batches HTTP/1.1\r\n", KVS_CLASS_WATCHED, KVS_API_NONE},
	{"GET /search?q=/v1/messages HTTP/1.1\r\n", KVS_CLASS_WATCHED, KVS_API_NONE},
	{"CONNECT api.example.com:443 HTTP/1.1\r\n", KVS_CLASS_WATCHED, KVS_API_NONE},
	{"PRI * HTTP/2.0\r\n", KVS_CLASS_WATCHED, KVS_API_NONE},
};

static void requests_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct verdict v = judge(requests[i].text, strlen(requests[i].text));
		if (v.class != requests[i].class || v.api != requests[i].api)
			fail_msg("%s: class %d, api %d", requests[i].text, v.class, v.api);
	}
}

static void other_protocols_have_names(void **state)
{
	static const struct {
		const char *text, *protocol;
	} cases[] = {
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", KVS_PROTOCOL_HTTP2},
		{"GET /x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", KVS_PROTOCOL_WEBSOCKET},
		{"GET /x HTTP/1.1\r\nUPGRADE: WebSocket", KVS_PROTOCOL_WEBSOCKET},
		{"GET /x HTTP/1.1\r\nUpgrade: websocke", NULL},
		{"GET /x HTTP/1.1\r\nX-Upgrade: websocket\r\n", NULL},
		{"GET /upgrade: websocket HTTP/1.1\r\n", NULL},
		/* A language model's, which is read and need not be named here. */
		{"GET /v1/responses HTTP/1.1\r\nUpgrade: websocket\r\n", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct verdict v = judge(cases[i].text, strlen(cases[i].text));
		if (!v.protocol != !cases[i].protocol || (v.protocol && strcmp(v.protocol, cases[i].protocol) != 0))
			fail_msg("%s: %s", cases[i].text, v.protocol ? v.protocol : "none");
	}
}

/* A cut request is either judged as the whole one or not at all: never wrongly. */
static void cut_requests_wait_or_agree(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		size_t length = strlen(requests[i].text);
		bool decided = false;
		for (size_t n = 1; n <= length; n++) {
			struct verdict v = judge(requests[i].text, n);
			if (v.class == KVS_CLASS_CANDIDATE) {
				assert_false(decided);
				continue;
			}
			decided = true;
			if (v.class != requests[i].class || v.api != requests[i].api)
				fail_msg("%.*s: class %d", (int)n, requests[i].text, v.class);
		}
		assert_true(decided);
	}
}

static void other_protocols_are_dropped(void **state)
{
	(void)state;
	const struct {
		const char *bytes;
		size_t n;
	} others[] = {
		{"\0\0\0\x08\x04\xd2\x16\x2f", 8},
		{"SSH-2.0-OpenSSH", 15},
		{"\x05\x01\x00", 3},
		{"*1\r\n$4\r\nPING", 12},
		{"GETTY", 5},
		{"get / HTTP", 10},
		{"\x16\x03\x01\x00\x05\x02", 6},
		{"\x16\x04", 2},
		{"PRI * HTTP/1.1\r\n", 16},
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(judge(others[i].bytes, others[i].n).class, KVS_CLASS_DROPPED);
	assert_int_equal(judge("", 0).class, KVS_CLASS_CANDIDATE);
}

/* A hello with extensions in front of the name; returns its length. */
static size_t make_hello(uint8_t *out, const char *name, size_t filler)
{
	uint8_t *p = out + 9;
	size_t name_bytes = strlen(name);
	memset(p, 7, 34);
	p += 34;
	*p++ = 32;
	memset(p, 8, 32);
	p += 32;
	memcpy(p, "\0\4\x13\x01\x13\x02\1\0", 8);
	p += 8;
	size_t extensions = 4 + filler + 9 + name_bytes;
	*p++ = (uint8_t)(extensions >> 8);
	*p++ = (uint8_t)extensions;
	*p++ = 0;
	*p++ = 51; /* a key share */
	*p++ = (uint8_t)(filler >> 8);
	*p++ = (uint8_t)filler;
	memset(p, 9, filler);
	p += filler;
	const size_t lengths[] = {0, name_bytes + 5, name_bytes + 3};
	for (size_t i = 0; i < 3; i++) {
		*p++ = (uint8_t)(lengths[i] >> 8);
		*p++ = (uint8_t)lengths[i];
	}
	*p++ = 0;
	*p++ = (uint8_t)(name_bytes >> 8);
	*p++ = (uint8_t)name_bytes;
	memcpy(p, name, name_bytes);
	p += name_bytes;
	size_t n = (size_t)(p - out);
	const uint8_t head[] = {
		22, 3, 1, (uint8_t)((n - 5) >> 8), (uint8_t)(n - 5), 1, 0, (uint8_t)((n - 9) >> 8), (uint8_t)(n - 9)};
	memcpy(out, head, sizeof(head));
	return n;
}

static void server_name_of_a_hello(void **state)
{
	(void)state;
	static uint8_t hello[3000];
	size_t n = make_hello(hello, "api.anthropic.com", 1200);
	struct verdict v = judge(hello, n);
	assert_int_equal(v.class, KVS_CLASS_OPAQUE);
	assert_int_equal(v.name_bytes, strlen("api.anthropic.com"));
	assert_memory_equal(v.name, "api.anthropic.com", v.name_bytes);
	for (size_t cut = 1; cut < n; cut++) {
		v = judge(hello, cut);
		assert_int_equal(v.class, cut < 6 ? KVS_CLASS_CANDIDATE : KVS_CLASS_OPAQUE);
		assert_null(v.name);
	}
}

/* Lengths that lie must not lead out of the input; the guard page is the judge. */
static void hello_with_wrong_lengths(void **state)
{
	(void)state;
	static uint8_t hello[400], bent[400];
	size_t n = make_hello(hello, "x.example", 20);
	for (size_t i = 0; i < n; i++) {
		for (int value = 0; value < 256; value += 5) {
			memcpy(bent, hello, n);
			bent[i] = (uint8_t)value;
			struct verdict v = judge(bent, n);
			if (v.name)
				assert_true(v.name >= guarded + page - n && v.name + v.name_bytes <= guarded + page);
		}
	}
}

static void endless_path_is_watched(void **state)
{
	(void)state;
	static char text[CLASSIFY_MAX + 100];
	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	assert_int_equal(judge(text, CLASSIFY_MAX - 1).class, KVS_CLASS_CANDIDATE);
	assert_int_equal(judge(text, CLASSIFY_MAX).class, KVS_CLASS_WATCHED);
	assert_int_equal(judge(text, sizeof(text)).class, KVS_CLASS_WATCHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_told_apart),    cmocka_unit_test(other_protocols_have_names),
		cmocka_unit_test(cut_requests_wait_or_agree), cmocka_unit_test(other_protocols_are_dropped),
		cmocka_unit_test(server_name_of_a_hello),     cmocka_unit_test(hello_with_wrong_lengths),
		cmocka_unit_test(endless_path_is_watched),
	};
	return cmocka_run_group_tests(tests, setup, NULL) != 0;
}
