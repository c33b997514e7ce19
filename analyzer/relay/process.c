/* SPDX-License-Identifier: MIT */
#include "relay/process.h"

#include "base/clock.h"
#include "net/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DRAIN_NS (1 * NS_PER_S)
#define FILES_MAX (2 * RELAY_CONNECTIONS_MAX + 64)
/* Orphaned, it looks this often whether anybody is left to serve. */
#define ORPHAN_PERIOD_NS (500 * NS_PER_MS)

struct relay_process {
	pid_t pid;
	int control;
	bool stopping;
	struct relay_stats *stats; /* shared with the process; read when it has ended */
	char url[64 + 2 * RELAY_TOKEN_BYTES];
};

/* What is said over the control socket: the command's pid, or 0: end. A closed one says that we are gone. */
typedef int32_t control_message;

/* ---- inside of the process */

struct worker {
	struct loop loop;
	struct relay relay;
	struct loop_fd control;
	struct loop_timer timer;
	control_message command; /* 0: not known */
	int command_fd;          /* its pidfd; -1: none */
	bool orphaned;
};

static bool command_lives(const struct worker *w)
{
	struct pollfd p = {.fd = w->command_fd, .events = POLLIN};
	return w->command_fd >= 0 && poll(&p, 1, 0) == 0;
}

static void timer_fired(struct loop_timer *t)
{
	struct worker *w = LOOP_OWNER(t, struct worker, timer);
	if (!w->orphaned || (!command_lives(w) && w->relay.npairs == 0)) {
		loop_stop(&w->loop);
		return;
	}
	(void)loop_timer_set(&w->loop, &w->timer, clock_monotonic_ns() + ORPHAN_PERIOD_NS);
}

static void control_ready(struct loop_fd *fd, short revents)
{
	struct worker *w = LOOP_OWNER(fd, struct worker, control);
	control_message m;
	(void)revents;
	ssize_t n = recv(fd->fd, &m, sizeof(m), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == (ssize_t)sizeof(m) && m != 0) {
		w->command = m;
		w->command_fd = (int)syscall(SYS_pidfd_open, m, 0);
		return;
	}
	w->orphaned = n != (ssize_t)sizeof(m);
	loop_unwatch(&w->loop, fd);
	if (!w->orphaned)
		relay_drain(&w->relay);
	(void)loop_timer_set(&w->loop, &w->timer, clock_monotonic_ns() + (w->orphaned ? ORPHAN_PERIOD_NS : DRAIN_NS));
}

