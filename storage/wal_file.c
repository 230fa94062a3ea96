/*
 * wal_file.c - see wal_file.h.
 *
 * Invariant: what the file itself holds and what is collected never overlap: all that reads, cuts,
 * measures or syncs the file, or writes elsewhere, writes out what is collected first.
 */
#include "storage/wal_file.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"

#define WAL_FILE_NAME "collected-log"
#define WAL_FILE_BUFFER (32 * 1024)

struct wal_file {
	sqlite3_file base;
	char *data; /* collected; NULL = nothing was yet */
	int len;
	sqlite3_int64 at;    /* where data belongs in the file */
	sqlite3_file real[]; /* of the default file system, which has the size that it wants */
};

static struct wal_file *wal_of(sqlite3_file *file)
{
	return (struct wal_file *)file;
}

static int wal_write_out(struct wal_file *wal)
{
	int len = wal->len;

	wal->len = 0;
	return len ? wal->real->pMethods->xWrite(wal->real, wal->data, len, wal->at) : SQLITE_OK;
}

static int wal_close(sqlite3_file *file)
{
	struct wal_file *wal = wal_of(file);
	int rc = wal_write_out(wal);
	int closed = wal->real->pMethods->xClose(wal->real);

	free(wal->data);
	return rc != SQLITE_OK ? rc : closed;
}

static int wal_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
	struct wal_file *wal = wal_of(file);
	int rc = wal_write_out(wal);

	return rc != SQLITE_OK ? rc : wal->real->pMethods->xRead(wal->real, data, len, at);
}

static int wal_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	struct wal_file *wal = wal_of(file);
	int rc = SQLITE_OK;

	if (wal->len && (at != wal->at + wal->len || wal->len + len > WAL_FILE_BUFFER))
		rc = wal_write_out(wal);
	if (rc != SQLITE_OK)
		return rc;
	if (len > WAL_FILE_BUFFER)
		return wal->real->pMethods->xWrite(wal->real, data, len, at);
	if (!wal->data)
		wal->data = x_calloc(1, WAL_FILE_BUFFER);
	if (!wal->len)
		wal->at = at;
	memcpy(wal->data + wal->len, data, (size_t)len);
	wal->len += len;
	return SQLITE_OK;
}

static int wal_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct wal_file *wal = wal_of(file);
	int rc = wal_write_out(wal);

	return rc != SQLITE_OK ? rc : wal->real->pMethods->xTruncate(wal->real, size);
}

static int wal_sync(sqlite3_file *file, int flags)
{
	struct wal_file *wal = wal_of(file);
	int rc = wal_write_out(wal);

	return rc != SQLITE_OK ? rc : wal->real->pMethods->xSync(wal->real, flags);
}

static int wal_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct wal_file *wal = wal_of(file);
	int rc = wal_write_out(wal);

	return rc != SQLITE_OK ? rc : wal->real->pMethods->xFileSize(wal->real, size);
}

static int wal_lock(sqlite3_file *file, int level)
{
	return wal_of(file)->real->pMethods->xLock(wal_of(file)->real, level);
}

static int wal_unlock(sqlite3_file *file, int level)
{
	return wal_of(file)->real->pMethods->xUnlock(wal_of(file)->real, level);
}

static int wal_is_reserved(sqlite3_file *file, int *reserved)
{
	return wal_of(file)->real->pMethods->xCheckReservedLock(wal_of(file)->real, reserved);
}

static int wal_control(sqlite3_file *file, int op, void *arg)
{
	return wal_of(file)->real->pMethods->xFileControl(wal_of(file)->real, op, arg);
}

static int wal_sector_size(sqlite3_file *file)
{
	return wal_of(file)->real->pMethods->xSectorSize(wal_of(file)->real);
}

static int wal_traits(sqlite3_file *file)
{
	return wal_of(file)->real->pMethods->xDeviceCharacteristics(wal_of(file)->real);
}

static const sqlite3_io_methods wal_methods = {
        .iVersion = 1, /* shared memory belongs to the database's file, not to its log's */
        .xClose = wal_close,
        .xRead = wal_read,
        .xWrite = wal_write,
        .xTruncate = wal_truncate,
        .xSync = wal_sync,
        .xFileSize = wal_size,
        .xLock = wal_lock,
        .xUnlock = wal_unlock,
        .xCheckReservedLock = wal_is_reserved,
        .xFileControl = wal_control,
        .xSectorSize = wal_sector_size,
        .xDeviceCharacteristics = wal_traits,
};

void wal_file_rest(sqlite3 *db)
{
	sqlite3_file *file = NULL;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK ||
	        !file || file->pMethods != &wal_methods || wal_of(file)->len > 0)
		return;
	free(wal_of(file)->data);
	wal_of(file)->data = NULL;
}

static int wal_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);
	struct wal_file *wal = wal_of(file);
	int rc;

	(void)vfs;
	if (!(flags & SQLITE_OPEN_WAL))
		return real->xOpen(real, path, file, flags, out);
	memset(wal, 0, sizeof(*wal));
	rc = real->xOpen(real, path, wal->real, flags, out);
	if (rc == SQLITE_OK)
		wal->base.pMethods = &wal_methods;
	else if (wal->real->pMethods)
		wal->real->pMethods->xClose(wal->real);
	return rc;
}

const char *wal_file_system(void)
{
	static sqlite3_vfs vfs;
	const sqlite3_vfs *real = sqlite3_vfs_find(NULL);

	if (sqlite3_vfs_find(WAL_FILE_NAME))
		return WAL_FILE_NAME;
	if (!real)
		return NULL;
	vfs = *real; /* its other functions need nothing but what it has in pAppData */
	vfs.zName = WAL_FILE_NAME;
	vfs.szOsFile += (int)sizeof(struct wal_file);
	vfs.xOpen = wal_open;
	return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? WAL_FILE_NAME : NULL;
}
