/* SPDX-License-Identifier: MIT */
#ifndef KVSCOPE_ENV_H
#define KVSCOPE_ENV_H

/*
 * What `kvscope run` tells the shim, by environment. Read once, in the shim's constructor.
 */

#define KVS_ENV_RING "KVSCOPE_RING"       /* path of the ring; absent: the shim stays inert */
#define KVS_ENV_FOLLOW "KVSCOPE_FOLLOW"   /* "0": children are not recorded */
#define KVS_ENV_DISABLE "KVSCOPE_DISABLE" /* any value: stay inert (for a child that must not be watched) */

#define KVS_SHIM_NAME "libkvscope.so"

#endif
