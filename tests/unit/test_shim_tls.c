/* SPDX-License-Identifier: MIT */
/* Clear text of TLS: which connection an SSL object belongs to, and what is recorded of it. */
#include "shim_fixture.h"
#include "follow.h"
#include "tls.h"

/* An SSL object as far as this is concerned, and the library that knows it. */
struct object {
	uint8_t random[32];
	int error;
};

static size_t client_random(const void *ssl, unsigned char *out, size_t n)
{
	memcpy(out, ((const struct object *)ssl)->random, n);
	return n;
}

static int get_error(const void *ssl, int result)
{
	(void)result;
	errno = EIO; /* is to be put right again */
	return ((const struct object *)ssl)->error;
}

static const struct tls_library library = {.SSL_get_client_random = client_random, .SSL_get_error = get_error};

/* A TLS hello with these random bytes and nothing that could be a server's name. */
static size_t hello(uint8_t *out, const struct object *object)
{
	static const uint8_t head[] = {22, 3, 1, 0, 40, 1, 0, 0, 36, 3, 3};
	memcpy(out, head, sizeof(head));
	memcpy(out + sizeof(head), object->random, sizeof(object->random));
	out[43] = out[44] = 0;
	return 45;
}

static struct object object_of(uint8_t first)
{
	struct object object = {.error = 2};
	for (size_t i = 0; i < sizeof(object.random); i++)
		object.random[i] = (uint8_t)(first + i);
	return object;
}

static struct iovec iovec_of(const void *p, size_t n)
{
	struct iovec iov = {.iov_len = n};
	memcpy(&iov.iov_base, &p, sizeof(p));
	return iov;
}

static void socket_sent(int fd, const void *p, size_t n)
{
	struct iovec iov = iovec_of(p, n);
	struct transfer t = {.fd = fd, .slot = fd_slot(fd)};
	follow_begin_send(&t);
	follow_sent(&t, (struct view){&iov, 1, 0}, n);
}

static void socket_received(int fd, const void *p, size_t n)
{
	struct iovec iov = iovec_of(p, n);
	struct view view = {&iov, 1, 0};
	struct transfer t = {.fd = fd, .slot = fd_slot(fd)};
	follow_received(&t, &view, n);
}

/* A followed connection over which the object has said hello. */
static int connected(const struct object *object)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint8_t bytes[64];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	follow_connect(fd, (struct sockaddr *)&to, sizeof(to), 1, 0);
	next_is(KVS_REC_CONNECT);
	socket_sent(fd, bytes, hello(bytes, object));
	next_is(KVS_REC_CLASS);
	assert_int_equal(record->arg, KVS_CLASS_OPAQUE);
	next_is(KVS_REC_SEND);
	assert_int_equal(record->flags, KVS_REC_NO_PAYLOAD);
	socket_received(fd, bytes, 30);
	next_is(KVS_REC_RECV);
	return fd;
}

static void disconnected(int fd)
{
	follow_closing(fd);
	close(fd);
	next_is(KVS_REC_CLOSE);
	no_record();
}

static void sent(const struct object *object, const char *text)
{
	tls_sent(&library, object, text, strlen(text), 5);
}

static void received(const struct object *object, const char *text)
{
	tls_received(&library, object, text, strlen(text), (int)strlen(text));
}

static void promoted(void)
{
	next_is(KVS_REC_CLASS);
	assert_int_equal(record->arg, KVS_CLASS_RECORDED);
	assert_int_equal(record->flags, KVS_REC_INSIDE_TLS);
	assert_int_equal(payload.n, 0);
}

