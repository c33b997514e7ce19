/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_TURNS_H
#define COLLECT_TURNS_H

/*
 * Who spoke when on a connection that cannot be read: turns of something sent and what was received after it, out of
 * sizes and times alone. On TLS the first turn is the handshake, each later one most likely a request and its response.
 *
 * An estimate: that a turn is a request is read off its size. Writes that are too small for one and follow something
 * received (the end of a handshake, window updates of HTTP/2) belong to the turn before. Times are those of whole
 * writes and receives, whatever records they hold.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No request to a language model is smaller, no end of a handshake usually as large. */
#define TURN_BYTES_MIN 400
#define TURNS_MAX 4096

struct turn {
	uint64_t start_ns, sent_ns;                   /* of the first byte sent, of the last */
	uint64_t first_received_ns, last_received_ns; /* 0: nothing was received */
	uint64_t sent_bytes, received_bytes;
	uint32_t receives;
};

struct turns {
	struct turn *list;
	size_t n, capacity;
	bool cut; /* there were more than TURNS_MAX, or no memory: the last one goes on */
	/* What was sent since the last receive; it is in the last turn's sum. */
	uint64_t run_bytes, run_start_ns;
	bool receiving; /* the last thing that happened was a receive */
	bool begun;     /* the run has its turn already */
};

void turns_sent(struct turns *t, uint64_t bytes, uint64_t begin_ns, uint64_t end_ns);
void turns_received(struct turns *t, uint64_t bytes, uint64_t time_ns);
void turns_release(struct turns *t);

#endif
