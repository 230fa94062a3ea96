/*
 * snapshot.h - texts that people read, compared with what stands in tests/unit/snapshots/NAME.txt.
 *
 * A test adds each text under a name and ends with snapshot_check(). SNAPSHOT=write in the
 * environment writes the file instead; read the difference before it is committed. Include after
 * cmocka.h.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "handlers/message/words.h"

struct snapshot {
	const char *file;
	struct buf text;
};

static inline void snapshot_init(struct snapshot *snapshot, const char *file)
{
	snapshot->file = file;
	buf_init(&snapshot->text, 4 * 1024 * 1024);
}

/* What stands in a room after an event with this content. */
static inline void snapshot_add(struct snapshot *snapshot, const char *name, const json_t *content)
{
	const json_t *fresh = json_object_get(content, "m.new_content");
	const json_t *shown = fresh ? fresh : content;
	const json_t *mentions = json_object_get(content, "m.mentions");
	char *text;

	buf_printf(&snapshot->text, "=== %s (%s%s)\n%s\n---\n%s\n", name,
	        json_string_value(json_object_get(shown, "msgtype")), fresh ? ", edit" : "",
	        json_string_value(json_object_get(shown, "body")),
	        json_string_value(json_object_get(shown, "formatted_body")));
	if (json_object_size(mentions) > 0) {
		text = json_dumps(mentions, JSON_COMPACT | JSON_SORT_KEYS);
		buf_printf(&snapshot->text, "mentions %s\n", text);
		free(text);
	}
	buf_add_char(&snapshot->text, '\n');
}

static inline void snapshot_add_words(
        struct snapshot *snapshot, const char *name, const struct words *words)
{
	json_t *content = words_content(words, "m.notice");

	snapshot_add(snapshot, name, content);
	json_decref(content);
}

static inline void snapshot_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Fails with the difference. Ends the use of the snapshot. */
static inline void snapshot_check(struct snapshot *snapshot)
{
	const char *root = getenv("SOURCE_ROOT"), *mode = getenv("SNAPSHOT");
	char *path =
	        x_asprintf("%s/tests/unit/snapshots/%s.txt", root ? root : ".", snapshot->file);
	char made[] = "/tmp/mtb-snapshot-XXXXXX", *command;
	int fd, status;

	assert_false(snapshot->text.overflow);
	if (mode && strcmp(mode, "write") == 0) {
		snapshot_write(path, buf_str(&snapshot->text));
	} else {
		fd = mkstemp(made);
		assert_true(fd >= 0);
		close(fd);
		snapshot_write(made, buf_str(&snapshot->text));
		command = x_asprintf("diff -u '%s' '%s' >&2", path, made);
		status = system(command);
		unlink(made);
		free(command);
		if (status != 0)
			fail_msg("%s differs: SNAPSHOT=write accepts it", path);
	}
	free(path);
	buf_finish(&snapshot->text);
}
