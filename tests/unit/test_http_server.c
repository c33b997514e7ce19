/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/clock.h"
#include "net/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop loop;
static struct http_server server;

static const struct http_server_limits limits = {.head_bytes = 2000, .body_bytes = 100000, .connections = 5};

/* What the handlers saw, one line per event. */
static struct buf seen;
static struct http_call *waiting;

static void on_request(struct http_call *call)
{
	buf_printf(&seen, "%.*s %.*s", STR_FMT(call->method), STR_FMT(call->path));
	if (call->query.p)
		buf_printf(&seen, " ?%.*s", STR_FMT(call->query));
	struct str note = http_call_header(call, STR("x-note"));
	if (note.p)
		buf_printf(&seen, " note=%.*s", STR_FMT(note));
	buf_printf(&seen, " body=%.*s\n", call->body.n < 100 ? (int)call->body.n : 0, call->body.n ? call->body.p : "");
	assert_true(call->head_ns > 0 && call->body_ns >= call->head_ns);
	if (str_eq(call->path, STR("/later"))) {
		waiting = call;
	} else if (str_eq(call->path, STR("/stream"))) {
		http_call_begin(call, 200, "text/plain", "X-Extra: 1\r\n");
		http_call_chunk(call, STR("one"));
		http_call_chunk(call, STR(""));
		http_call_chunk(call, STR("a longer second"));
		http_call_end(call);
	} else if (str_eq(call->path, STR("/cut"))) {
		http_call_begin(call, 200, "text/plain", "");
		http_call_chunk(call, STR("one"));
		http_call_cut(call);
	} else {
		http_call_respond(call, 200, "text/plain", "", call->body);
	}
}

static void on_done(struct http_call *call, bool aborted)
{
	buf_printf(&seen, "done %d%s\n", call->status, aborted ? " aborted" : "");
	if (!aborted)
		assert_true(call->end_ns >= call->first_byte_ns && call->first_byte_ns > 0);
	if (waiting == call)
		waiting = NULL;
}

static const struct http_server_handlers handlers = {.request = on_request, .done = on_done};

static int setup(void **state)
{
	(void)state;
	loop_init(&loop);
	buf_init(&seen, 1 << 20);
	waiting = NULL;
	return http_server_open(&server, &loop, 0, &handlers, limits, NULL);
}

static int teardown(void **state)
{
	(void)state;
	http_server_release(&server);
	loop_release(&loop);
	buf_release(&seen);
	return 0;
}

static struct loop_timer stopper;

static void stop(struct loop_timer *t)
{
	(void)t;
	loop_stop(&loop);
}

/* Lets the server see what the clients have done: loopback delivers within the send. */
static void turns(int n)
{
	stopper.fire = stop;
	while (n-- > 0) {
		assert_int_equal(loop_timer_set(&loop, &stopper, 0), 0);
		assert_int_equal(loop_run(&loop), 0);
	}
}

static int dial(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = htons(server.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	assert_true(fd >= 0);
	/* Or the second of two small sends waits for the acknowledgement of the first. */
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	turns(2);
	return fd;
}

static void say(int fd, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			turns(1);
			continue;
		}
		bytes.p += n;
		bytes.n -= (size_t)n;
	}
	turns(3);
}

/* All that has arrived; *closed tells whether the stream ended. */
static char *hear(int fd, bool *closed)
{
	static char bytes[1 << 16];
	size_t n = 0;

	*closed = false;
	turns(3);
	for (;;) {
		ssize_t got = recv(fd, bytes + n, sizeof(bytes) - 1 - n, MSG_DONTWAIT);
		if (got <= 0) {
			*closed = got == 0 || errno == ECONNRESET;
			break;
		}
		n += (size_t)got;
	}
	bytes[n] = '\0';
	return bytes;
}

struct exchange_case {
	const char *request, *seen, *response;
	bool closes;
};

