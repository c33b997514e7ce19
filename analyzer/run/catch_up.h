/* SPDX-License-Identifier: MIT */
#ifndef RUN_CATCH_UP_H
#define RUN_CATCH_UP_H

#include "collect/collector.h"

#include <stdbool.h>

/*
 * After the command: reads the records that wait and as many more as the ring may hold (processes that live on may
 * write without end), and says so when that takes more than a moment. Returns false if a deadly signal came: somebody
 * wants us gone.
 */
bool catch_up(struct collector *c, uint64_t ring_records);

#endif
