/* SPDX-License-Identifier: MIT */
/*
 * Stands for libFuzzer where there is none: runs a target once on every file of its corpus, as a test. What once broke
 * a parser lies there and must not do so again. CORPUS is the folder; without it there is one test, of the empty input.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define INPUT_MAX ((size_t)1 << 20)

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(void)
{
	struct dirent **files = NULL;
	int n = scandir(CORPUS, &files, visible, alphasort);
	uint8_t *input = malloc(INPUT_MAX);
	if (!input)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(60);
	LLVMFuzzerTestOneInput(input, 0);
	printf("ok 1 - nothing\n");
	for (int i = 0; i < n; i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s", CORPUS, files[i]->d_name);
		FILE *f = fopen(path, "rb");
		size_t got = f ? fread(input, 1, INPUT_MAX, f) : 0;
		if (f)
			fclose(f);
		/* Of its own size, so that a sanitizer or valgrind sees one byte too many. */
		uint8_t *exact = malloc(got ? got : 1);
		if (!exact)
			return 1;
		memcpy(exact, input, got);
		LLVMFuzzerTestOneInput(exact, got);
		printf("ok %d - %s\n", i + 2, files[i]->d_name);
		free(exact);
		free(files[i]);
	}
	free(files);
	free(input);
	printf("1..%d\n", n > 0 ? n + 1 : 1);
	return 0;
}
