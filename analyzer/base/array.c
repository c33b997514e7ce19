/* SPDX-License-Identifier: MIT */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

void *array_grow(void *array, size_t *capacity, size_t need, size_t size)
{
	if (need <= *capacity && array)
		return array;
	size_t grown = *capacity + *capacity / 2;
	if (grown < 8)
		grown = 8;
	if (grown < need)
		grown = need;
	if (grown > SIZE_MAX / size)
		return NULL;
	void *p = realloc(array, grown * size);
	if (p)
		*capacity = grown;
	return p;
}
