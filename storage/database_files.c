/*
 * database_files.c - see database_files.h.
 *
 * SQLite never makes the database or its log shorter, nor writes the log's header, in a transaction
 * that has not written, and a database's change counter never goes back. Only VACUUM and
 * checkpoints of other connections do the first, and they change SQLite's data version.
 */
#include "storage/database_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"

#define COUNTER_AT 24   /* in the database: the change counter, 4 bytes, the highest first */
#define FRAME_HEADER 24 /* in the log, before each page */
/* In shared memory, in the machine's byte order, by "WAL-Index Format": two copies of the header,
 * and how many pages of the log are in the database. */
#define INDEX_VERSION 3007000
#define INDEX_COPY 48
#define INDEX_PAGE_SIZE 14
#define INDEX_PAGES 16
#define INDEX_MOVED 96
#define INDEX_LEN 100

static unsigned data_version(struct store *store)
{
	unsigned version = 0;

	sqlite3_file_control(store->db, "main", SQLITE_FCNTL_DATA_VERSION, &version);
	return version;
}

/* Reads by SQLite's own descriptor: closing another one would drop its locks. which: an opcode
 * SQLITE_FCNTL_…_POINTER. False: unreadable. */
static bool database_files_read(struct store *store, int which, void *out, int len, int64_t at)
{
	sqlite3_file *file = NULL;

	return sqlite3_file_control(store->db, "main", which, &file) == SQLITE_OK && file &&
	       file->pMethods && file->pMethods->xRead(file, out, len, at) == SQLITE_OK;
}

/* 0 = unreadable. */
static uint32_t change_counter(struct store *store)
{
	unsigned char bytes[4];

	if (!database_files_read(
	            store, SQLITE_FCNTL_FILE_POINTER, bytes, sizeof(bytes), COUNTER_AT))
		return 0;
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static bool log_header(struct store *store, unsigned char header[STORE_LOG_HEADER])
{
	return database_files_read(
	        store, SQLITE_FCNTL_JOURNAL_POINTER, header, STORE_LOG_HEADER, 0);
}

static void note_log_header(struct store *store)
{
	if (!log_header(store, store->log_header))
		memset(store->log_header, 0, sizeof(store->log_header));
}

/* Whether another program wrote over the log: its header changes in transactions alone. */
static bool log_is_overwritten(struct store *store)
{
	unsigned char header[STORE_LOG_HEADER];

	return store->log_header[0] && log_header(store, header) &&
	       memcmp(header, store->log_header, sizeof(header)) != 0;
}

static enum err database_files_fail(
        struct store *store, const struct store_file *file, const char *what)
{
	snprintf(store->message, sizeof(store->message), "%s was %s", file->path, what);
	store->replaced = true;
	return ERR_REPLACED;
}

void database_files_remember(struct store *store, const char *path)
{
	static const char *const suffixes[STORE_FILES] = {"", "-wal", "-shm"};
	struct stat st;

	for (size_t i = 0; i < STORE_FILES; i++) {
		struct store_file *file = &store->files[i];

		file->path = x_asprintf("%s%s", path, suffixes[i]);
		if (stat(file->path, &st) == 0) {
			file->dev = st.st_dev;
			file->ino = st.st_ino;
			file->size = st.st_size;
		}
	}
	store->version = data_version(store);
	store->counter = change_counter(store);
	note_log_header(store);
}

enum err database_files_are_whole(struct store *store)
{
	struct stat st;

	if (data_version(store) != store->version) /* another connection wrote */
		return OK;
	for (size_t i = 0; i < STORE_FILES; i++) {
		const struct store_file *file = &store->files[i];

		if (stat(file->path, &st) == 0 && st.st_ino == file->ino && st.st_size < file->size)
			return database_files_fail(store, file, "truncated");
	}
	if (log_is_overwritten(store))
		return database_files_fail(store, &store->files[1], "overwritten");
	return change_counter(store) < store->counter
	               ? database_files_fail(store, &store->files[0], "replaced by an older one")
	               : OK;
}

enum err database_files_are_ours(struct store *store)
{
	struct stat st;

	for (size_t i = 0; i < STORE_FILES; i++) {
		struct store_file *file = &store->files[i];

		if (stat(file->path, &st) != 0 || st.st_dev != file->dev || st.st_ino != file->ino)
			return database_files_fail(store, file, "replaced or deleted");
		file->size = st.st_size;
	}
	store->version = data_version(store);
	store->counter = change_counter(store);
	note_log_header(store);
	return OK;
}

void database_files_rolled_back(struct store *store)
{
	if (!store->replaced)
		note_log_header(store);
}

int64_t database_files_lost(const char *path)
{
	char *index = x_asprintf("%s-shm", path), *log = x_asprintf("%s-wal", path);
	int fd = open(index, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	unsigned char bytes[INDEX_LEN];
	int64_t lost = 0, held = 0;
	uint32_t version, pages, moved;
	uint16_t page_size;
	struct stat st;

	if (fd >= 0 && pread(fd, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes) &&
	        memcmp(bytes, bytes + INDEX_COPY, INDEX_COPY) == 0) {
		memcpy(&version, bytes, sizeof(version));
		memcpy(&page_size, bytes + INDEX_PAGE_SIZE, sizeof(page_size));
		memcpy(&pages, bytes + INDEX_PAGES, sizeof(pages));
		memcpy(&moved, bytes + INDEX_MOVED, sizeof(moved));
		if (stat(log, &st) == 0 && st.st_size > STORE_LOG_HEADER)
			held = (st.st_size - STORE_LOG_HEADER) / (FRAME_HEADER + page_size);
		if (version == INDEX_VERSION && moved < pages && held < pages)
			lost = pages - (held > moved ? held : moved);
	}
	if (fd >= 0)
		close(fd);
	free(index);
	free(log);
	return lost;
}
