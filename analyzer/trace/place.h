/* SPDX-License-Identifier: MIT */
#ifndef TRACE_PLACE_H
#define TRACE_PLACE_H

/*
 * Where traces live: $XDG_STATE_HOME/kvscope (~/.local/state/kvscope), 0700, one dated file per run.
 */

#include <stddef.h>

/*
 * The folder, made if missing. It must be a real folder (no symlink) of this user, closed to others and writable. If it
 * is not, a private folder below $TMPDIR or /tmp is used instead (always the same one) and *fallback set to why (one
 * line, caller frees). Returns a path that the caller frees, or NULL with one line in error when that does not do
 * either.
 */
char *trace_place_folder(char **fallback, char *error, size_t error_bytes);
/* "FOLDER/20261123T223301Z-NAME-PID.jsonl" for the command's base name; caller frees. NULL: no memory. */
char *trace_place_new(const char *folder, const char *command, unsigned long long realtime_ns, int pid);
/*
 * The newest trace in the folder that was made in cwd; if there is none, the newest of all, and *elsewhere is set.
 * Caller frees; NULL with one line in error when there is none.
 */
char *trace_place_newest(const char *folder, const char *cwd, int *elsewhere, char *error, size_t error_bytes);
/*
 * The newest trace in the folder that was made in cwd with a command of the same base name. Caller frees; NULL: there
 * is none.
 */
char *trace_place_newest_of(const char *folder, const char *cwd, const char *command);
/* Removes all but the newest `keep` default traces. Those of runs that still go on stay, and other files do. */
void trace_place_prune(const char *folder, size_t keep);

#endif