static const struct exchange_case cases[] = {
	{"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a body=\ndone 200\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n", false},
	{"POST /a/b?c=d&e HTTP/1.1\r\nContent-Length: 5\r\nX-Empty:\r\nX-Note: hi there\r\n\r\nhello",
	 "POST /a/b ?c=d&e note=hi there body=hello\ndone 200\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello", false},
	{"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Note: late\r\n\r\n",
	 "POST /a body=abcde\ndone 200\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nabcde", false},
	{"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n", "GET /a body=\ndone 200\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", true},
	{"GET /a HTTP/1.0\r\n\r\n", "GET /a body=\ndone 200\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", true},
	{"HEAD /stream HTTP/1.1\r\n\r\n", "HEAD /stream body=\ndone 200\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Extra: 1\r\nTransfer-Encoding: chunked\r\n\r\n", false},
	{"GET /stream HTTP/1.1\r\n\r\n", "GET /stream body=\ndone 200\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Extra: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "3\r\none\r\nf\r\na longer second\r\n0\r\n\r\n",
	 false},
	{"GET /stream HTTP/1.0\r\n\r\n", "GET /stream body=\ndone 200\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Extra: 1\r\nConnection: close\r\n\r\nonea longer second",
	 true},
	{"POST /a HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok", "POST /a body=ok\ndone 200\n",
	 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok",
	 false},
	/* Pipelining: each is answered in turn; what follows Connection: close is not. */
	{"GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 1\r\n\r\nxGET /3 HTTP/1.1\r\nConnection: "
	 "close\r\n\r\n"
	 "GET /4 HTTP/1.1\r\n\r\n",
	 "GET /1 body=\ndone 200\nPOST /2 body=x\ndone 200\nGET /3 body=\ndone 200\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx"
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	 true},
	/* An upgrade that nobody here speaks is ignored. */
	{"GET /a HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
	 "GET /b HTTP/1.1\r\n\r\n",
	 "GET /a body=\ndone 200\nGET /b body=\ndone 200\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
	 false},
	{"GET /cut HTTP/1.1\r\n\r\n", "GET /cut body=\ndone 200\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n", true},
};

static void check_case(const struct exchange_case *c, size_t split)
{
	struct str request = str_from(c->request);
	bool closed;

	buf_reset(&seen);
	int fd = dial();
	if (split == 0) { /* byte by byte */
		for (size_t i = 0; i < request.n; i++)
			say(fd, (struct str){request.p + i, 1});
	} else {
		say(fd, (struct str){request.p, split});
		say(fd, (struct str){request.p + split, request.n - split});
	}
	const char *response = hear(fd, &closed);
	assert_string_equal(response, c->response);
	assert_string_equal(seen.p, c->seen);
	assert_int_equal(closed, c->closes);
	close(fd);
	turns(3);
}

static void test_requests_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t split = 0; split <= strlen(cases[i].request); split++)
			check_case(&cases[i], split);
	assert_int_equal(server.npeers, 0);
}

static void check_refusal(struct str request, const char *status_line, const char *events)
{
	bool closed;
	buf_reset(&seen);
	int fd = dial();
	say(fd, request);
	const char *response = hear(fd, &closed);
	assert_true(str_starts(str_from(response), str_from(status_line)));
	assert_non_null(strstr(response, "\r\nConnection: close\r\n"));
	assert_true(closed);
	assert_string_equal(seen.n ? seen.p : "", events);
	close(fd);
	turns(3);
	assert_int_equal(server.npeers, 0);
}

