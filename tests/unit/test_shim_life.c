/* SPDX-License-Identifier: MIT */
/* Descriptors that come, go and are not what they were; children, signal handlers, limits. */
#include "shim_fixture.h"

static void duplicates_share_the_connection(void **state)
{
	(void)state;
	int fd = hooked_connect(), other = peer();
	int copy = dup(fd);
	dup_end(fd, copy);
	send_text(copy, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is_bytes(KVS_REC_SEND, REQUEST, 0);
	hooked_close(fd);
	no_record();
	send_text(copy, "more");
	next_is_bytes(KVS_REC_SEND, "more", strlen(REQUEST));
	/* Onto itself: nothing happens. Onto another connection: that one ends. */
	dup_end(copy, copy);
	int second = hooked_connect(), other2 = peer();
	uint64_t second_conn = record->conn;
	assert_int_equal(dup2(copy, second), second);
	dup_end(copy, second);
	next_is(KVS_REC_CLOSE);
	assert_int_equal(record->conn, second_conn);
	follow_closing_range((unsigned)(copy < second ? copy : second), ~0U);
	next_is(KVS_REC_CLOSE);
	close(copy);
	close(second);
	close(other);
	close(other2);
}

/*
 * The host closes the socket behind our back and its number comes back as a file, a pipe, another socket. Not a byte of
 * these may be recorded, whatever state the connection was in.
 */
static void stale_number_leaks_nothing(void **state)
{
	(void)state;
	char room[16];
	const char *const firsts[] = {REQUEST, OTHER, "PO", ""};
	for (int kind = 0; kind < 3; kind++) {
		for (size_t i = 0; i < 4; i++) {
			int fd = hooked_connect(), other = peer(), ends[2];
			if (firsts[i][0])
				send_text(fd, firsts[i]);
			while (ring_reader_next(reader, &record, &payload) == 1)
				;
			close(fd);
			if (kind == 0)
				assert_int_equal(pipe(ends), 0);
			else
				assert_int_equal(socketpair(AF_UNIX, kind == 1 ? SOCK_STREAM : SOCK_SEQPACKET, 0, ends),
						 0);
			int at = ends[0] == fd ? ends[1] : ends[0];
			assert_true(ends[0] == fd || ends[1] == fd);
			uint64_t before = dropped(KVS_DROP_IDENTITY);
			if (kind == 0 && ends[0] == fd) {
				/* The reading end of a pipe has our number. */
				assert_int_equal(write(at, "canary", 6), 6);
				struct transfer t = recv_begin(fd, fd_slot(fd));
				ssize_t n = read(fd, room, sizeof(room));
				recv_end(&t, n, BYTES(room, sizeof(room)), 0);
			} else {
				send_text(fd, REQUEST "canary");
			}
			while (ring_reader_next(reader, &record, &payload) == 1) {
				assert_int_equal(payload.n, 0);
				assert_true(record->type == KVS_REC_CLOSE || record->type == KVS_REC_CLASS ||
					    record->flags == KVS_REC_NO_PAYLOAD);
			}
			if (i == 0) {
				assert_int_equal(dropped(KVS_DROP_IDENTITY), before + 1);
				assert_int_equal(fd_slot(fd), 0);
			}
			hooked_close(ends[0]);
			hooked_close(ends[1]);
			hooked_close(other);
			while (ring_reader_next(reader, &record, &payload) == 1)
				assert_int_equal(record->type, KVS_REC_CLOSE);
		}
	}
}

/* What the parent of a vfork child remembers is not the child's to change: they share the memory. */
static void vfork_child_changes_nothing(void **state)
{
	(void)state;
	int fd = hooked_connect(), other = peer();
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is(KVS_REC_SEND);
	/* As the child sees it: the page holds a pid that is not its own. */
	atomic_store(shim.fork_pid, shim.pid + 1);
	follow_closing(fd);
	follow_closing_range(3, ~0U);
	follow_created(fd);
	dup_end(fd, other);
	atomic_store(shim.fork_pid, shim.pid);
	no_record();
	assert_int_equal(fd_slot(other), 0);
	send_text(fd, "still there");
	next_is_bytes(KVS_REC_SEND, "still there", strlen(REQUEST));
	close_both(fd, other);
}

static void forked_child_makes_itself_known_when_it_talks(void **state)
{
	(void)state;
	int fd = hooked_connect(), other = peer();
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is(KVS_REC_SEND);
	for (int talks = 0; talks < 2; talks++) {
		pid_t child = fork();
		if (child == 0) {
			if (talks)
				send_text(fd, "from the child");
			hooked_close(fd);
			_exit(0);
		}
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		if (talks) {
			next_is(KVS_REC_PROCESS);
			assert_int_equal(record->pid, child);
			assert_int_equal(record->flags, KVS_REC_AFTER_FORK);
			struct kvs_process head;
			memcpy(&head, payload.p, sizeof(head));
			assert_int_equal(head.ppid, getpid());
			next_is_bytes(KVS_REC_SEND, "from the child", strlen(REQUEST));
			assert_int_equal(record->pid, child);
			assert_int_equal(record->tid, child);
			next_is(KVS_REC_CLOSE);
		}
		no_record();
	}
	send_text(fd, "from the parent");
	next_is_bytes(KVS_REC_SEND, "from the parent", strlen(REQUEST));
	assert_int_equal(record->pid, getpid());
	close_both(fd, other);
}

static int talking_fd, raise_at;
static sigjmp_buf out_of_handler;
static bool jump;

static void talk_in_handler(int signal)
{
	(void)signal;
	ring_step = NULL;
	if (jump)
		siglongjmp(out_of_handler, 1);
	send_text(talking_fd, "nested");
}

static void raise_at_step(int step)
{
	if (step == raise_at)
		raise(SIGUSR1);
}

/* A handler that talks in the middle of its thread's own record: passed on, counted, and the record is whole. */
static void handler_that_talks_inside_a_record(void **state)
{
	(void)state;
	int fd = hooked_connect(), other = peer();
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is(KVS_REC_SEND);
	static char stack[64 << 10];
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)}, none = {.ss_flags = SS_DISABLE};
	struct sigaction action = {.sa_handler = talk_in_handler};
	assert_int_equal(sigaltstack(&alternate, NULL), 0);
	talking_fd = fd;
	jump = false;
	uint64_t offset = strlen(REQUEST);
	for (int i = 0; i < 14; i++) {
		/* At every step, on the thread's own stack and on another one. */
		raise_at = i / 2 + 1;
		action.sa_flags = i % 2 ? SA_ONSTACK : 0;
		assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
		uint64_t before = dropped(KVS_DROP_NESTED);
		ring_step = raise_at_step;
		send_text(fd, "outer");
		next_is_bytes(KVS_REC_SEND, "outer", offset);
		no_record();
		assert_int_equal(dropped(KVS_DROP_NESTED), before + 1);
		offset += strlen("outer") + strlen("nested");
	}
	assert_int_equal(sigaltstack(&none, NULL), 0);
	close_both(fd, other);
}

