/*
 * spool.c - the reading side of the spool.
 *
 * Happy path: the timer fires, the folder is listed and sorted, the first file is read and handed
 * on; spool_done(OK) deletes it and arms the timer for the next; when the list is used up the
 * folder is listed again, and when that finds nothing the spool waits for inotify or for
 * SPOOL_RESCAN_MS. Failures of the folder (gone, unreadable) are told once and tried again with
 * the next scan; a folder that was replaced is watched anew.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/intake/request.h"
#include "bot/intake/server.h"
#include "bot/intake/spool.h"

#define BATCH_MAX 4096 /* names kept of one scan; the rest comes with the next */

struct spool {
	uv_timer_t timer;
	uv_fs_event_t watch;
	unsigned handles; /* not yet closed */
	struct spool_events events;
	char *folder;
	char **names; /* names_len of them, sorted; from `next` on they are owned */
	size_t names_len, next;
	dev_t dev; /* of the folder that is watched; ino 0 = none */
	ino_t ino;
	bool in_hand;  /* names[next] was handed on and is not done */
	bool troubled; /* the folder's failure was told */
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void on_tick(uv_timer_t *timer);

static void wake_in(struct spool *spool, uint64_t delay_ms)
{
	if (!spool->closing)
		uv_timer_start(&spool->timer, on_tick, delay_ms, 0);
}

static void on_change(uv_fs_event_t *watch, const char *name, int events, int status)
{
	struct spool *spool = watch->data;

	/* While a batch is under way its end looks again anyhow. */
	if (!spool->in_hand && spool->next == spool->names_len)
		wake_in(spool, 0);
}

/* ---- the folder ---- */

static void drop_names(struct spool *spool)
{
	for (size_t i = spool->next; i < spool->names_len; i++)
		free(spool->names[i]);
	free(spool->names);
	spool->names = NULL;
	spool->names_len = spool->next = 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_spooled(const char *name)
{
	size_t len = strlen(name);
	return name[0] != '.' && len > 5 && len < 64 && strcmp(name + len - 5, ".json") == 0;
}

static void keep_first(struct spool *spool, size_t max)
{
	qsort(spool->names, spool->names_len, sizeof(*spool->names), compare_names);
	while (spool->names_len > max)
		free(spool->names[--spool->names_len]);
}

/* Creates and watches the folder as needed and opens it; NULL with errno. */
static DIR *open_folder(struct spool *spool)
{
	struct stat st;

	if (mkdir(spool->folder, 0700) == -1 && errno != EEXIST)
		return NULL;
	DIR *dir = opendir(spool->folder);
	if (!dir || fstat(dirfd(dir), &st) == -1)
		return dir;
	if (st.st_ino != spool->ino || st.st_dev != spool->dev) {
		spool->ino = st.st_ino;
		spool->dev = st.st_dev;
		uv_fs_event_stop(&spool->watch);
		int rc = uv_fs_event_start(&spool->watch, on_change, spool->folder, 0);
		if (rc != 0)
			log_warning("spool", "cannot watch %s, looking every %d s: %s",
			        spool->folder, SPOOL_RESCAN_MS / 1000, uv_strerror(rc));
	}
	return dir;
}

static enum err scan(struct spool *spool, struct fault *fault)
{
	struct dirent *entry;
	DIR *dir = open_folder(spool);

	drop_names(spool);
	if (!dir)
		return fault_set(fault, errno == EACCES ? ERR_DENIED : ERR_IO,
		        "cannot read the spool %s: %s", spool->folder, strerror(errno));
	spool->names = x_calloc(2 * BATCH_MAX, sizeof(*spool->names));
	while ((entry = readdir(dir))) {
		if (!is_spooled(entry->d_name))
			continue;
		spool->names[spool->names_len++] = x_strdup(entry->d_name);
		if (spool->names_len == 2 * BATCH_MAX)
			keep_first(spool, BATCH_MAX);
	}
	closedir(dir);
	keep_first(spool, BATCH_MAX);
	return OK;
}

/* ---- one file ---- */

static char *path_of(const struct spool *spool, const char *suffix)
{
	return x_asprintf("%s/%s%s", spool->folder, spool->names[spool->next], suffix);
}

/* Reads and checks a file. ERR_INVALID: not an alert and never will be. */
static enum err read_request(const struct spool *spool, json_t **out, struct fault *fault)
{
	char *path = path_of(spool, "");
	char *data = NULL;
	struct stat st;
	enum err code = OK;
	size_t position;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd == -1 || fstat(fd, &st) == -1) {
		code = errno == ENOENT                     ? ERR_NOT_FOUND
		       : errno == EACCES || errno == ELOOP ? ERR_INVALID
		                                           : ERR_IO;
		fault_set(fault, code, "cannot open: %s", strerror(errno));
		goto done;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > SERVER_LINE_MAX + 1) {
		code = fault_set(fault, ERR_INVALID, "not a file of at most 64 KiB");
		goto done;
	}
	data = x_calloc(1, SERVER_LINE_MAX + 1);
	ssize_t len = read(fd, data, SERVER_LINE_MAX + 1);
	if (len == -1) {
		code = fault_set(fault, ERR_IO, "cannot read: %s", strerror(errno));
		goto done;
	}
	code = request_parse(data, (size_t)len, out, &position, fault);
	if (code != OK)
		goto done;
	const json_t *op = json_object_get(*out, "op");
	if (op &&
	        (!json_is_string(op) || (strcmp(json_string_value(op), "alert") != 0 &&
	                                        strcmp(json_string_value(op), "heartbeat") != 0))) {
		json_decref(*out);
		code = fault_set(fault, ERR_INVALID, "only alerts and heartbeats can be spooled");
		goto done;
	}
	if (!op)
		json_object_set_new(*out, "op", json_string("alert"));
	if (!json_object_get(*out, "id"))
		json_object_set_new(*out, "id", json_string(spool->names[spool->next]));
done:
	if (fd != -1)
		close(fd);
	free(data);
	free(path);
	return code;
}

static void next_name(struct spool *spool)
{
	free(spool->names[spool->next++]);
	wake_in(spool, 0);
}

/* Deletes (suffix NULL) or renames the file in hand; when even that fails, it is met again. */
static void put_away(struct spool *spool, const char *suffix)
{
	char *path = path_of(spool, "");
	char *aside = path_of(spool, suffix ? suffix : "");

	if ((suffix ? rename(path, aside) : unlink(path)) == -1 && errno != ENOENT) {
		log_error("spool", "cannot put away %s: %s", path, strerror(errno));
		wake_in(spool, SPOOL_RESCAN_MS);
	} else {
		next_name(spool);
	}
	free(aside);
	free(path);
}

static void settle(struct spool *spool, enum err result, const char *message)
{
	const char *name = spool->names[spool->next];

	if (result == OK) {
		put_away(spool, NULL);
	} else if (result == ERR_INVALID) {
		log_warning("spool", "%s is set aside as %s.bad: %s", name, name, message);
		put_away(spool, ".bad");
	} else {
		log_warning("spool", "%s waits: %s", name, message);
		wake_in(spool, SPOOL_RESCAN_MS);
	}
}

static void hand_on(struct spool *spool)
{
	struct fault fault;
	json_t *request = NULL;
	enum err code = read_request(spool, &request, &fault);

	if (code == ERR_NOT_FOUND) {
		next_name(spool); /* somebody took the file away meanwhile */
		return;
	}
	if (code != OK) {
		settle(spool, code, fault.text);
		return;
	}
	spool->in_hand = true;
	spool->events.on_request(request, spool->events.arg);
	json_decref(request);
}

static void on_tick(uv_timer_t *timer)
{
	struct spool *spool = timer->data;
	struct fault fault;

	if (spool->in_hand)
		return;
	if (spool->next == spool->names_len) {
		enum err code = scan(spool, &fault);
		if (code != OK && !spool->troubled)
			log_error("spool", "%s", fault.text);
		spool->troubled = code != OK;
	}
	if (spool->next < spool->names_len)
		hand_on(spool);
	else
		wake_in(spool, SPOOL_RESCAN_MS);
}

/* ---- life ---- */

enum err spool_create(struct spool **out, uv_loop_t *loop, const char *folder,
        const struct spool_events *events, struct fault *fault)
{
	struct stat st;

	*out = NULL;
	if ((mkdir(folder, 0700) == -1 && errno != EEXIST) || stat(folder, &st) == -1)
		return fault_set(fault, errno == EACCES ? ERR_DENIED : ERR_IO,
		        "cannot create the spool %s: %s", folder, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fault_set(fault, ERR_CONFIG, "the spool %s is no folder", folder);

	struct spool *spool = x_calloc(1, sizeof(*spool));
	spool->events = *events;
	spool->folder = x_strdup(folder);
	spool->handles = 2;
	uv_timer_init(loop, &spool->timer);
	uv_fs_event_init(loop, &spool->watch);
	spool->timer.data = spool->watch.data = spool;
	wake_in(spool, 0);
	*out = spool;
	return OK;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct spool *spool = handle->data;

	if (--spool->handles > 0)
		return;
	void (*closed)(void *arg) = spool->closed;
	void *arg = spool->closed_arg;
	drop_names(spool);
	free(spool->folder);
	free(spool);
	closed(arg);
}

static void close_handles(struct spool *spool)
{
	uv_close((uv_handle_t *)&spool->timer, on_handle_closed);
	uv_close((uv_handle_t *)&spool->watch, on_handle_closed);
}

void spool_done(struct spool *spool, enum err result, const char *message)
{
	spool->in_hand = false;
	settle(spool, result, message ? message : err_text(result));
	if (spool->closing)
		close_handles(spool);
}

void spool_close(struct spool *spool, void (*closed)(void *arg), void *arg)
{
	spool->closing = true;
	spool->closed = closed;
	spool->closed_arg = arg;
	if (!spool->in_hand)
		close_handles(spool);
}
