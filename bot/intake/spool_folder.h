/*
 * spool_folder.h - the spool as a folder of files: listing, reading, putting away. All of it
 * blocks, so it is for libuv's pool; spool.c is the loop's side.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>
#include "bot/base/err.h"

/* The oldest files of one look, in order; from `next` on the names are owned. */
struct spool_list {
	char **names;
	size_t len, next;
	unsigned bad; /* files that were put away as *.bad and are there still */
	dev_t dev;    /* of the folder; ino 0 = not seen */
	ino_t ino;
};

/* Creates the folder (0700) when it is missing, and replaces what the list held. ERR_DENIED,
 * ERR_IO: the list is empty. */
enum err spool_list_make(struct spool_list *list, const char *folder, struct fault *fault);
void spool_list_finish(struct spool_list *list);

/*
 * Reads the next file of the list as an alert's request, owned by the caller; its name is the
 * alert's id and its time the alert's `at`, where it has none. ERR_NOT_FOUND: it is gone.
 * ERR_INVALID: it is no alert and never will be. ERR_CORRUPT: this file cannot be read. Else: may
 * be tried again.
 */
enum err spool_list_read(
        const struct spool_list *list, const char *folder, json_t **request, struct fault *fault);

/* Goes on to the one after; the next look has it again. */
void spool_list_skip(struct spool_list *list);
/* Deletes the next file, or with a suffix renames it, and goes on to the one after. OK also when
 * it is gone already. */
enum err spool_list_away(
        struct spool_list *list, const char *folder, const char *suffix, struct fault *fault);
