/* SPDX-License-Identifier: MIT */
#include "anatomy/reminders.h"

/* What is found in a block is never more than the block. */

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct reminders r;
	reminders_measure((struct str){(const char *)data, n}, &r);
	if (r.memory > n || r.reminders > n || r.memory + r.reminders > n)
		abort();
	return 0;
}
