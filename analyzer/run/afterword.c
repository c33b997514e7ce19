/* SPDX-License-Identifier: MIT */
#include "run/afterword.h"

#include "cli/msg.h"
#include "run/launch.h"
#include "verdict/verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP_MS 5
#define LIMIT_MS 1000
#define LIMIT_MAX_MS 5000
#define TEXT_MAX ((size_t)64 << 10)

/* Hands over what there is, and a zero byte as its end. */
static void hand_over(int fd, struct buf *text)
{
	size_t sent = 0;
	buf_putc(text, '\0');
	if (text->failed)
		_exit(1);
	while (sent < text->n) {
		ssize_t n = write(fd, text->p + sent, text->n - sent);
		if (n < 0 && errno != EINTR)
			_exit(1);
		sent += n > 0 ? (size_t)n : 0;
	}
}

/* Nothing is released: the process ends. */
static _Noreturn void child(const char *path, int fd)
{
	struct trace trace;
	struct report report;
	struct verdict v;
	struct buf settings;
	char error[512];

	if (trace_read(path, &trace, error, sizeof(error)) < 0 ||
	    report_build(&trace, 1, &report, error, sizeof(error)) < 0 ||
	    verdict_cost(&report, &v, error, sizeof(error)) < 0)
		_exit(1);
	hand_over(fd, &v.cost);
	if (verdict_cause(&report, &v, error, sizeof(error)) < 0)
		_exit(1);
	hand_over(fd, &v.cause);
	buf_init(&settings, TEXT_MAX);
	for (size_t i = 0; i < v.nsettings; i++)
		buf_printf(&settings, "%s\n", v.settings[i]);
	hand_over(fd, &settings);
	_exit(0);
}

/* Returns 0 at the end of what the child says, 1 after the limit. */
static int listen_to(int fd, int limit_ms, struct buf *text)
{
	for (int ms = 0;; ms += STEP_MS) {
		char bytes[4096];
		ssize_t n;
		while ((n = read(fd, bytes, sizeof(bytes))) > 0)
			buf_append(text, bytes, (size_t)n);
		if (n == 0)
			return 0;
		if ((errno != EAGAIN && errno != EINTR) || ms >= limit_ms || !launch_linger(STEP_MS))
			return 1;
	}
}

/* What came whole. */
static void take(const struct buf *text, struct afterword *out)
{
	char **const parts[] = {&out->cost, &out->cause, &out->settings};
	size_t at = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const char *end = at < text->n ? memchr(text->p + at, '\0', text->n - at) : NULL;
		if (!end)
			return;
		*parts[i] = strdup(text->p + at);
		at = (size_t)(end - text->p) + 1;
	}
}

int afterword_get(const char *trace, int limit_ms, struct afterword *out)
{
	struct buf text;
	int fds[2], result, status = -1;

	*out = (struct afterword){NULL, NULL, NULL};
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		int flags = fcntl(fds[1], F_GETFL);
		close(fds[0]);
		fcntl(fds[1], F_SETFL, flags & ~O_NONBLOCK);
		child(trace, fds[1]);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return -1;
	}
	buf_init(&text, TEXT_MAX);
	result = listen_to(fds[0], limit_ms, &text);
	if (result != 0)
		kill(pid, SIGKILL);
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	take(&text, out);
	if (result == 0 && status != 0)
		result = -1;
	buf_release(&text);
	return result;
}

void afterword_release(struct afterword *a)
{
	free(a->cost);
	free(a->cause);
	free(a->settings);
	*a = (struct afterword){NULL, NULL, NULL};
}

int afterword_limit_ms(uint64_t requests)
{
	return requests > LIMIT_MAX_MS - LIMIT_MS ? LIMIT_MAX_MS : LIMIT_MS + (int)requests;
}

void afterword_say(const char *trace, uint64_t requests)
{
	struct afterword a;
	int result = afterword_get(trace, afterword_limit_ms(requests), &a);

	if (a.cost && a.cost[0])
		msg_note("%s", a.cost);
	if (a.cause && a.cause[0])
		msg_note("%s", a.cause);
	if (result == 1 && !a.cause)
		msg_note("a long session; kvscope why says why its prefix cache missed");
	afterword_release(&a);
}
