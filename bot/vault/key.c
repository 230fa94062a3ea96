/*
 * key.c - the key that pickles are encrypted with; see vault_internal.h. Blocks.
 *
 * The key is derived from a configured text: a line of at least KEY_TEXT_MIN characters, from a
 * password manager or a file. Where none is configured, a file with a random text is created, but
 * never to replace a lost one: a new key would make the encryption keys in the database unreadable.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/config/secret.h"
#include "bot/crypto/prim.h"
#include "bot/vault/vault_internal.h"

#define KEY_TEXT_MIN 20 /* characters */
#define KEY_INFO "matrix-telemetry-bot pickle key"
#define AFRESH                                                                            \
	" from the backup. If there is none, run matrix-telemetry-bot login, then start " \
	"once with run --accept-new-device"

static char *key_default_path(const struct config *config)
{
	char *database = x_strdup(config->storage.database);
	char *path = x_asprintf("%s/pickle-key", dirname(database));

	free(database);
	return path;
}

/* Reports the error in errno. */
static enum err key_io_failed(struct fault *fault, const char *path)
{
	int error = errno;

	return fault_set(fault, error == ENOSPC || error == EDQUOT ? ERR_FULL : ERR_IO, "%s: %s",
	        path, strerror(error));
}

/* Makes the creation or removal of a file durable (fsync of its folder). */
static enum err folder_sync(const char *path, struct fault *fault)
{
	char *copy = x_strdup(path);
	int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err = folder >= 0 && fsync(folder) == 0 ? OK : key_io_failed(fault, path);

	if (folder >= 0)
		close(folder);
	free(copy);
	return err;
}

/* Writes a text and a newline to a new file. */
static enum err file_write(const char *path, const char *text, struct fault *fault)
{
	char *line = x_asprintf("%s\n", text);
	size_t len = strlen(line);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t got = fd >= 0 ? write(fd, line, len) : -1;
	enum err err = OK;

	if (got >= 0 && (size_t)got != len)
		errno = ENOSPC; /* a short write to a regular file means a full disk */
	if (got != (ssize_t)len || fsync(fd) != 0)
		err = key_io_failed(fault, path);
	if (fd >= 0)
		close(fd);
	x_wipe_free_str(line);
	return err;
}

/* Creates a file with a new random key, which is complete and durable before it gets its name. OK
 * also when another process created one meanwhile. */
static enum err key_make_file(const char *path, struct fault *fault)
{
	char *fresh = x_asprintf("%s.new", path), *text;
	uint8_t bytes[CRYPTO_PICKLE_KEY_LEN];
	enum err err;

	prim_random(bytes, sizeof(bytes));
	text = prim_base64(bytes, sizeof(bytes), false);
	err = file_write(fresh, text, fault);
	if (err == OK && link(fresh, path) != 0 && errno != EEXIST)
		err = key_io_failed(fault, path);
	unlink(fresh);
	if (err == OK)
		err = folder_sync(path, fault);
	if (err == OK)
		log_info("vault", "created %s: keep a copy of it with each backup of the database",
		        path);
	explicit_bzero(bytes, sizeof(bytes));
	x_wipe_free_str(text);
	free(fresh);
	return err;
}

/* Reads the key file, creating it when may_make is set. */
static enum err key_read_own_file(
        const struct config *config, bool may_make, char **text, struct fault *fault)
{
	const char *configured = config->encryption.pickle_key.file;
	struct config_secret file = {
	        .file = configured ? x_strdup(configured) : key_default_path(config)};
	enum err err = OK;

	if (access(file.file, F_OK) != 0 && errno == ENOENT)
		err = may_make ? key_make_file(file.file, fault)
		               : fault_set(fault, ERR_NOT_FOUND,
		                         "%s, which opens the encryption keys in the database, is "
		                         "missing: restore it" AFRESH,
		                         file.file);
	if (err == OK)
		err = secret_read(&file, "pickle_key", text, fault);
	free(file.file);
	return err;
}

enum err key_read(const struct config *config, bool may_make, uint8_t key[CRYPTO_PICKLE_KEY_LEN],
        struct fault *fault)
{
	const struct config_secret *secret = &config->encryption.pickle_key;
	char *text = NULL;
	enum err err = secret_read(secret, "pickle_key", &text, fault);

	if (err == ERR_NOT_FOUND)
		err = key_read_own_file(config, may_make, &text, fault);
	if (err == OK && strlen(text) < KEY_TEXT_MIN)
		err = fault_set(fault, ERR_INVALID,
		        "the pickle key has fewer than %d characters: use a longer, random one",
		        KEY_TEXT_MIN);
	if (err == OK)
		prim_hkdf(text, strlen(text), NULL, 0, KEY_INFO, key, CRYPTO_PICKLE_KEY_LEN);
	x_wipe_free_str(text);
	return err;
}

enum err key_does_not_fit(struct fault *fault)
{
	return fault_set(fault, ERR_CORRUPT,
	        "the pickle key does not open the encryption keys in the database, or those are "
	        "damaged: restore the key, or both," AFRESH);
}

enum err key_check(const struct config *config, struct store *store, struct fault *fault)
{
	uint8_t key[CRYPTO_PICKLE_KEY_LEN];
	bool stored = false;
	enum err err = core_has_keys(store, &stored);

	if (err != OK || !stored)
		return err;
	err = key_read(config, false, key, fault);
	if (err == OK && core_key_opens(store, key) == ERR_CORRUPT)
		err = key_does_not_fit(fault);
	explicit_bzero(key, sizeof(key));
	return err;
}
