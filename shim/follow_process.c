/* SPDX-License-Identifier: MIT */
/* What a process does as a whole: ways of I/O that the hooks cannot see, sandboxes of its own. */
#include "follow.h"

#include "sum.h"

static void write_blind(enum kvs_blind what, uint64_t time_ns)
{
	if (!atomic_load_explicit(&shim.on, memory_order_relaxed) || !record_enter(RECORD_FRAME, 0))
		return;
	struct kvs_record r = {.type = KVS_REC_BLIND, .arg = (uint16_t)what, .fd = -1, .time_ns = time_ns};
	record_write(&r, NULL);
	record_leave();
}

void follow_blind(enum kvs_blind what)
{
	write_blind(what, record_now_ns());
}

uint64_t follow_confining(void)
{
	/* A child made by vfork confines itself, not the parent whose memory this is. */
	if (record_in_vfork_child())
		return 0;
	/* Now, while system calls are still allowed: whoever writes must know his numbers. */
	if (atomic_load_explicit(&shim.on, memory_order_relaxed) && record_enter(RECORD_FRAME, 0))
		record_leave();
	return record_now_ns();
}

void follow_confined(uint64_t begin_ns)
{
	if (begin_ns == 0)
		return;
	sum_tell_all();
	write_blind(KVS_BLIND_SANDBOX, begin_ns);
	record_stop();
}
