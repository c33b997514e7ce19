/* SPDX-License-Identifier: MIT */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

/* Growing arrays: a pointer, a count and a capacity that the caller keeps side by side. */

#include <stddef.h>

/*
 * Makes room for `need` elements of `size` bytes. Returns the array, moved or not, with *capacity updated; NULL when
 * there is no memory, the old array then being untouched.
 *
 *     struct item *grown = array_grow(list, &capacity, n + 1, sizeof(*list));
 */
void *array_grow(void *array, size_t *capacity, size_t need, size_t size);

#endif
