/* SPDX-License-Identifier: MIT */
#ifndef RUN_FIX_H
#define RUN_FIX_H

/* `kvscope run --fix`: the settings that the newest trace of the same command and directory asks for. */

struct fix {
	char **settings; /* "NAME=VALUE", NULL-terminated; NULL: none */
};

/*
 * Finds them, with those that a run with --fix had before, says which they are and puts them into this process's
 * environment, for the command to inherit; what the user has set himself stays. Says so where nothing is known.
 */
void fix_apply(const char *command, struct fix *out);
void fix_release(struct fix *f);

#endif
