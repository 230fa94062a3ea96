/*
 * secret.h - reads a secret from a command, a file or systemd's credentials. Blocks: for use by
 * commands, at start, or on libuv's pool.
 */
#pragma once

#include "bot/config/config.h"

#define SECRET_MAX 4096         /* bytes */
#define SECRET_TIMEOUT_MS 30000 /* time limit of a command */

/*
 * The first line of the command's output, of the file, or of $CREDENTIALS_DIRECTORY/credential.
 * *out is owned by the caller, who wipes it (x_wipe_free_str()); NULL on failure. ERR_NOT_FOUND:
 * none is configured; ERR_TIMEOUT: the command took longer than SECRET_TIMEOUT_MS; ERR_DENIED:
 * other users can read the file; ERR_TOO_LARGE; ERR_IO; ERR_CANCELED; ERR_INVALID: empty, or with a
 * NUL. *fault names the credential and the file, but neither the command (which may hold secrets
 * itself) nor the secret.
 */
enum err secret_read(const struct config_secret *secret, const char *credential, char **out,
        struct fault *fault);

/* While stopping is set, running commands are killed and no others are started: ERR_CANCELED.
 * Callable from every thread. */
void secret_set_stopping(bool stopping);

/* Makes this process take a credential from here, since it was read with other rights, not from
 * $CREDENTIALS_DIRECTORY. The value is copied; NULL takes it back. At most 8 names. */
void secret_offer(const char *credential, const char *value);

/* The first line of a file in a folder of credentials; errors as in secret_read(). */
enum err secret_read_credential(
        const char *folder, const char *credential, char **out, struct fault *fault);

/* As secret_read() with another time limit, for tests. */
enum err secret_read_within(const struct config_secret *secret, const char *credential,
        int64_t timeout_ms, char **out, struct fault *fault);