static void a_request_is_recorded_from_its_first_byte(void **state)
{
	(void)state;
	struct object object = object_of(1);
	int fd = connected(&object);
	uint64_t cookie = record->conn;
	sent(&object, REQUEST);
	promoted();
	assert_true(record->conn == cookie);
	next_is_bytes(KVS_REC_SEND, REQUEST, 0);
	assert_true(record->conn == cookie && record->time_ns == 5 && record->end_ns > 5);

	/* The same bytes again, encrypted, and their sizes: nobody's business any more. */
	socket_sent(fd, "0123456789", 10);
	socket_received(fd, "0123456789", 10);
	no_record();
	received(&object, "HTTP/1.1 200 OK\r\n\r\n");
	next_is_bytes(KVS_REC_RECV, "HTTP/1.1 200 OK\r\n\r\n", 0);
	sent(&object, "more");
	next_is_bytes(KVS_REC_SEND, "more", strlen(REQUEST));
	received(&object, "and more");
	next_is_bytes(KVS_REC_RECV, "and more", 19);

	/* The socket's end may come before the last clear text has been read: TLS says when. */
	struct transfer t = {.fd = fd, .slot = fd_slot(fd)};
	follow_eof(&t);
	no_record();
	errno = 77;
	tls_received(&library, &object, NULL, 0, -1);
	assert_int_equal(errno, 77);
	no_record(); /* not yet */
	object.error = 6;
	tls_received(&library, &object, NULL, 0, 0);
	next_is(KVS_REC_EOF);
	assert_int_equal(record->offset, 27);
	object.error = 5;
	errno = ETIMEDOUT;
	tls_received(&library, &object, NULL, 0, -1);
	next_is(KVS_REC_ERROR);
	assert_int_equal(record->arg, ETIMEDOUT);
	disconnected(fd);
	sent(&object, REQUEST);
	no_record();
}

static void anything_else_stays_closed(void **state)
{
	(void)state;
	struct object object = object_of(2);
	int fd = connected(&object);
	sent(&object, OTHER);
	received(&object, "HTTP/1.1 200 OK\r\n\r\nsecret");
	no_record();
	socket_sent(fd, "0123456789", 10);
	next_is(KVS_REC_SEND);
	assert_int_equal(record->flags, KVS_REC_NO_PAYLOAD);
	/* Later it asks a language model. */
	sent(&object, REQUEST);
	promoted();
	next_is_bytes(KVS_REC_SEND, REQUEST, 0);
	disconnected(fd);
}

static void http2_is_said(void **state)
{
	(void)state;
	struct object object = object_of(3);
	int fd = connected(&object);
	sent(&object, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	next_is(KVS_REC_CLASS);
	assert_int_equal(record->arg, KVS_CLASS_OPAQUE);
	assert_int_equal(record->flags, KVS_REC_INSIDE_TLS);
	assert_memory_equal(payload.p, "http2", payload.n);
	disconnected(fd);
}

static void an_object_of_no_connection_is_let_alone(void **state)
{
	(void)state;
	struct object object = object_of(4), stranger = object_of(5), blank = {.error = 2};
	int fd = connected(&object);
	sent(&stranger, REQUEST);
	sent(&stranger, REQUEST); /* the second time from memory */
	sent(&blank, REQUEST);
	received(&stranger, "HTTP/1.1 200 OK\r\n\r\n");
	no_record();
	/* An object at the same place, but with another hello: what was found there before does not count. */
	sent(&object, REQUEST);
	promoted();
	next_is_bytes(KVS_REC_SEND, REQUEST, 0);
	object.random[31] ^= 1;
	sent(&object, REQUEST);
	no_record();
	disconnected(fd);
}

/* One of two, whichever is found first, and neither after it has gone. */
static void many_at_once(void **state)
{
	(void)state;
	struct object objects[20];
	int fds[20];
	uint64_t cookies[20];
	for (size_t i = 0; i < 20; i++) {
		objects[i] = object_of((uint8_t)(100 + i));
		fds[i] = connected(&objects[i]);
		cookies[i] = record->conn;
	}
	for (size_t i = 20; i-- > 0;) {
		sent(&objects[i], REQUEST);
		promoted();
		next_is_bytes(KVS_REC_SEND, REQUEST, 0);
		assert_true(record->conn == cookies[i]);
	}
	for (size_t i = 0; i < 20; i++)
		disconnected(fds[i]);
	for (size_t i = 0; i < 20; i++)
		received(&objects[i], "late");
	no_record();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_recorded_from_its_first_byte),
		cmocka_unit_test(anything_else_stays_closed),
		cmocka_unit_test(http2_is_said),
		cmocka_unit_test(an_object_of_no_connection_is_let_alone),
		cmocka_unit_test(many_at_once),
	};
	return cmocka_run_group_tests(tests, start, end) != 0;
}