/* Out of the way of terminal, signals and whoever waits for the end of our output. */
static void step_aside(const sigset_t *mask)
{
	static const int ignored[] = {SIGINT, SIGQUIT, SIGHUP, SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct rlimit none = {0, 0}, files;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		sigaction(ignored[i], &ignore, NULL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	setpgid(0, 0);
	setrlimit(RLIMIT_CORE, &none); /* keys pass through here */
	/* Two for each connection. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_MAX) {
		files.rlim_cur = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	unsetenv("SSLKEYLOGFILE");
	prctl(PR_SET_NAME, "kvscope-relay");
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

/* An empty line says that all is well. */
static void report(int control, const char *line)
{
	ssize_t n = send(control, line, strlen(line) + 1, MSG_NOSIGNAL);
	(void)n; /* whoever waits for it sees our end instead */
}

static void flush_last(struct tap *tap)
{
	const struct timespec period = {.tv_nsec = 5 * (long)NS_PER_MS};
	uint64_t end = clock_monotonic_ns() + DRAIN_NS;
	while (!tap_flush(tap) && clock_monotonic_ns() < end)
		nanosleep(&period, NULL);
}

static _Noreturn void work(const struct relay_process_config *config, const char *token, int listen_fd, int control,
			   struct relay_stats *stats)
{
	static struct worker w;
	struct tap *tap = NULL;
	char error[512];
	step_aside(config->mask);
	w = (struct worker){
		.control = {.fd = control, .ready = control_ready}, .timer = {.fire = timer_fired}, .command_fd = -1};
	loop_init(&w.loop);
	if (tap_open(config->ring, &tap, error, sizeof(error)) < 0) {
		report(control, error);
		_exit(1);
	}
	struct relay_config relay = {.upstream = config->upstream,
				     .token = token,
				     .cacert = config->cacert,
				     .listen_fd = listen_fd,
				     .tap = tap,
				     .stats = stats};
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    relay_open(&w.relay, &w.loop, &relay, error, sizeof(error)) < 0 ||
	    loop_watch(&w.loop, &w.control, POLLIN) < 0) {
		report(control, error);
		_exit(1);
	}
	report(control, "");
	int result = loop_run(&w.loop);
	relay_release(&w.relay);
	flush_last(tap);
	tap_close(tap);
	_exit(result < 0);
}

/* ---- outside */

static int make_token(char *out)
{
	uint8_t bytes[RELAY_TOKEN_BYTES];
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -1;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int wait_until_ready(int control, char *error, size_t error_bytes)
{
	ssize_t n;
	do
		n = recv(control, error, error_bytes - 1, 0);
	while (n < 0 && errno == EINTR);
	error[n > 0 ? n : 0] = '\0';
	if (n <= 0)
		snprintf(error, error_bytes, "the relay died at its start");
	return error[0] ? -1 : 0;
}

int relay_process_start(const struct relay_process_config *config, struct relay_process **out, char *error,
			size_t error_bytes)
{
	struct relay_process *p = calloc(1, sizeof(*p));
	int control[2] = {-1, -1}, listen_fd = -1;
	char token[2 * RELAY_TOKEN_BYTES + 1];
	uint16_t port = 0;
	void *shared = mmap(NULL, sizeof(*p->stats), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!p || shared == MAP_FAILED || make_token(token) < 0 || (listen_fd = conn_listen_loopback(&port)) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0 || (p->pid = fork()) < 0) {
		snprintf(error, error_bytes, "the relay cannot be started: %s", strerror(errno));
		goto fail;
	}
	if (p->pid == 0) {
		close(control[0]);
		work(config, token, listen_fd, control[1], shared);
	}
	close(control[1]);
	close(listen_fd);
	control[1] = listen_fd = -1;
	p->control = control[0];
	p->stats = shared;
	snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%u/%s", port, token);
	if (wait_until_ready(p->control, error, error_bytes) < 0) {
		waitpid(p->pid, NULL, 0);
		goto fail;
	}
	*out = p;
	return 0;
fail:
	for (int i = 0; i < 2; i++)
		if (control[i] >= 0)
			close(control[i]);
	if (listen_fd >= 0)
		close(listen_fd);
	if (shared != MAP_FAILED)
		munmap(shared, sizeof(*p->stats));
	free(p);
	return -1;
}

const char *relay_process_url(const struct relay_process *p)
{
	return p->url;
}

static void say(struct relay_process *p, control_message m)
{
	ssize_t n = send(p->control, &m, sizeof(m), MSG_NOSIGNAL);
	(void)n; /* it is gone: relay_process_ended tells */
}

void relay_process_command(struct relay_process *p, pid_t command)
{
	say(p, command);
}

void relay_process_stop(struct relay_process *p)
{
	p->stopping = true;
	say(p, 0);
}

void relay_process_kill(struct relay_process *p)
{
	kill(p->pid, SIGKILL);
}

bool relay_process_ended(struct relay_process *p, struct relay_process_end *out)
{
	int status = 0;
	pid_t pid = waitpid(p->pid, &status, WNOHANG);
	if (pid == 0 || (pid < 0 && errno == EINTR))
		return false;
	*out = (struct relay_process_end){.stats = *p->stats};
	if (pid > 0 && WIFSIGNALED(status))
		out->signal = WTERMSIG(status);
	out->died = out->signal != 0 || (pid > 0 && WEXITSTATUS(status) != 0);
	close(p->control);
	munmap(p->stats, sizeof(*p->stats));
	OPENSSL_cleanse(p->url, sizeof(p->url));
	free(p);
	return true;
}
