/* SPDX-License-Identifier: MIT */
/* Threads that end in the middle of things: cancelled in a call, anywhere, by pthread_exit, by a jump out of a handler.
 */
#include "host.h"

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

enum { ROUNDS = 12 };

static _Atomic int cleaned;

static void on_cancel(void *argument)
{
	close((int)(intptr_t)argument);
	atomic_fetch_add(&cleaned, 1);
}

/* Waits for an answer that does not come, and is cancelled there. */
static void *wait_for_nothing(void *argument)
{
	int fd = host_connect();
	pthread_cleanup_push(on_cancel, (void *)(intptr_t)fd);
	char text[512];
	HOST_CHECK(send(fd, "POST /v1/messages HTTP/1.1\r\n", 28, 0) == 28);
	pthread_barrier_wait(argument);
	if (recv(fd, text, sizeof(text), 0) >= 0)
		printf("an answer came\n");
	pthread_cleanup_pop(1);
	return NULL;
}

/* Cancelled at any instruction, often in the middle of a record. */
static void *talk_for_ever(void *argument)
{
	int fd = host_connect();
	char text[2048];
	memset(text, 'x', sizeof(text));
	HOST_CHECK(send(fd, "POST /v1/messages HTTP/1.1\r\n", 28, 0) == 28);
	pthread_barrier_wait(argument);
	pthread_cleanup_push(on_cancel, (void *)(intptr_t)fd);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		send(fd, text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	pthread_cleanup_pop(1);
	return NULL;
}

static void *leave_by_exit(void *argument)
{
	char name[32], text[512];
	int fd = host_connect();
	snprintf(name, sizeof(name), "exit-%d", (int)(intptr_t)argument);
	size_t n = host_request(text, sizeof(text), name);
	HOST_CHECK(send(fd, text, n, 0) == (ssize_t)n && recv(fd, text, sizeof(text), 0) > 0);
	close(fd);
	pthread_exit(argument);
}

static void cancelled(void *(*body)(void *), const char *name)
{
	atomic_store(&cleaned, 0);
	int gone = 0;
	for (int i = 0; i < ROUNDS; i++) {
		pthread_t thread;
		pthread_barrier_t begun;
		void *result;
		pthread_barrier_init(&begun, NULL, 2);
		HOST_CHECK(pthread_create(&thread, NULL, body, &begun) == 0);
		pthread_barrier_wait(&begun);
		usleep(200 + 137 * (unsigned)i);
		HOST_CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0);
		gone += result == PTHREAD_CANCELED;
		pthread_barrier_destroy(&begun);
	}
	printf("%s: %d cancelled, %d cleaned up\n", name, gone, atomic_load(&cleaned));
}

static sigjmp_buf back;
static volatile sig_atomic_t may_jump;

static void jump(int signal)
{
	(void)signal;
	if (may_jump)
		siglongjmp(back, 1);
}

/* Jumps out of a handler that interrupts sending, again and again, and goes on talking. */
static void jumps(void)
{
	struct sigaction action = {.sa_handler = jump};
	struct sigaction before;
	HOST_CHECK(sigaction(SIGVTALRM, &action, &before) == 0);
	int fd = host_connect();
	volatile int jumped = 0;
	char text[2048];
	memset(text, 'y', sizeof(text));
	HOST_CHECK(send(fd, "POST /v1/messages HTTP/1.1\r\n", 28, 0) == 28);
	pthread_t self = pthread_self();
	for (volatile int i = 0; i < 40; i++) {
		timer_t timer;
		struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM};
		HOST_CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
		if (sigsetjmp(back, 1) == 0) {
			struct itimerspec soon = {.it_value = {0, 100000 + 7000 * i}};
			may_jump = 1;
			timer_settime(timer, 0, &soon, NULL);
			for (;;)
				send(fd, text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL);
		}
		may_jump = 0;
		jumped++;
		timer_delete(timer);
	}
	HOST_CHECK(pthread_equal(self, pthread_self()));
	close(fd);
	sigaction(SIGVTALRM, &before, NULL);
	printf("jumps: %d\n", jumped);
}

int main(void)
{
	sigset_t alarm;
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGVTALRM);
	/* The server's threads inherit this: the handler runs in the main thread alone. */
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	host_start_server();
	cancelled(wait_for_nothing, "in recv");
	cancelled(talk_for_ever, "anywhere");
	pthread_t threads[8];
	intptr_t sum = 0;
	for (intptr_t i = 0; i < 8; i++)
		HOST_CHECK(pthread_create(&threads[i], NULL, leave_by_exit, (void *)i) == 0);
	for (int i = 0; i < 8; i++) {
		void *result;
		pthread_join(threads[i], &result);
		sum += (intptr_t)result;
	}
	printf("pthread_exit: %d\n", (int)sum);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	jumps();
	int fd = host_connect();
	host_talk(fd, "afterwards");
	close(fd);
	return 0;
}
