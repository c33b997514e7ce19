/* SPDX-License-Identifier: MIT */
#ifndef KVSCOPE_TRACE_H
#define KVSCOPE_TRACE_H

/* Version of the trace format that this build writes; docs/trace-format.md lists what each version changed. */
#define KVS_TRACE_VERSION 1

#endif
