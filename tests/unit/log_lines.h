/*
 * log_lines.h - counts lines of the log that have a text. Include after cmocka.h.
 */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct log_lines {
	int fd, saved;
};

/* From here to log_lines_end() standard error is kept. */
static inline void log_lines_begin(struct log_lines *lines)
{
	lines->fd = memfd_create("log", MFD_CLOEXEC);
	lines->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(lines->fd >= 0 && lines->saved >= 0);
	assert_true(dup2(lines->fd, STDERR_FILENO) >= 0);
}

static inline unsigned log_lines_end(struct log_lines *lines, const char *text)
{
	unsigned count = 0;
	char line[8192];
	FILE *file;

	assert_true(dup2(lines->saved, STDERR_FILENO) >= 0);
	close(lines->saved);
	assert_int_equal(lseek(lines->fd, 0, SEEK_SET), 0);
	file = fdopen(lines->fd, "r");
	while (fgets(line, sizeof(line), file))
		count += strstr(line, text) != NULL;
	fclose(file);
	return count;
}
