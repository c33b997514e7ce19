/* SPDX-License-Identifier: MIT */
/*
 * Other HTTP without a pause on one connection, then an end of some kind: sums close|exit|_exit|kill|promote. Prints
 * how much it sent and received. The other end is this program, too.
 */
#include "host.h"

enum { ROUNDS = 2000 };

static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nsecret-of-no-concern";
static const char prompt[] = "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 61\r\n\r\n"
			     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"wanted\"}]}";
static const char reply[] =
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"wanted\":42}";

static int client, server;
static unsigned long long sent, received;

static void connect_both(void)
{
	socklen_t n = sizeof(host_address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	host_address.sin_family = AF_INET;
	host_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	HOST_CHECK(bind(listener, (struct sockaddr *)&host_address, n) == 0 && listen(listener, 1) == 0);
	HOST_CHECK(getsockname(listener, (struct sockaddr *)&host_address, &n) == 0);
	client = host_connect();
	HOST_CHECK((server = accept(listener, NULL, NULL)) >= 0);
	close(listener);
}

static void talk(const char *question, const char *response)
{
	char room[512];
	ssize_t q = (ssize_t)strlen(question), r = (ssize_t)strlen(response);
	HOST_CHECK(send(client, question, (size_t)q, 0) == q && recv(server, room, (size_t)q, MSG_WAITALL) == q);
	HOST_CHECK(send(server, response, (size_t)r, 0) == r && recv(client, room, (size_t)r, MSG_WAITALL) == r);
}

int main(int argc, char **argv)
{
	const char *how = argc == 2 ? argv[1] : "";
	connect_both();
	for (int i = 0; i < ROUNDS; i++) {
		talk(request, answer);
		sent += strlen(request);
		received += strlen(answer);
	}
	printf("%llu sent, %llu received\n", sent, received);
	fflush(stdout);
	if (strcmp(how, "promote") == 0)
		talk(prompt, reply);
	if (strcmp(how, "close") == 0 || strcmp(how, "promote") == 0)
		close(client);
	if (strcmp(how, "kill") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(how, "_exit") == 0)
		_exit(3);
	return 3;
}
