/* SPDX-License-Identifier: MIT */
/*
 * What single calls cost: calls CASE BYTES WARM COUNT. Prints the lower quartile of COUNT calls in nanoseconds (what
 * others on the machine take away comes on top of it), the clock's own time included. After WARM calls it writes "warm"
 * and waits for a line on its standard input.
 *
 * Cases: read (of /dev/zero), write (to /dev/null), close (of a bad number): descriptors that nobody follows. send,
 * recv: on a connection to a language model, with its other end in this thread, too, so that nothing is waited for.
 * memcpy: of so many bytes into shared memory that another process has read since; cookie: getsockopt(SO_COOKIE);
 * clock.
 */
#include <arpa/inet.h>
#include <fcntl.h>
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

static char *buffer, *cold;
static size_t bytes;
static int zero, null, client, server;
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

static void connect_both(void)
{
	static const char begin[] = "POST /v1/messages HTTP/1.1\r\n";
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int room = 4 << 20, listener = socket(AF_INET, SOCK_STREAM, 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(client, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(client, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (bind(listener, (struct sockaddr *)&a, n) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &n) < 0 || connect(client, (struct sockaddr *)&a, n) < 0 ||
	    (server = accept(listener, NULL, NULL)) < 0)
		fail("connect");
	setsockopt(server, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (send(client, begin, sizeof(begin) - 1, 0) != sizeof(begin) - 1 ||
	    recv(server, buffer, sizeof(begin) - 1, MSG_WAITALL) != sizeof(begin) - 1)
		fail("begin");
}

static uint64_t one_read(void)
{
	uint64_t begin = now_ns();
	ssize_t n = read(zero, buffer, bytes);
	uint64_t end = now_ns();
	if (n != (ssize_t)bytes)
		fail("read");
	return end - begin;
}

static uint64_t one_write(void)
{
	uint64_t begin = now_ns();
	ssize_t n = write(null, buffer, bytes);
	uint64_t end = now_ns();
	if (n != (ssize_t)bytes)
		fail("write");
	return end - begin;
}

static uint64_t one_close(void)
{
	uint64_t begin = now_ns();
	close(-1);
	return now_ns() - begin;
}

static uint64_t one_send(void)
{
	uint64_t begin = now_ns();
	ssize_t n = send(client, buffer, bytes, 0);
	uint64_t end = now_ns();
	if (n != (ssize_t)bytes || recv(server, buffer, bytes, MSG_WAITALL) != n)
		fail("send");
	return end - begin;
}

static uint64_t one_recv(void)
{
	if (send(server, buffer, bytes, 0) != (ssize_t)bytes)
		fail("send");
	uint64_t begin = now_ns();
	ssize_t n = recv(client, buffer, bytes, MSG_WAITALL);
	uint64_t end = now_ns();
	if (n != (ssize_t)bytes)
		fail("recv");
	return end - begin;
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

static uint64_t one_memcpy(void)
{
	cold_at += bytes;
	if (cold_at + bytes > COLD_BYTES) {
		cold_at = 0;
		let_it_be_read();
	}
	uint64_t begin = now_ns();
	memcpy(cold + cold_at, buffer, bytes);
	__asm__ volatile("" ::: "memory");
	return now_ns() - begin;
}

static uint64_t one_cookie(void)
{
	uint64_t cookie, begin = now_ns();
	socklen_t n = sizeof(cookie);
	getsockopt(client, SOL_SOCKET, SO_COOKIE, &cookie, &n);
	return now_ns() - begin;
}

static uint64_t one_clock(void)
{
	uint64_t begin = now_ns();
	return now_ns() - begin;
}

static const struct {
	const char *name;
	uint64_t (*run)(void);
} cases[] = {{"read", one_read}, {"write", one_write},   {"close", one_close},   {"send", one_send},
	     {"recv", one_recv}, {"memcpy", one_memcpy}, {"cookie", one_cookie}, {"clock", one_clock}};

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	bytes = strtoull(argv[2], NULL, 10);
	size_t warm = strtoull(argv[3], NULL, 10), count = strtoull(argv[4], NULL, 10);
	uint64_t *times = calloc(count, sizeof(*times));
	buffer = malloc(bytes + 64);
	/* Pages of the same kind and size as the ring's. */
	cold = mmap(NULL, COLD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!times || !buffer || cold == MAP_FAILED || count == 0)
		return 2;
	memset(buffer, 'x', bytes);
	memset(cold, 'x', COLD_BYTES);
	zero = open("/dev/zero", O_RDONLY);
	null = open("/dev/null", O_WRONLY);
	connect_both();
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		if (strcmp(cases[c].name, argv[1]) != 0)
			continue;
		for (size_t i = 0; i < warm; i++)
			cases[c].run();
		puts("warm");
		fflush(stdout);
		getchar();
		for (size_t i = 0; i < count; i++)
			times[i] = cases[c].run();
		qsort(times, count, sizeof(*times), by_size);
		printf("%llu\n", (unsigned long long)times[count / 4]);
		return 0;
	}
	return 2;
}
