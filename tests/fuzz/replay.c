/*
 * replay.c - runs a fuzz target over files instead of the fuzzer's inputs: in every ordinary build,
 * so that the corpus is a test of its own and a target that no longer compiles is noticed.
 *
 * Usage: fuzz_NAME FOLDER …; prints how many files it ran. Exit code 1 when there was none.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1 << 20) /* bytes */

static int replay_file(const char *path)
{
	static uint8_t input[INPUT_MAX];
	uint8_t *exact;
	FILE *file = fopen(path, "rb");
	size_t len;

	if (!file) {
		perror(path);
		return 0;
	}
	len = fread(input, 1, sizeof(input), file);
	fclose(file);
	/* a block of just this size, so that a read behind it is seen */
	exact = malloc(len ? len : 1);
	memcpy(exact, input, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	return 1;
}

static int replay_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	int files = 0;

	if (!folder) {
		perror(path);
		return 0;
	}
	while ((entry = readdir(folder))) {
		char name[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		files += replay_file(name);
	}
	closedir(folder);
	return files;
}

int main(int argc, char **argv)
{
	int files = 0;

	for (int i = 1; i < argc; i++)
		files += replay_folder(argv[i]);
	printf("%d files\n", files);
	return files > 0 ? 0 : 1;
}
