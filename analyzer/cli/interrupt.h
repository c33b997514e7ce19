/* SPDX-License-Identifier: MIT */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

/* Ctrl-C for commands that have something to keep: the first one asks them to come to an end, the second one ends the
 * program. */

#include <signal.h>

extern volatile sig_atomic_t interrupted;

/* SIGINT and SIGTERM set `interrupted` from here on. */
void interrupt_catch(void);

#endif
