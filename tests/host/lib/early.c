/* SPDX-License-Identifier: MIT */
/*
 * A library whose constructor talks. The loader runs it before those of preloaded libraries, so their hooks are called
 * before they are ready. Built by the test that uses it, with and for a program of one line.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *early_result = "nothing";

__attribute__((constructor)) static void talk(void)
{
	static const char request[] = "POST /v1/messages HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
	static char room[16];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&a, n) != 0 || listen(listener, 1) != 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &n) != 0 || connect(fd, (struct sockaddr *)&a, n) != 0)
		return;
	int peer = accept(listener, NULL, NULL), copy = dup(fd);
	if (write(copy, request, strlen(request)) == (ssize_t)strlen(request) &&
	    recv(peer, room, sizeof(room) - 1, 0) == (ssize_t)sizeof(room) - 1 && close(copy) == 0 &&
	    read(-1, room, 1) == -1)
		early_result = room;
	close(fd);
	close(peer);
	close(listener);
}
