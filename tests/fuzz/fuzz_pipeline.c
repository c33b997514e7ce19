/* SPDX-License-Identifier: MIT */
#include "feed.h"

/*
 * Any records in any order: no crash, and as long as nothing is lost, what comes out does not depend on how the bytes
 * are cut into records. The input is a list of steps: one byte says what, one for which connection, one how many bytes
 * of the input follow as payload (or what else the step needs).
 */

#include <stdlib.h>

#define STEPS_MAX 120 /* below the limits that count records */
#define CONNECTIONS 4

struct world {
	struct feed feed;
	struct {
		uint64_t sent, received;
	} offsets[CONNECTIONS];
	bool cut; /* every record with bytes into two */
};

static void data(struct world *w, unsigned connection, enum kvs_record_type type, unsigned how, struct str bytes)
{
	uint64_t *offset = type == KVS_REC_SEND ? &w->offsets[connection].sent : &w->offsets[connection].received;
	struct kvs_record r = {.type = (uint8_t)type, .conn = 1 + connection, .time_ns = w->feed.now_ns++};
	if (type == KVS_REC_SEND)
		r.end_ns = r.time_ns;
	if (how == 1)
		*offset += bytes.n; /* lost */
	if (how == 2) {
		r.flags = KVS_REC_NO_PAYLOAD;
		r.wire_bytes = bytes.n;
		r.offset = *offset;
		*offset += bytes.n;
		feed_record(&w->feed, r, STR_NONE);
		return;
	}
	size_t half = w->cut ? bytes.n / 2 : bytes.n;
	r.offset = how == 3 ? *offset / 2 : *offset; /* nonsense, or in order */
	if (half)
		feed_record(&w->feed, r, (struct str){bytes.p, half});
	r.offset += half;
	if (half < bytes.n)
		feed_record(&w->feed, r, (struct str){bytes.p + half, bytes.n - half});
	*offset += bytes.n;
}

static void step(struct world *w, unsigned what, unsigned connection, unsigned value, struct str bytes)
{
	struct kvs_record r = {.conn = 1 + connection % CONNECTIONS, .pid = FEED_PID};
	switch (what % 16) {
	case 0:
		r.type = KVS_REC_CONNECT;
		feed_record(&w->feed, r, bytes);
		break;
	case 1:
		r.type = KVS_REC_CLASS;
		r.arg = (uint16_t)(value % 6);
		feed_record(&w->feed, r, bytes);
		break;
	case 2:
		r.type = KVS_REC_EOF;
		r.offset = w->offsets[connection % CONNECTIONS].received;
		feed_record(&w->feed, r, STR_NONE);
		break;
	case 3:
		r.type = (uint8_t)(KVS_REC_ERROR + value % 4);
		r.arg = (uint16_t)value;
		feed_record(&w->feed, r, STR_NONE);
		break;
	case 4:
		w->feed.now_ns += (uint64_t)value << 24; /* up to four seconds */
		break;
	case 5:
		if (value & 1)
			pipeline_process_gone(w->feed.pipeline, FEED_PID, w->feed.now_ns);
		r.type = KVS_REC_PROCESS;
		feed_record(&w->feed, r, bytes);
		break;
	default:
		data(w, connection % CONNECTIONS, what & 1 ? KVS_REC_SEND : KVS_REC_RECV, connection / CONNECTIONS % 16,
		     bytes);
	}
}

static void run(struct world *w, const uint8_t *p, size_t n, bool cut)
{
	*w = (struct world){.cut = cut};
	feed_init(&w->feed);
	for (int steps = 0; n >= 3 && steps < STEPS_MAX; steps++) {
		unsigned what = p[0], connection = p[1], value = p[2];
		size_t take = value < n - 3 ? value : n - 3;
		step(w, what, connection, value, (struct str){(const char *)p + 3, take});
		p += 3 + take;
		n -= 3 + take;
	}
	pipeline_finish(w->feed.pipeline);
}

static bool lost_something(const struct pipeline_loss *l)
{
	return l->holes || l->unreadable_bytes || l->http_errors || l->malformed_records;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	static struct world whole, cut;
	struct pipeline_loss loss_whole, loss_cut;
	run(&whole, input, n, false);
	run(&cut, input, n, true);
	pipeline_loss(whole.feed.pipeline, &loss_whole);
	pipeline_loss(cut.feed.pipeline, &loss_cut);
	if (!lost_something(&loss_whole) && !lost_something(&loss_cut) &&
	    !str_eq(buf_str(&whole.feed.seen), buf_str(&cut.feed.seen)))
		abort();
	feed_release(&whole.feed);
	feed_release(&cut.feed);
	return 0;
}
