/* SPDX-License-Identifier: MIT */
/*
 * What single calls cost: calls CASE BYTES WARM COUNT. Prints the lower quartiles of COUNT calls of each kind in
 * nanoseconds (what others on the machine take away comes on top of it), the clock's own time included. After WARM
 * calls of each kind it writes "warm" and waits for a line on its standard input.
 *
 * Cases: read (of /dev/zero), write (to /dev/null), close (of a bad number): descriptors that nobody follows. One kind.
 *
 * send, recv: with the other end in this thread, too, so that nothing is waited for. Several kinds, call by call in
 * turn, so that whatever the machine does meanwhile it does to all of them:
 *
 *     plain      on a connection that nobody follows
 *     check      the same, and then what tells a socket from another one: getsockopt(SO_COOKIE)
 *     copy       the same, and then one memcpy of the bytes to memory like the ring's: shared pages, touched before, in
 *                which another process has read since what was written last
 *     arrived    the same, and then a wait until the copy has left the processor's store buffer, as it must have before
 *                a record can be given free with a locked instruction
 *     recorded   on a connection to a language model
 *     watched    on one that carries other HTTP
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COLD_BYTES ((size_t)16 << 20)
#define HEAD_BYTES ((size_t)64)

enum kind { PLAIN, CHECK, COPY, ARRIVED, RECORDED, WATCHED, KINDS };

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
static char *buffer, *cold;
static char blank[sizeof(request)];
static size_t bytes;
static int zero, null;
static struct pair {
	int client, server;
} plain, recorded, watched;
static size_t cold_at;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A connection whose first bytes are these. */
static struct pair connect_both(const char *begin)
{
	struct pair p;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int room = 4 << 20, listener = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t length = (ssize_t)strlen(begin);
	p.client = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(p.client, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(p.client, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (bind(listener, (struct sockaddr *)&a, n) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &n) < 0 || connect(p.client, (struct sockaddr *)&a, n) < 0 ||
	    (p.server = accept(listener, NULL, NULL)) < 0)
		fail("connect");
	setsockopt(p.server, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (send(p.client, begin, (size_t)length, 0) != length ||
	    recv(p.server, buffer, (size_t)length, MSG_WAITALL) != length)
		fail("begin");
	close(listener);
	return p;
}

static uint64_t one_read(enum kind kind)
{
	(void)kind;
	uint64_t begin = now_ns();
	ssize_t n = read(zero, buffer, bytes);
	uint64_t end = now_ns();
	if (n != (ssize_t)bytes)
		fail("read");
	return end - begin;
}

static uint64_t one_write(enum kind kind)
{
	(void)kind;
	uint64_t begin = now_ns();
	ssize_t n = write(null, buffer, bytes);
	uint64_t end = now_ns();
	if (n != (ssize_t)bytes)
		fail("write");
	return end - begin;
}

static uint64_t one_close(enum kind kind)
{
	(void)kind;
	uint64_t begin = now_ns();
	close(-1);
	return now_ns() - begin;
}

/* Another process reads it all, as a collector does. */
static void let_it_be_read(void)
{
	volatile uint64_t sum = 0;
	pid_t reader = fork();
	if (reader == 0) {
		for (size_t i = 0; i < COLD_BYTES; i += sizeof(sum))
			sum += *(const volatile uint64_t *)(const volatile void *)(cold + i);
		_exit(0);
	}
	if (reader < 0 || waitpid(reader, NULL, 0) != reader)
		fail("reader");
}

static size_t record_bytes(void)
{
	return HEAD_BYTES + (bytes + 63) / 64 * 64;
}

static struct pair begin_kind(enum kind kind)
{
	if ((kind == COPY || kind == ARRIVED) && cold_at + record_bytes() > COLD_BYTES) {
		cold_at = 0;
		let_it_be_read();
	}
	/* A request in each write, as a client sends it. */
	memcpy(buffer, kind == WATCHED ? request : blank, sizeof(request) - 1);
	return kind == RECORDED ? recorded : kind == WATCHED ? watched : plain;
}

static void end_kind(enum kind kind, int fd)
{
	uint64_t cookie;
	socklen_t n = sizeof(cookie);
	if (kind == PLAIN || kind == RECORDED || kind == WATCHED)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n) < 0)
		fail("getsockopt");
	if (kind == CHECK)
		return;
	/* As records lie: each begins at a 64th byte, with a head of as many. */
	memcpy(cold + cold_at + HEAD_BYTES, buffer, bytes);
	__asm__ volatile("" ::: "memory");
	cold_at += record_bytes();
	if (kind == ARRIVED)
		atomic_thread_fence(memory_order_seq_cst);
}

static uint64_t one_send(enum kind kind)
{
	struct pair p = begin_kind(kind);
	uint64_t begin = now_ns();
	ssize_t n = send(p.client, buffer, bytes, 0);
	end_kind(kind, p.client);
	uint64_t end = now_ns();
	if (n != (ssize_t)bytes || recv(p.server, buffer, bytes, MSG_WAITALL) != n)
		fail("send");
	return end - begin;
}

static uint64_t one_recv(enum kind kind)
{
	struct pair p = begin_kind(kind);
	if (send(p.server, buffer, bytes, 0) != (ssize_t)bytes)
		fail("send");
	uint64_t begin = now_ns();
	ssize_t n = recv(p.client, buffer, bytes, MSG_WAITALL);
	end_kind(kind, p.client);
	uint64_t end = now_ns();
	if (n != (ssize_t)bytes)
		fail("recv");
	return end - begin;
}

static const struct {
	const char *name;
	uint64_t (*run)(enum kind kind);
	int kinds;
} cases[] = {{"read", one_read, 1},
	     {"write", one_write, 1},
	     {"close", one_close, 1},
	     {"send", one_send, KINDS},
	     {"recv", one_recv, KINDS}};

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void measure(uint64_t (*run)(enum kind kind), int kinds, size_t warm, size_t count)
{
	uint64_t *times = calloc(count * (size_t)kinds, sizeof(*times));
	if (!times)
		fail("calloc");
	for (size_t i = 0; i < warm; i++)
		for (int k = 0; k < kinds; k++)
			run((enum kind)k);
	puts("warm");
	fflush(stdout);
	getchar();
	for (size_t i = 0; i < count; i++)
		for (int k = 0; k < kinds; k++)
			times[(size_t)k * count + i] = run((enum kind)k);
	for (int k = 0; k < kinds; k++) {
		uint64_t *mine = times + (size_t)k * count;
		qsort(mine, count, sizeof(*mine), by_size);
		printf("%llu%c", (unsigned long long)mine[count / 4], k + 1 < kinds ? ' ' : '\n');
	}
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	bytes = strtoull(argv[2], NULL, 10);
	size_t warm = strtoull(argv[3], NULL, 10), count = strtoull(argv[4], NULL, 10);
	buffer = malloc(bytes + 64);
	cold = mmap(NULL, COLD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!buffer || cold == MAP_FAILED || count == 0)
		return 2;
	memset(buffer, 'x', bytes);
	memset(cold, 'x', COLD_BYTES);
	memset(blank, 'x', sizeof(blank));
	let_it_be_read();
	zero = open("/dev/zero", O_RDONLY);
	null = open("/dev/null", O_WRONLY);
	plain = connect_both("nothing that anybody follows\r\n");
	recorded = connect_both("POST /v1/messages HTTP/1.1\r\n");
	watched = connect_both(request);
	memset(buffer, 'x', bytes);
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		if (strcmp(cases[c].name, argv[1]) == 0) {
			measure(cases[c].run, cases[c].kinds, warm, count);
			return 0;
		}
	}
	return 2;
}
