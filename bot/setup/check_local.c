/*
 * check_local.c - part of `check`: this machine: database, spool, socket, call_monitor.
 */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/exit_code.h"
#include "bot/http/tokens.h"
#include "bot/setup/check.h"
#include "bot/vault/vault_internal.h"
#include "storage/keys.h"
#include "storage/outbox.h"
#include "storage/probe.h"
#include "storage/state.h"

#define DISK_FREE_MIN (1024 * 1024)

/* --- folders -------------------------------------------------------------------------------- */

enum folder { FOLDER_GOOD, FOLDER_MISSING, FOLDER_BAD };

const char *check_user_name(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	return pw ? pw->pw_name : "this user";
}

/* Whether it lies in a folder of the user's own, where nothing of the system is. */
static bool is_in_own_folder(const char *path)
{
	char *copy = x_strdup(path);
	struct stat st;
	bool own = stat(dirname(copy), &st) == 0 && st.st_uid == geteuid();

	free(copy);
	return own;
}

/* Right after the access that failed. */
static void tell_not_writable(struct check *check, const char *what, const char *path)
{
	const char *user = check_user_name();

	if (errno == EROFS) {
		check_fault(check, EX_CONFIG, what, "%s: the file system is read-only", path);
		check_fix(check, "mount it for writing; the system's log says why it is not");
		return;
	}
	check_fault(check, EX_CONFIG, what, "%s: %s may not write there", path, user);
	if (is_in_own_folder(path))
		check_fix(check, "run: chown %s %s", user, path);
	else
		check_fix(check,
		        "give %s a folder of its own, such as /var/lib/matrix-telemetry-bot, and "
		        "name it in the config; or run this as the user that the daemon runs as",
		        user);
}

/* Reports what is wrong; a missing folder is ok if it can be created, as the daemon does. */
static enum folder look_at_folder(struct check *check, const char *what, const char *folder)
{
	struct stat st;
	char *copy;
	const char *parent;
	enum folder result = FOLDER_MISSING;

	if (stat(folder, &st) == 0) {
		if (!S_ISDIR(st.st_mode)) {
			check_fault(check, EX_CONFIG, what, "%s is not a folder", folder);
			return FOLDER_BAD;
		}
		if (access(folder, W_OK | X_OK) == 0)
			return FOLDER_GOOD;
		tell_not_writable(check, what, folder);
		return FOLDER_BAD;
	}
	if (errno != ENOENT) {
		check_fault(check, EX_CONFIG, what, "%s: %s", folder, strerror(errno));
		return FOLDER_BAD;
	}
	copy = x_strdup(folder);
	parent = dirname(copy);
	if (access(parent, F_OK) != 0) {
		check_fault(check, EX_CONFIG, what, "%s: no such folder", parent);
		check_fix(check, "run: mkdir -p -m 700 %s", parent);
		result = FOLDER_BAD;
	} else if (access(parent, W_OK | X_OK) != 0) {
		tell_not_writable(check, what, parent);
		result = FOLDER_BAD;
	}
	free(copy);
	return result;
}

/* --- files ---------------------------------------------------------------------------------- */

static void look_at_file(struct check *check, const char *what, const char *path)
{
	if (path && access(path, R_OK) != 0) {
		check_fault(check, EX_CONFIG, what, "%s: %s", path, strerror(errno));
		check_fix(check, "correct %s in the config, or let %s read the file", what,
		        check_user_name());
	}
}

/* The bearer tokens of programs: without them, the daemon does not start, and a reload keeps the
 * earlier ones. */
static void look_at_tokens(struct check *check)
{
	struct fault fault = {0};
	struct tokens tokens;
	enum err err = tokens_read(&tokens, check->config, &fault);

	tokens_finish(&tokens);
	if (err == OK)
		return;
	check_fault(check, EX_CONFIG, "tokens", "%s", fault.text);
	if (err == ERR_IO || err == ERR_NOT_FOUND)
		check_fix(check,
		        "correct [http] tokens or token_file in the config, or let %s read the "
		        "file",
		        check_user_name());
}

void check_files(struct check *check)
{
	const char *config = check->config->path;

	if (access(config, R_OK) != 0) {
		check_fault(check, EX_CONFIG, "config", "%s: %s: %s", config, check_user_name(),
		        strerror(errno));
		check_fix(check, "let %s read it, for example: chgrp %s %s; chmod 640 %s",
		        check_user_name(), check_user_name(), config, config);
	}
	look_at_file(check, "ca_file", check->config->matrix.ca_file);
	look_at_file(check, "[meta] ca_file", check->config->meta.ca_file);
	look_at_tokens(check);
}

/* --- database ------------------------------------------------------------------------------- */

