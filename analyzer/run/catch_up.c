/* SPDX-License-Identifier: MIT */
#include "run/catch_up.h"

#include "base/clock.h"
#include "cli/msg.h"
#include "run/launch.h"

#include <inttypes.h>

#define SAY_AFTER_NS NS_PER_S
#define SAY_AGAIN_NS (10 * NS_PER_S)

bool catch_up(struct collector *c, uint64_t ring_records)
{
	uint64_t left = collector_waiting(c) + ring_records;
	uint64_t say_ns = clock_monotonic_ns() + SAY_AFTER_NS;
	bool first = true;

	collector_hurry(c);
	while (collector_behind(c) && left > 0) {
		if (!launch_linger(0))
			return false;
		int n = collector_poll(c);
		if (n < 0)
			break;
		left = left > (uint64_t)n ? left - (uint64_t)n : 0;
		uint64_t now = clock_monotonic_ns();
		if (now < say_ns || collector_waiting(c) == 0)
			continue;
		say_ns = now + SAY_AGAIN_NS;
		msg_note("still writing the trace: %" PRIu64 " records to go%s", collector_waiting(c),
			 first ? " (Ctrl-C: give them up)" : "");
		first = false;
	}
	return true;
}
