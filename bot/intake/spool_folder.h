/*
 * spool_folder.h - the spool as a folder of files: listing, reading, deleting and renaming. All of
 * it blocks, so it runs on libuv's pool; spool.c calls it from the loop.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>
#include "bot/base/err.h"

struct spool_file {
	char *name;
	uid_t owner;
	size_t turn; /* the number of older files of that owner */
};

/* Files of a listing in fair turns: the oldest of each owner, then the second oldest of each, and
 * so on. The names from index `next` on are owned. */
struct spool_list {
	struct spool_file *files;
	size_t len, next;
	unsigned bad; /* *.bad files in the folder */
	dev_t dev;    /* of the folder; ino 0 = unknown */
	ino_t ino;
};

/* Brings files into fair turns, see above. */
void spool_list_order(struct spool_file *files, size_t len);

/* Lists the folder, created (0700) when missing, replacing the previous list. ERR_DENIED, ERR_IO:
 * the list is empty. */
enum err spool_list_make(struct spool_list *list, const char *folder, struct fault *fault);
void spool_list_finish(struct spool_list *list);

/*
 * Reads the next file of the list as an alert's request, owned by the caller; an alert without id
 * or `at` gets the file's name and time. ERR_NOT_FOUND: the file is gone. ERR_INVALID: it is not an
 * alert. ERR_CORRUPT: this file cannot be read. Other errors: may be tried again.
 */
enum err spool_list_read(
        const struct spool_list *list, const char *folder, json_t **request, struct fault *fault);

/* Moves on to the next file; the skipped one is in the next listing again. */
void spool_list_skip(struct spool_list *list);
/* Deletes the next file, or with a suffix renames it, and moves on to the one after. OK also when
 * the file is gone already. */
enum err spool_list_away(
        struct spool_list *list, const char *folder, const char *suffix, struct fault *fault);