/* A handler that jumps out of the middle of a record: the next call from the same place goes on, the ring is not stuck.
 */
static void handler_that_jumps_out_of_a_record(void **state)
{
	(void)state;
	int fd = hooked_connect(), other = peer();
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is(KVS_REC_SEND);
	struct ring_loss before, after;
	ring_reader_loss(reader, &before);
	signal(SIGUSR1, talk_in_handler);
	talking_fd = fd;
	jump = true;
	for (volatile int step = 1; step <= 6; step++) {
		if (sigsetjmp(out_of_handler, 1) == 0) {
			raise_at = step;
			ring_step = raise_at_step;
			send_text(fd, "lost");
			fail_msg("step %d was not reached", step);
		}
		send_text(fd, "goes on");
		next_is(KVS_REC_SEND);
		assert_int_equal(payload.n, strlen("goes on"));
		no_record();
	}
	ring_reader_loss(reader, &after);
	/* From step 3 on there was something to void. */
	assert_int_equal(after.voided - before.voided, 4);
	hooked_close(fd);
	next_is(KVS_REC_CLOSE);
	hooked_close(other);
	/* The pins that the jumps left behind cost this one entry; undone here for the checks of the other tests. */
	for (size_t i = 0; i < CONN_MAX; i++)
		atomic_store(&conns[i].word, atomic_load(&conns[i].word) & ~UINT64_C(0xffffffff));
}

static void connections_are_bounded_and_come_back(void **state)
{
	(void)state;
	uint32_t slot, first = 0;
	for (int i = 0; i < CONN_MAX; i++) {
		struct conn *c = conn_new(1, &slot);
		assert_non_null(c);
		if (i == 0)
			first = slot;
	}
	assert_null(conn_new(1, &slot));
	uint64_t before = dropped(KVS_DROP_CONNS);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), 1, result);
	assert_int_equal(dropped(KVS_DROP_CONNS), before + 1);
	assert_int_equal(fd_slot(fd), 0);
	close(fd);
	close(accept(listener, NULL, NULL));
	for (int i = 0; i < CONN_MAX; i++) {
		assert_true(conn_remove_fd(&conns[i]));
		/* Closed but still in use: nobody else gets in, nor gets the entry. */
		assert_null(conn_new(1, &slot));
		conn_unpin(&conns[i]);
		assert_non_null(conn_new(1, &slot));
		assert_ptr_equal(conn_of(slot), &conns[i]);
	}
	/* A slot of the former owner leads nowhere. */
	assert_null(conn_pin(first));
	for (int i = 0; i < CONN_MAX; i++) {
		conn_remove_fd(&conns[i]);
		conn_unpin(&conns[i]);
	}
}

static void only_tcp_is_followed(void **state)
{
	(void)state;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	assert_int_equal(result, 0);
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), 1, result);
	assert_int_equal(fd_slot(fd), 0);
	close(fd);
	struct sockaddr local = {.sa_family = AF_UNIX};
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	connect_end(ends[0], &local, sizeof(local), 1, 0);
	assert_int_equal(fd_slot(ends[0]), 0);
	close(ends[0]);
	close(ends[1]);
	/* Failed: not followed; in progress: followed. */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	errno = ECONNREFUSED;
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), 1, -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(fd_slot(fd), 0);
	errno = EINPROGRESS;
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), 1, -1);
	assert_int_equal(errno, EINPROGRESS);
	next_is(KVS_REC_CONNECT);
	/* Asked again for the outcome: still the same connection. */
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), 1, 0);
	no_record();
	hooked_close(fd);
	next_is(KVS_REC_CLOSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(duplicates_share_the_connection),       TEST(stale_number_leaks_nothing),
		TEST(vfork_child_changes_nothing),           TEST(forked_child_makes_itself_known_when_it_talks),
		TEST(handler_that_talks_inside_a_record),    TEST(handler_that_jumps_out_of_a_record),
		TEST(connections_are_bounded_and_come_back), TEST(only_tcp_is_followed),
	};
	return cmocka_run_group_tests(tests, start, end) != 0;
}