/* The database belongs to one device: keys and transaction ids of another device are useless. */
static void look_at_device(struct check *check, struct store *store)
{
	char *stored = NULL;

	if (state_get(store, "device_id", &stored) != OK || !check->device_id) {
		free(stored);
		return;
	}
	if (strcmp(stored, check->device_id) == 0) {
		check_good(check, "device", "%s, as in the database", stored);
	} else {
		check_fault(check, EX_CONFIG, "device",
		        "the token belongs to device %s, the database to device %s",
		        check->device_id, stored);
		check_fix(check, "put the old token back; or log in again (matrix-telemetry-bot "
		                 "login keeps the "
		                 "database's device); or start once with: matrix-telemetry-bot run "
		                 "--accept-new-device");
	}
	free(stored);
}

static void look_at_queue(struct check *check, struct store *store)
{
	int64_t waiting, undeliverable, oldest_ms;

	if (outbox_counts(store, &waiting, &undeliverable, &oldest_ms) != OK)
		return;
	if (undeliverable > 0) {
		check_fault(check, EX_UNAVAILABLE, "queue",
		        "%" PRId64 " waiting, %" PRId64 " undeliverable", waiting, undeliverable);
		check_fix(check,
		        "`matrix-telemetry-bot status` says why; `retry` sends them again, "
		        "`discard NUMBER` discards one");
	} else {
		check_good(check, "queue", "%" PRId64 " waiting, none undeliverable", waiting);
	}
}

struct notices {
	struct check *check;
	int others;
};

/* Reports a stored notice that a reader's client withholds keys, because it does not trust this
 * device; counts the other notices. */
static void take_notice(char *key, char *value, void *arg)
{
	struct notices *notices = arg;
	json_t *row = json_loads(value, 0, NULL);
	const char *text = json_string_value(json_object_get(row, "text"));

	if (text && strncmp(key, CRYPTO_NOTICE_WITHHELD, strlen(CRYPTO_NOTICE_WITHHELD)) == 0) {
		check_warning(notices->check, "encryption", "%s", text);
		check_fix(notices->check,
		        "cross-sign this device (see the row “device”), then ask that user to "
		        "write again: the key that comes with it ends this");
	} else if (text) {
		notices->others++;
	}
	json_decref(row);
	free(key);
	free(value);
}

static void look_at_pickle_key(struct check *check, struct store *store)
{
	struct fault fault = {0};
	bool stored = false;
	enum err err = core_has_keys(store, &stored);

	if (err == OK && stored)
		err = key_check(check->config, store, &fault);
	if (err == OK && stored)
		check_good(check, "pickle key", "opens the encryption keys in the database");
	else if (err != OK && (check->encrypted || !check->logged_in))
		check_fault(check, EX_CONFIG, "pickle key", "%s",
		        fault.text[0] ? fault.text : err_text(err));
	else if (err != OK) /* no room needs it */
		check_warning(
		        check, "pickle key", "%s", fault.text[0] ? fault.text : err_text(err));
	if (err == ERR_DENIED)
		check_fix(check, "make the file belong to %s, with mode 600", check_user_name());
}

static void look_at_notices(struct check *check, struct store *store)
{
	struct notices notices = {.check = check};

	if (keys_list(store, CRYPTO_NOTICE, "", take_notice, &notices) == OK &&
	        notices.others > 0) {
		check_warning(check, "encryption", "%d key%s or message%s refused so far",
		        notices.others, notices.others == 1 ? "" : "s",
		        notices.others == 1 ? "" : "s");
		check_fix(check, "matrix-telemetry-bot status lists them");
	}
}

static void look_at_disk(struct check *check, const char *path)
{
	struct statvfs disk;

	if (statvfs(path, &disk) != 0 || disk.f_bavail * disk.f_frsize >= DISK_FREE_MIN)
		return;
	check_fault(check, EX_UNAVAILABLE, "disk", "%s: its disk is full", path);
	check_fix(
	        check, "make room: alerts are refused meanwhile, and apps spool them or try again");
}

static void look_into_database(struct check *check, const char *path)
{
	struct fault fault = {0};
	struct store *store;
	struct stat st;

	if (stat(path, &st) == 0 && access(path, R_OK | W_OK) != 0) {
		tell_not_writable(check, "database", path);
		return;
	}
	if (store_open_readonly(&store, path, &fault) != OK) {
		if (fault.code == ERR_NOT_FOUND || access(path, F_OK) != 0) {
			check_good(check, "database", "%s: will be created on first start", path);
			return;
		}
		if (fault.code == ERR_OLD) {
			check_good(check, "database", "%s: %s; upgraded on next start", path,
			        fault.text);
			return;
		}
		check_fault(check, EX_CONFIG, "database", "%s", fault.text);
		if (fault.code == ERR_UNSUPPORTED)
			check_fix(check, "a newer version of the bot wrote it: run that version");
		return;
	}
	if ((st.st_mode & 077) != 0) {
		check_warning(check, "database", "%s: accessible by other users", path);
		check_fix(check, "run: chmod 600 %s", path);
	} else {
		check_good(check, "database", "%s, schema %d", path, store_schema());
	}
	look_at_disk(check, path);
	look_at_device(check, store);
	look_at_queue(check, store);
	look_at_pickle_key(check, store);
	look_at_notices(check, store);
	store_close(store);
}

