/* SPDX-License-Identifier: MIT */
/* Calls on watched connections that are added up: how many make a record, and that no byte is told twice or never. */
#include "shim_fixture.h"

#include "sum.h"

/* The time that the shim sees. Ticks lag behind, as the kernel's do. */
static _Atomic uint64_t now_ns = 1000000000;

static int fake_clock(clockid_t clock, struct timespec *t)
{
	uint64_t ns = atomic_load(&now_ns);
	if (clock == CLOCK_MONOTONIC_COARSE)
		ns -= 3000000;
	*t = (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
	return 0;
}

static void later(uint64_t ns)
{
	atomic_fetch_add(&now_ns, ns);
}

static int start_with_clock(void **state)
{
	int result = start(state);
	shim.clock = fake_clock;
	return result;
}

/* Calls that moved n bytes, without a socket's help. */
static void sends(int fd, const char *text, size_t n)
{
	static char room[4096];
	assert_true(n <= sizeof(room));
	memset(room, 'x', sizeof(room));
	memcpy(room, text, strlen(text));
	text = room;
	struct transfer t = send_begin(fd, fd_slot(fd));
	send_end(&t, (ssize_t)n, BYTES(text, n), 0);
}

static void receives(int fd, size_t n)
{
	static char room[4096];
	struct transfer t = recv_begin(fd, fd_slot(fd));
	recv_end(&t, (ssize_t)n, BYTES(room, n), 0);
}

static void next_is_sum(enum kvs_record_type type, uint64_t n, uint64_t offset)
{
	next_is(type);
	assert_int_equal(payload.n, 0);
	assert_int_equal(record->flags, KVS_REC_NO_PAYLOAD | KVS_REC_SUM);
	assert_int_equal(record->wire_bytes, n);
	assert_int_equal(record->offset, offset);
	assert_int_equal(record->end_ns, 0);
}

static int watched(int *other)
{
	later(SUM_WINDOW_NS);
	int fd = hooked_connect();
	*other = peer();
	send_text(fd, OTHER);
	next_is_class(KVS_CLASS_WATCHED);
	next_is_size(KVS_REC_SEND, strlen(OTHER), 0);
	return fd;
}

/* So many calls each way that nothing makes a record any more. Behind what watched() sent. */
static void use_up_the_window(int fd)
{
	for (unsigned i = 0; i < SUM_CALLS; i++) {
		sends(fd, OTHER, 10);
		next_is_size(KVS_REC_SEND, 10, strlen(OTHER) + i * 10);
		receives(fd, 20);
		next_is_size(KVS_REC_RECV, 20, i * 20);
	}
}

static const uint64_t tx_used = sizeof(OTHER) - 1 + SUM_CALLS * 10, rx_used = SUM_CALLS * 20;

static void the_first_calls_of_a_window_make_records(void **state)
{
	(void)state;
	int other, fd = watched(&other);
	use_up_the_window(fd);
	for (int i = 0; i < 1000; i++) {
		sends(fd, OTHER, 7);
		receives(fd, 5);
		later(1000);
	}
	no_record();
	uint64_t last = atomic_load(&now_ns) - 1000;
	later(SUM_WINDOW_NS);
	receives(fd, 5);
	next_is_sum(KVS_REC_SEND, 7000, tx_used);
	assert_int_equal(record->time_ns, last);
	next_is_sum(KVS_REC_RECV, 5000, rx_used);
	assert_int_equal(record->time_ns, last - 3000000);
	next_is_size(KVS_REC_RECV, 5, rx_used + 5000);
	assert_int_equal(record->time_ns, atomic_load(&now_ns));
	sends(fd, OTHER, 7);
	next_is_size(KVS_REC_SEND, 7, tx_used + 7000);
	close_both(fd, other);
}

/* A client that talks now and then is recorded call by call, however long it does. */
static void who_pauses_is_never_added_up(void **state)
{
	(void)state;
	int other, fd = watched(&other);
	for (uint64_t i = 0; i < 100; i++) {
		later(SUM_WINDOW_NS / SUM_CALLS + 1);
		receives(fd, 5);
		next_is_size(KVS_REC_RECV, 5, i * 5);
	}
	close_both(fd, other);
}

/* Whatever is said next of the connection, what was added up is told before. */
static void it_is_told_before_anything_else(void **state)
{
	(void)state;
	static const char upgrade[] = "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
	static const enum kvs_record_type said[] = {KVS_REC_CLOSE,    KVS_REC_CLOSE, KVS_REC_EOF,  KVS_REC_ERROR,
						    KVS_REC_SHUTDOWN, KVS_REC_BLIND, KVS_REC_CLASS};
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		int other, fd = watched(&other);
		use_up_the_window(fd);
		sends(fd, OTHER, 3);
		receives(fd, 4);
		no_record();
		struct transfer t = recv_begin(fd, fd_slot(fd));
		if (i == 0)
			follow_closing(fd);
		else if (i == 1)
			follow_created(fd);
		else if (i == 2)
			recv_end(&t, 0, BYTES("x", 1), 0);
		else if (i == 3)
			follow_error(&t, ECONNRESET);
		else if (i == 4)
			shutdown_end(fd, SHUT_WR, 0);
		else if (i == 5)
			move_end(-1, fd, 50);
		else
			sends(fd, upgrade, strlen(upgrade));
		next_is_sum(KVS_REC_SEND, 3, tx_used);
		assert_int_equal(record->fd, fd);
		next_is_sum(KVS_REC_RECV, 4, rx_used);
		next_is(said[i]);
		if (said[i] == KVS_REC_BLIND)
			assert_int_equal(record->offset, tx_used + 3);
		if (said[i] == KVS_REC_CLASS)
			next_is_size(KVS_REC_SEND, strlen(upgrade), tx_used + 3);
		if (said[i] == KVS_REC_CLOSE)
			close(fd);
		else {
			hooked_close(fd);
			next_is(KVS_REC_CLOSE);
		}
		close(other);
	}
}