static void test_malformed_requests(void **state)
{
	(void)state;
	static const char *const malformed[] = {
		"NONSENSE\r\n\r\n",
		"GET\r\n\r\n",
		"GET / HTTP/7.9\r\n\r\n",
		"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01",
	};
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		check_refusal(str_from(malformed[i]), "HTTP/1.1 400 Bad Request\r\n", "");
	check_refusal(STR("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
		      "HTTP/1.1 400 Bad Request\r\n", "done 400\n");
}

static void test_limits(void **state)
{
	(void)state;
	struct buf request;

	buf_init(&request, 1 << 20);
	buf_puts(&request, "GET / HTTP/1.1\r\nX-Long: ");
	for (size_t i = 0; i < limits.head_bytes; i++)
		buf_putc(&request, 'x');
	buf_puts(&request, "\r\n\r\n");
	check_refusal(buf_str(&request), "HTTP/1.1 431 ", "");

	buf_reset(&request);
	buf_puts(&request, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 100001\r\n\r\n");
	check_refusal(buf_str(&request), "HTTP/1.1 413 ", "done 413\n");

	/* The response must reach a client that is still sending: the rest of the body is read and thrown away. */
	buf_reset(&request);
	buf_puts(&request, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n40000\r\n");
	for (size_t i = 0; i < 0x40000; i++)
		buf_putc(&request, 'x');
	check_refusal(buf_str(&request), "HTTP/1.1 413 ", "done 413\n");

	buf_reset(&request);
	buf_puts(&request, "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n");
	for (size_t i = 0; i < 100000; i++)
		buf_putc(&request, 'x');
	buf_reset(&seen);
	int fd = dial();
	say(fd, buf_str(&request));
	turns(10);
	assert_string_equal(seen.p, "POST / body=\ndone 200\n");
	close(fd);
	buf_release(&request);
}

static void test_client_leaves_while_it_waits(void **state)
{
	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		buf_reset(&seen);
		int fd = dial();
		say(fd, STR("GET /later HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\n\r\n"));
		assert_non_null(waiting);
		if (reset) {
			struct linger l = {1, 0};
			assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
		}
		close(fd);
		turns(3);
		assert_null(waiting);
		assert_string_equal(seen.p, "GET /later body=\ndone 0 aborted\n");
		assert_int_equal(server.npeers, 0);
	}
}

/* It has sent so much ahead that it is no longer read: its leaving must be noticed all the same. */
static void test_client_leaves_while_not_read(void **state)
{
	(void)state;
	static char ahead[300000];
	bool closed;

	memset(ahead, 'x', sizeof(ahead));
	buf_reset(&seen);
	int fd = dial();
	say(fd, STR("GET /later HTTP/1.1\r\n\r\n"));
	(void)send(fd, ahead, sizeof(ahead), MSG_NOSIGNAL | MSG_DONTWAIT);
	turns(20);
	assert_non_null(waiting);
	(void)hear(fd, &closed);
	assert_false(closed);
	close(fd);
	turns(5);
	assert_null(waiting);
	assert_string_equal(seen.p, "GET /later body=\ndone 0 aborted\n");
}

static void test_client_leaves_in_its_request(void **state)
{
	(void)state;
	buf_reset(&seen);
	int fd = dial();
	say(fd, STR("POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"));
	close(fd);
	turns(3);
	assert_string_equal(seen.p, "done 0 aborted\n");
	assert_int_equal(server.npeers, 0);
}

static void test_pipelined_behind_a_late_answer(void **state)
{
	(void)state;
	bool closed;
	buf_reset(&seen);
	int fd = dial();
	say(fd, STR("GET /later HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\n\r\n"));
	assert_string_equal(hear(fd, &closed), "");
	http_call_respond(waiting, 200, "text/plain", "", STR("first"));
	assert_string_equal(hear(fd, &closed),
			    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nfirst"
			    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n");
	assert_string_equal(seen.p, "GET /later body=\ndone 200\nGET /next body=\ndone 200\n");
	close(fd);
}

/* One chunk is one segment on the wire: what a client's recv gives it. */
static void test_one_send_per_chunk(void **state)
{
	(void)state;
	char bytes[1000];
	int fd = dial();
	say(fd, STR("GET /later HTTP/1.1\r\n\r\n"));
	http_call_begin(waiting, 200, "text/plain", "");
	assert_true(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0);
	http_call_chunk(waiting, STR("12345"));
	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), 10);
	assert_memory_equal(bytes, "5\r\n12345\r\n", 10);
	http_call_end(waiting);
	close(fd);
}

/* The sixth waits in the kernel's queue until one of the five has gone. */
static void test_connections_max(void **state)
{
	(void)state;
	int fds[6];
	bool closed;
	for (size_t i = 0; i < 6; i++)
		fds[i] = dial();
	assert_int_equal(server.npeers, 5);
	say(fds[5], STR("GET /a HTTP/1.1\r\n\r\n"));
	assert_string_equal(hear(fds[5], &closed), "");
	close(fds[0]);
	turns(5);
	assert_int_not_equal(hear(fds[5], &closed)[0], '\0');
	for (size_t i = 1; i < 6; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests_at_every_split, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_leaves_while_it_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_leaves_while_not_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_leaves_in_its_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pipelined_behind_a_late_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_send_per_chunk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connections_max, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
