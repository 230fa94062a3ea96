/*
 * spool_folder.c - see spool_folder.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/request.h"
#include "bot/intake/server.h"
#include "bot/intake/spool_folder.h"

#define BATCH_MAX 4096 /* files kept of one listing; the rest follows with the next */

/* ---- the list ---- */

static void drop_names(struct spool_list *list)
{
	for (size_t i = list->next; i < list->len; i++)
		free(list->files[i].name);
	free(list->files);
	list->files = NULL;
	list->len = list->next = 0;
}

void spool_list_finish(struct spool_list *list)
{
	drop_names(list);
	*list = (struct spool_list){0};
}

static int file_compare_owner(const void *a, const void *b)
{
	const struct spool_file *one = a, *other = b;

	return one->owner != other->owner
	               ? (one->owner > other->owner) - (one->owner < other->owner)
	               : strcmp(one->name, other->name);
}

static int file_compare_turn(const void *a, const void *b)
{
	const struct spool_file *one = a, *other = b;

	return one->turn != other->turn ? (one->turn > other->turn) - (one->turn < other->turn)
	                                : strcmp(one->name, other->name);
}

static bool is_spooled(const char *name)
{
	size_t len = strlen(name);
	return name[0] != '.' && len > 5 && len < 64 && strcmp(name + len - 5, ".json") == 0;
}

static bool is_bad(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, ".bad") == 0;
}

void spool_list_order(struct spool_file *files, size_t len)
{
	qsort(files, len, sizeof(*files), file_compare_owner);
	for (size_t i = 0; i < len; i++)
		files[i].turn =
		        i > 0 && files[i].owner == files[i - 1].owner ? files[i - 1].turn + 1 : 0;
	qsort(files, len, sizeof(*files), file_compare_turn);
}

static void keep_first(struct spool_list *list, size_t max)
{
	spool_list_order(list->files, list->len);
	while (list->len > max)
		free(list->files[--list->len].name);
}

enum err spool_list_make(struct spool_list *list, const char *folder, struct fault *fault)
{
	struct dirent *entry;
	struct stat st, file;
	DIR *dir = NULL;

	drop_names(list);
	if (mkdir(folder, 0700) == 0 || errno == EEXIST)
		dir = opendir(folder);
	if (!dir || fstat(dirfd(dir), &st) == -1) {
		enum err err = errno == EACCES ? ERR_DENIED : ERR_IO;

		fault_set(fault, err, "cannot read the spool %s: %s%s", folder, strerror(errno),
		        errno == EACCES ? "; let it belong to the user who runs the bot (chown)"
		                        : "");
		if (dir)
			closedir(dir);
		return err;
	}
	list->bad = 0;
	list->dev = st.st_dev;
	list->ino = st.st_ino;
	list->files = x_calloc(2 * BATCH_MAX, sizeof(*list->files));
	while ((entry = readdir(dir))) {
		list->bad += is_bad(entry->d_name);
		if (!is_spooled(entry->d_name) ||
		        fstatat(dirfd(dir), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		list->files[list->len++] =
		        (struct spool_file){.name = x_strdup(entry->d_name), .owner = file.st_uid};
		if (list->len == 2 * BATCH_MAX)
			keep_first(list, BATCH_MAX);
	}
	closedir(dir);
	keep_first(list, BATCH_MAX);
	list->files = x_realloc(list->files, list->len * sizeof(*list->files));
	return OK;
}

/* ---- one file ---- */

static char *path_of(const struct spool_list *list, const char *folder, const char *suffix)
{
	return x_asprintf("%s/%s%s", folder, list->files[list->next].name, suffix ? suffix : "");
}

/* An alert from the spool happened when it was written, not when it is read. */
static void set_at(json_t *request, const struct timespec *written)
{
	int64_t at_ms = (int64_t)written->tv_sec * CLOCK_SECOND_MS + written->tv_nsec / 1000000;
	int64_t now_ms = clock_now_ms();
	char at[32];

	clock_format_rfc3339(at_ms < now_ms ? at_ms : now_ms, at, sizeof(at));
	json_object_set_new(request, "at", json_string(at));
}

static enum err spool_folder_parse(
        const char *data, size_t len, json_t **request, struct fault *fault)
{
	size_t position;
	enum err err = request_parse(data, len, request, &position, fault);
	const json_t *op = err == OK ? json_object_get(*request, "op") : NULL;

	if (!op || (json_is_string(op) && (strcmp(json_string_value(op), "alert") == 0 ||
	                                          strcmp(json_string_value(op), "heartbeat") == 0)))
		return err;
	json_decref(*request);
	*request = NULL;
	return fault_set(fault, ERR_INVALID, "only alerts and heartbeats can be spooled");
}

/* Errors that will never go away must not block the files after this one. */
static enum err spool_folder_open_failed(int number)
{
	switch (number) {
	case ENOENT:
		return ERR_NOT_FOUND;
	case EACCES:
	case ELOOP:  /* a symbolic link */
	case ENXIO:  /* a socket, or a device that does not exist */
	case ENODEV: /* the same for a device driver */
		return ERR_INVALID;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return ERR_IO;
	default: /* perhaps a disk error in this file alone */
		return ERR_CORRUPT;
	}
}

enum err spool_list_read(
        const struct spool_list *list, const char *folder, json_t **request, struct fault *fault)
{
	char *path = path_of(list, folder, NULL);
	char *data = NULL;
	struct stat st;
	ssize_t len;
	enum err err;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	*request = NULL;
	if (fd == -1 || fstat(fd, &st) == -1) {
		err = spool_folder_open_failed(errno);
		fault_set(fault, err, "cannot open: %s", strerror(errno));
		goto done;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > SERVER_LINE_MAX + 1) {
		err = fault_set(fault, ERR_INVALID, "not a file of at most 64 KiB");
		goto done;
	}
	data = x_calloc(1, SERVER_LINE_MAX + 1);
	len = read(fd, data, SERVER_LINE_MAX + 1);
	if (len == -1) {
		err = fault_set(fault, ERR_CORRUPT, "cannot read: %s", strerror(errno));
		goto done;
	}
	err = spool_folder_parse(data, (size_t)len, request, fault);
	if (err != OK)
		goto done;
	if (!json_object_get(*request, "op"))
		json_object_set_new(*request, "op", json_string("alert"));
	if (!json_object_get(*request, "at"))
		set_at(*request, &st.st_mtim);
	if (!json_object_get(*request, "id"))
		json_object_set_new(*request, "id", json_string(list->files[list->next].name));
done:
	if (fd != -1)
		close(fd);
	free(data);
	free(path);
	return err;
}

void spool_list_skip(struct spool_list *list)
{
	free(list->files[list->next++].name);
}

enum err spool_list_away(
        struct spool_list *list, const char *folder, const char *suffix, struct fault *fault)
{
	char *path = path_of(list, folder, NULL);
	char *renamed = path_of(list, folder, suffix);
	enum err err = OK;

	if ((suffix ? rename(path, renamed) : unlink(path)) == -1 && errno != ENOENT)
		err = fault_set(
		        fault, ERR_IO, "cannot rename or delete %s: %s", path, strerror(errno));
	else
		spool_list_skip(list);
	free(renamed);
	free(path);
	return err;
}