/* Closed behind our back, and the number is another connection's: the sum is the old one's. */
static void another_connection_does_not_inherit_it(void **state)
{
	(void)state;
	int other, fd = watched(&other);
	uint64_t first = record->conn;
	use_up_the_window(fd);
	sends(fd, OTHER, 3);
	close(fd);
	assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), fd);
	int result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), connect_begin(), result);
	next_is(KVS_REC_CONNECT);
	uint64_t second = record->conn;
	assert_int_not_equal(first, second);
	next_is_sum(KVS_REC_SEND, 3, tx_used);
	assert_int_equal(record->conn, first);
	next_is(KVS_REC_CLOSE);
	assert_int_equal(record->conn, first);
	close(other);
	other = peer();
	/* Nor does the next one in its entry, or its window. */
	send_text(fd, OTHER);
	next_is_class(KVS_CLASS_WATCHED);
	next_is_size(KVS_REC_SEND, strlen(OTHER), 0);
	use_up_the_window(fd);
	close_both(fd, other);
}

/* A request to a language model is found in the middle of it all, and its bytes stand where they should. */
static void it_is_told_before_the_promotion(void **state)
{
	(void)state;
	static const char hello[] = "\x16\x03\x01\x00\x7b\x01";
	for (int tls = 0; tls < 2; tls++) {
		int other, fd = watched(&other);
		use_up_the_window(fd);
		sends(fd, OTHER, 3);
		receives(fd, 4);
		uint64_t begin = atomic_load(&now_ns);
		if (tls)
			hooked_send(fd, hello, 6);
		else
			send_text(fd, REQUEST);
		next_is_sum(KVS_REC_SEND, 3, tx_used);
		next_is_sum(KVS_REC_RECV, 4, rx_used);
		next_is_class(tls ? KVS_CLASS_OPAQUE : KVS_CLASS_RECORDED);
		if (tls)
			next_is_size(KVS_REC_SEND, 6, tx_used + 3);
		else
			next_is_bytes(KVS_REC_SEND, REQUEST, tx_used + 3);
		/* Its time is its own, not that of the last tick. */
		assert_int_equal(record->time_ns, begin);
		/* From now on each call makes a record. */
		for (unsigned i = 0; i < 2 * SUM_CALLS; i++) {
			answer(other, "answer");
			char room[6];
			assert_int_equal(hooked_recv(fd, room, sizeof(room), 0), 6);
			if (tls)
				next_is_size(KVS_REC_RECV, 6, rx_used + 4 + i * 6);
			else
				next_is_bytes(KVS_REC_RECV, "answer", rx_used + 4 + i * 6);
		}
		close_both(fd, other);
	}
}