void check_database(struct check *check)
{
	const char *path = check->config->storage.database;
	char *copy = x_strdup(path);
	const char *folder = dirname(copy);

	switch (look_at_folder(check, "database", folder)) {
	case FOLDER_GOOD:
		look_into_database(check, path);
		break;
	case FOLDER_MISSING:
		check_good(check, "database", "%s: will be created on first start", path);
		break;
	case FOLDER_BAD:
		break;
	}
	free(copy);
}

/* --- spool ---------------------------------------------------------------------------------- */

static bool ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

static void count_files(const char *folder, unsigned *waiting, unsigned *bad)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	*waiting = *bad = 0;
	while (dir && (entry = readdir(dir))) {
		*waiting += ends_in(entry->d_name, ".json");
		*bad += ends_in(entry->d_name, ".bad");
	}
	if (dir)
		closedir(dir);
}

void check_spool(struct check *check)
{
	const char *folder = check->config->storage.spool;
	enum folder state = look_at_folder(check, "spool", folder);
	unsigned waiting, bad;

	if (state == FOLDER_MISSING)
		check_good(check, "spool", "%s: will be created on first start", folder);
	if (state != FOLDER_GOOD)
		return;
	count_files(folder, &waiting, &bad);
	if (bad > 0) {
		check_fault(check, EX_UNAVAILABLE, "spool", "%s: %u waiting, %u rejected (*.bad)",
		        folder, waiting, bad);
		check_fix(
		        check, "look at %s/*.bad: correct and rename them, or delete them", folder);
	} else {
		check_good(check, "spool", "%s: %u waiting", folder, waiting);
	}
}

/* --- socket --------------------------------------------------------------------------------- */

/* Returns 0, or errno. */
static int try_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	/* validation of the config ensures that the path fits */
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	return error;
}

/* A watcher has no socket. */
static void tell_nobody_listens(struct check *check, const char *path)
{
	if (check->config->heartbeat.sender) {
		check_good(check, "socket", "%s: not used by a watcher", path);
		return;
	}
	check_warning(check, "socket", "%s: no daemon is listening", path);
	check_fix(check, "start it: systemctl start matrix-telemetry-bot");
}

static void look_at_socket(struct check *check, const char *path)
{
	int error = try_connect(path);

	if (error == 0 || error == EAGAIN)
		check_good(check, "socket", "%s: a daemon is listening", path);
	else if (error == EACCES)
		check_warning(check, "socket", "%s: a daemon is listening, but %s may not use it",
		        path, check_user_name());
	else
		tell_nobody_listens(check, path);
	if (error == EACCES)
		check_fix(check, "add the user to the group that [socket] group names");
}

/* The daemon sets the socket's group, which is permitted only for a group that it is a member
 * of. */
static void look_at_group(struct check *check, const char *name)
{
	const struct group *group = name ? getgrnam(name) : NULL;
	gid_t groups[256];
	int len = getgroups(256, groups);
	bool member = geteuid() == 0 || (group && group->gr_gid == getegid());

	if (!name)
		return;
	for (int i = 0; group && i < len; i++)
		member = member || groups[i] == group->gr_gid;
	if (group && member)
		return;
	check_fault(check, EX_CONFIG, "socket",
	        "[socket] group %s: the daemon's user is not a member of it", name);
	check_fix(check, "run: adduser %s %s", check_user_name(), name);
}

void check_socket(struct check *check)
{
	const char *path = check->config->socket.path;
	char *copy = x_strdup(path);
	const char *folder = dirname(copy);
	struct stat st;

	look_at_group(check, check->config->socket.group);
	if (lstat(path, &st) == 0) {
		if (S_ISSOCK(st.st_mode)) {
			look_at_socket(check, path);
		} else {
			check_fault(check, EX_CONFIG, "socket", "%s: exists, but is not a socket",
			        path);
			check_fix(check, "remove it, or correct [socket] path");
		}
	} else if (access(folder, F_OK) != 0) {
		check_warning(check, "socket", "%s: no such folder", folder);
		check_fix(check, "systemd creates it at the start (RuntimeDirectory=); without "
		                 "systemd create it, or correct [socket] path");
	} else if (access(folder, W_OK | X_OK) != 0) {
		tell_not_writable(check, "socket", folder);
	} else {
		tell_nobody_listens(check, path);
	}
	free(copy);
}

/* --- call_monitor --------------------------------------------------------------------------- */

void check_call_monitor(struct check *check)
{
	const char *database = check->config->call_monitor.database;
	const char *table = check->config->call_monitor.calls_table;
	struct fault fault = {0};

	if (!table) /* nothing is copied; check_watches() runs the queries */
		return;
	if (probe_calls_table(database, table, check->config->call_monitor.calls_columns, &fault) !=
	        OK) {
		check_fault(check, EX_CONFIG, "call_monitor", "%s", fault.text);
		check_fix(check, "correct [call_monitor] database, calls_table and calls_columns");
	} else if (access(database, W_OK) != 0) {
		tell_not_writable(check, "call_monitor", database);
	} else {
		check_good(check, "call_monitor", "%s, table %s", database, table);
	}
}
