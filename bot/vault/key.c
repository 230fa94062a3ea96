/*
 * key.c - the key that pickles are encrypted with; see internal.h. Blocks.
 *
 * What is configured is a text: a line of at least KEY_TEXT_MIN characters, from a password
 * manager or a file. The key is derived from it.
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

static char *default_path(const struct config *config)
{
	char *database = x_strdup(config->storage.database);
	char *path = x_asprintf("%s/pickle-key", dirname(database));

	free(database);
	return path;
}

/* A new random key, durable before it is used. ERR_EXISTS: another one was made meanwhile. */
static enum err make_file(const char *path, struct fault *fault)
{
	uint8_t bytes[CRYPTO_PICKLE_KEY_LEN];
	char *text, *folder_path = x_strdup(path);
	int folder = open(dirname(folder_path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool good;

	prim_random(bytes, sizeof(bytes));
	text = prim_base64(bytes, sizeof(bytes), false);
	good = fd >= 0 && folder >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
	       write(fd, "\n", 1) == 1 && fsync(fd) == 0 && fsync(folder) == 0;
	if (!good)
		fault_set(fault, errno == EEXIST ? ERR_EXISTS : ERR_IO, "%s: %s", path,
		        strerror(errno));
	if (!good && fd >= 0)
		unlink(path); /* half a key must not be taken for one */
	if (fd >= 0)
		close(fd);
	if (folder >= 0)
		close(folder);
	explicit_bzero(bytes, sizeof(bytes));
	x_wipe_free_str(text);
	free(folder_path);
	return good ? OK : fault->code;
}

static enum err read_default(const struct config *config, char **text, struct fault *fault)
{
	struct config_secret file = {.file = default_path(config)};
	enum err err = OK;

	if (access(file.file, F_OK) != 0 && errno == ENOENT) {
		err = make_file(file.file, fault);
		if (err == OK)
			log_info("vault",
			        "made %s: keep a copy of it with each backup of the database",
			        file.file);
		if (err == ERR_EXISTS)
			err = OK;
	}
	if (err == OK)
		err = secret_read(&file, "pickle_key", text, fault);
	free(file.file);
	return err;
}

enum err key_read(
        const struct config *config, uint8_t key[CRYPTO_PICKLE_KEY_LEN], struct fault *fault)
{
	char *text = NULL;
	enum err err = secret_read(&config->encryption.pickle_key, "pickle_key", &text, fault);

	if (err == ERR_NOT_FOUND)
		err = read_default(config, &text, fault);
	if (err == OK && strlen(text) < KEY_TEXT_MIN)
		err = fault_set(fault, ERR_INVALID,
		        "the pickle key has fewer than %d characters: make a random one",
		        KEY_TEXT_MIN);
	if (err == OK)
		prim_hkdf(text, strlen(text), NULL, 0, KEY_INFO, key, CRYPTO_PICKLE_KEY_LEN);
	x_wipe_free_str(text);
	return err;
}
