/* SPDX-License-Identifier: MIT */
#include "cli/interrupt.h"

volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	interrupted = 1;
	signal(number, SIG_DFL);
}

void interrupt_catch(void)
{
	const struct sigaction on = {.sa_handler = on_interrupt};

	sigaction(SIGINT, &on, NULL);
	sigaction(SIGTERM, &on, NULL);
}