/* What a parent has not told yet is its own to tell, and a child's its child's. */
static void a_child_tells_its_own(void **state)
{
	(void)state;
	int status, other, second_other, second = watched(&second_other), fd = watched(&other);
	use_up_the_window(fd);
	sends(fd, OTHER, 3);
	receives(fd, 4);
	pid_t child = fork();
	if (child == 0) {
		/* Makes it known; what it inherited is not told. */
		sends(fd, OTHER, 100);
		sends(fd, OTHER, 1000);
		receives(fd, 2000);
		sum_tell_all();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	next_is(KVS_REC_PROCESS);
	next_is_size(KVS_REC_SEND, 100, tx_used);
	assert_int_equal(record->pid, child);
	next_is_sum(KVS_REC_SEND, 1000, tx_used + 100);
	assert_int_equal(record->pid, child);
	next_is_sum(KVS_REC_RECV, 2000, rx_used);
	no_record();
	/* One that is known already when it comes to the connection. */
	child = fork();
	if (child == 0) {
		receives(second, 1);
		receives(fd, 2000);
		sum_tell_all();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	next_is(KVS_REC_PROCESS);
	next_is_size(KVS_REC_RECV, 1, 0);
	next_is_sum(KVS_REC_RECV, 2000, rx_used);
	/* One that only ends tells nothing. */
	child = fork();
	if (child == 0) {
		sum_tell_all();
		hooked_close(fd);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	no_record();
	sum_tell_all();
	next_is_sum(KVS_REC_SEND, 3, tx_used);
	assert_int_equal(record->pid, getpid());
	next_is_sum(KVS_REC_RECV, 4, rx_used);
	sum_tell_all();
	no_record();
	close_both(fd, other);
	close_both(second, second_other);
}

/* A program that confines itself makes no records from then on. */
static void it_is_told_before_the_sandbox(void **state)
{
	(void)state;
	int status, other, fd = watched(&other);
	pid_t child = fork();
	if (child == 0) {
		sends(fd, OTHER, 1);
		for (unsigned i = 0; i < SUM_CALLS; i++)
			sends(fd, OTHER, 1);
		sends(fd, OTHER, 3);
		follow_confined(follow_confining());
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	next_is(KVS_REC_PROCESS);
	uint64_t n = 0;
	do {
		next_is(KVS_REC_SEND);
		n += record->wire_bytes;
	} while (!(record->flags & KVS_REC_SUM));
	assert_int_equal(n, 1 + SUM_CALLS + 3);
	next_is(KVS_REC_BLIND);
	close_both(fd, other);
}

static int replace_at, replaced_fd, replaced_other;
static bool talks_first, talks_then;

/* The connection is closed, another one has its number and its entry, and talks. */
static void replace_at_step(int step)
{
	if (step != replace_at)
		return;
	sum_step = NULL;
	struct conn *c = conn_of(fd_slot(replaced_fd));
	hooked_close(replaced_fd);
	if (talks_first)
		next_is_sum(KVS_REC_RECV, 4, rx_used);
	next_is(KVS_REC_CLOSE);
	close(replaced_other);
	assert_int_equal(hooked_connect(), replaced_fd);
	replaced_other = peer();
	assert_ptr_equal(conn_of(fd_slot(replaced_fd)), c);
	send_text(replaced_fd, OTHER);
	next_is_class(KVS_CLASS_WATCHED);
	next_is_size(KVS_REC_SEND, strlen(OTHER), 0);
	/* Its window has just begun, whatever the other one's had. */
	use_up_the_window(replaced_fd);
	if (talks_then)
		receives(replaced_fd, 50);
	no_record();
}

/* A call that ends after all that is no call of the new connection. */
static void a_call_that_outlives_its_connection(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		replace_at = 1 + (i & 1);
		talks_first = i & 2;
		talks_then = i & 4;
		replaced_fd = watched(&replaced_other);
		use_up_the_window(replaced_fd);
		if (talks_first)
			receives(replaced_fd, 4);
		sum_step = replace_at_step;
		receives(replaced_fd, 5);
		assert_null(sum_step);
		no_record();
		hooked_close(replaced_fd);
		if (talks_then)
			next_is_sum(KVS_REC_RECV, 50, rx_used);
		next_is(KVS_REC_CLOSE);
		close(replaced_other);
	}
}

/* A handler that talks in the middle of its thread's own record: what can be added up need not be turned away. */
static int handler_fd;

static void receive_in_handler(int step)
{
	if (step != 5)
		return;
	ring_step = NULL;
	receives(handler_fd, 4);
}

static void a_handler_may_add(void **state)
{
	(void)state;
	int other, fd = watched(&other);
	use_up_the_window(fd);
	uint64_t before = dropped(KVS_DROP_NESTED);
	handler_fd = fd;
	ring_step = receive_in_handler;
	shutdown_end(fd, SHUT_WR, 0);
	assert_null(ring_step);
	next_is(KVS_REC_SHUTDOWN);
	assert_int_equal(dropped(KVS_DROP_NESTED), before);
	hooked_close(fd);
	next_is_sum(KVS_REC_RECV, 4, rx_used);
	next_is(KVS_REC_CLOSE);
	close(other);
}

enum { THREADS = 4, CALLS = 20000 };
static int shared_fd;

static void *talk(void *unused)
{
	(void)unused;
	for (int i = 0; i < CALLS; i++) {
		receives(shared_fd, 3);
		later(1000);
	}
	return NULL;
}

/* Sums up the records that there are; the offsets of sums leave no hole. */
static uint64_t received_so_far(uint64_t n)
{
	while (ring_reader_next(reader, &record, &payload) == 1)
		if (record->type == KVS_REC_RECV)
			n += record->wire_bytes;
	return n;
}

static void threads_lose_nothing(void **state)
{
	(void)state;
	pthread_t thread[THREADS];
	int other;
	shared_fd = watched(&other);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, talk, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	hooked_close(shared_fd);
	assert_int_equal(received_so_far(0), 3 * THREADS * CALLS);
	close(other);
}

static _Atomic bool receiving;

/* Until the connection has been promoted, and a little longer. */
static void *receive_on(void *unused)
{
	(void)unused;
	int most = 100000000;
	for (int more = 10; more > 0 && most > 0;
	     most--, more -= atomic_load(&conn_of(fd_slot(shared_fd))->state) == KVS_CLASS_RECORDED) {
		receives(shared_fd, 3);
		atomic_store(&receiving, true);
	}
	return NULL;
}

static int promote_at, promoted_fd;

static void promote_at_step(int step)
{
	if (step != promote_at)
		return;
	sum_step = NULL;
	send_text(promoted_fd, REQUEST);
}

/* A thread that receives is overtaken by one whose request makes the connection recorded. */
static void a_promotion_that_overtakes_a_call(void **state)
{
	(void)state;
	for (promote_at = 1; promote_at <= 2; promote_at++) {
		int other, fd = watched(&other);
		use_up_the_window(fd);
		receives(fd, 4);
		promoted_fd = fd;
		sum_step = promote_at_step;
		receives(fd, 5);
		assert_null(sum_step);
		next_is_sum(KVS_REC_RECV, 4, rx_used);
		next_is_class(KVS_CLASS_RECORDED);
		next_is_bytes(KVS_REC_SEND, REQUEST, tx_used);
		no_record();
		/* What comes next is wanted, behind it. */
		answer(other, "answer");
		char room[6];
		assert_int_equal(hooked_recv(fd, room, sizeof(room), 0), 6);
		next_is_sum(KVS_REC_RECV, 5, rx_used + 4);
		next_is_bytes(KVS_REC_RECV, "answer", rx_used + 9);
		close_both(fd, other);
	}
}

/* More than there is room for. */
static void a_sum_that_is_full_is_told(void **state)
{
	(void)state;
	const uint64_t most = (UINT64_C(1) << 42) - 1;
	int other, fd = watched(&other);
	use_up_the_window(fd);
	receives(fd, most - 1);
	receives(fd, 1);
	no_record();
	receives(fd, 2);
	next_is_sum(KVS_REC_RECV, most, rx_used);
	next_is_size(KVS_REC_RECV, 2, rx_used + most);
	close_both(fd, other);
}

/*
 * One thread receives while another one's request makes the connection recorded: every record follows the one before.
 * (A promotion is undone for the next round: no connection does that.)
 */
static void a_promotion_between_calls(void **state)
{
	(void)state;
	int other;
	shared_fd = watched(&other);
	struct conn *c = conn_of(fd_slot(shared_fd));
	uint64_t at = 0, late = 0;
	for (int round = 0; round < 300; round++) {
		pthread_t thread;
		atomic_store(&receiving, false);
		/* Within the window: calls are added up. */
		atomic_store(&c->received.window_ns, atomic_load(&now_ns) - 3000000);
		atomic_store(&c->received.calls, SUM_CALLS);
		assert_int_equal(pthread_create(&thread, NULL, receive_on, NULL), 0);
		while (!atomic_load(&receiving))
			sched_yield();
		sends(shared_fd, REQUEST, strlen(REQUEST));
		pthread_join(thread, NULL);
		bool recorded = false;
		while (ring_reader_next(reader, &record, &payload) == 1) {
			recorded |= record->type == KVS_REC_CLASS;
			if (record->type != KVS_REC_RECV)
				continue;
			assert_int_equal(record->offset, at);
			at += record->wire_bytes;
			late += recorded && (record->flags & KVS_REC_SUM);
		}
		assert_true(recorded);
		atomic_store(&c->state, KVS_CLASS_WATCHED);
	}
	print_message("%llu sums told late\n", (unsigned long long)late);
	close_both(shared_fd, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_calls_of_a_window_make_records),
		TEST(who_pauses_is_never_added_up),
		TEST(it_is_told_before_anything_else),
		TEST(another_connection_does_not_inherit_it),
		TEST(it_is_told_before_the_promotion),
		TEST(a_child_tells_its_own),
		TEST(it_is_told_before_the_sandbox),
		TEST(a_call_that_outlives_its_connection),
		TEST(a_handler_may_add),
		TEST(threads_lose_nothing),
		TEST(a_promotion_that_overtakes_a_call),
		TEST(a_sum_that_is_full_is_told),
		TEST(a_promotion_between_calls),
	};
	/* A failure may leave a thread or a connection that somebody waits for. */
	alarm(120);
	return cmocka_run_group_tests(tests, start_with_clock, end) != 0;
}
