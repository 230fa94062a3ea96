/*
 * credentials.c - see credentials.h. What cannot be read counts as missing: a command says itself
 * what it misses.
 */
#include "bot/setup/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/config/secret.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define CONFIG "/etc/matrix-telemetry-bot/bot.conf"
#define RUNNING "/run/credentials/matrix-telemetry-bot.service"

static const char *const names[] = {"token", "pickle_key", "password", "recovery_key"};
static const char *const stores[] = {"/etc/credstore", "/run/credstore"};

/* One made by `systemd-creds encrypt`, if the unit loads it. */
static enum err credentials_decrypt(const char *name, char **out, struct fault *fault)
{
	struct config_secret secret = {0};
	enum err err;

	secret.command = x_asprintf(
	        "f=/etc/credstore.encrypted/matrix-telemetry-bot.%s; test -e $f || exit 1; "
	        "systemctl cat matrix-telemetry-bot.service | "
	        "grep -q ^LoadCredentialEncrypted=%s: && systemd-creds decrypt --name=%s $f -",
	        name, name, name);
	err = secret_read(&secret, name, out, fault);
	free(secret.command);
	return err;
}

static enum err credentials_read(const char *name, char **out)
{
	char *stored = x_asprintf("matrix-telemetry-bot.%s", name);
	struct fault fault = {0};
	enum err err = secret_read_credential(RUNNING, name, out, &fault);

	for (size_t i = 0; i < LEN(stores) && err != OK; i++)
		err = secret_read_credential(stores[i], stored, out, &fault);
	free(stored);
	return err == OK ? OK : credentials_decrypt(name, out, &fault);
}

void credentials_gather(const struct config *config)
{
	if (geteuid() != 0 || getenv("CREDENTIALS_DIRECTORY") || strcmp(config->path, CONFIG) != 0)
		return;
	for (size_t i = 0; i < LEN(names); i++) {
		char *value = NULL;

		if (credentials_read(names[i], &value) == OK)
			secret_offer(names[i], value);
		x_wipe_free_str(value);
	}
}

void credentials_forget(void)
{
	for (size_t i = 0; i < LEN(names); i++)
		secret_offer(names[i], NULL);
}
