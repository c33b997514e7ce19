/* SPDX-License-Identifier: MIT */
#ifndef CMD_BENCH_SYSTEM_H
#define CMD_BENCH_SYSTEM_H

/* Of `kvscope bench`: where the system prompt comes from. */

#include "base/buf.h"

/* The file's text. Returns 0, or -1 after having said why not. */
int bench_system_file(const char *path, struct buf *out);
/*
 * The system prompt of the longest request of a trace (NULL: the newest one), its blocks one after the other without
 * the billing line, and behind them its tools as the JSON that was sent. Returns 0, or -1 after having said why not.
 */
int bench_system_trace(const char *path, struct buf *out);

#endif
