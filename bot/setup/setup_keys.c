/*
 * setup_keys.c - part of `setup`: the keys for encrypted rooms, made by a child process that
 * switches to the rights of the daemon's user, and the recovery key, shown once.
 *
 * An account that has cross-signing keys already must sign this device with them, or get new ones:
 * which of it is the user's decision, since new ones cannot be taken back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/config/secret.h"
#include "bot/setup/device_state.h"
#include "bot/setup/login.h"
#include "bot/setup/question.h"
#include "bot/setup/setup.h"

#define TOLD_BYTES 1024
#define TRIES 3 /* attempts to type the recovery key or the password */

/* ---- making them ---- */

/* In the child, which does not use the parent's connections. Writes the recovery key on the first
 * line, the note on the others. Returns whether the account's keys are still foreign. */
static bool setup_make_keys(const struct setup *setup, const struct login_keys_wish *wish, int to)
{
	struct login login = {.command = "setup", .config = setup->config, .wish = *wish};
	struct fault fault = {0};
	bool foreign;

	log_setup(LOG_WARNING, setup->config->log.format);
	login.token = x_strdup(setup->token);
	login.device_id = x_strdup(setup->device_id);
	login.password = x_strdup_opt(setup->password);
	if (ask_open(&login.ask, setup->config, &fault) == OK)
		login_make_keys(&login);
	dprintf(to, "%s\n%s", login.keys.recovery_key ? login.keys.recovery_key : "",
	        login.keys.note ? login.keys.note : fault.text);
	foreign = login.keys.foreign;
	ask_close(login.ask);
	login_finish(&login);
	return foreign;
}

/* told: the note is for the user to read, and not one that a question follows. */
static void setup_tell_keys(char *told, bool tells_note)
{
	struct login_keys keys = {0};
	char *end = strchr(told, '\n');

	if (!end)
		return;
	*end = '\0';
	keys.recovery_key = *told ? told : NULL;
	keys.note = end[1] && tells_note ? end + 1 : NULL;
	fflush(stdout);
	login_tell_keys(&keys);
}

/* Returns whether the account has keys that are not in the database. */
static bool setup_run_child(struct setup *setup, const struct login_keys_wish *wish)
{
	bool wished = wish->recovery || wish->reset, foreign = false, shown;
	char told[TOLD_BYTES] = "", *ignored = NULL;
	size_t len = 0;
	ssize_t count;
	int ends[2], status = 0;
	pid_t pid;

	if (pipe(ends) != 0)
		return false;
	if (setup_uses_units(setup)) /* the running daemon has locked the database */
		setup_systemctl("stop", SETUP_SERVICE);
	question_begin("%s", wish->reset      ? "Creating new cross-signing keys"
	                     : wish->recovery ? "Signing this device"
	                                      : "Creating the keys for encrypted rooms");
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		_exit(setup_make_keys(setup, wish, ends[1]));
	}
	close(ends[1]);
	while (pid > 0 && len < sizeof(told) - 1 &&
	        ((count = read(ends[0], told + len, sizeof(told) - 1 - len)) > 0 ||
	                (count < 0 && errno == EINTR)))
		len += count > 0 ? (size_t)count : 0;
	close(ends[0]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		foreign = WIFEXITED(status) && WEXITSTATUS(status) == 1;
	shown = told[0] && told[0] != '\n';
	question_end(foreign           ? wished ? "failed" : "the account has some already"
	             : shown || wished ? "done"
	                               : "");
	setup_tell_keys(told, !foreign || wished);
	if (shown && setup->asks)
		question_text("Press Enter when you have written it down", NULL, &ignored, NULL);
	free(ignored);
	explicit_bzero(told, sizeof(told));
	return foreign;
}

/* ---- keys that are there already ---- */

/* Says what becomes of it, and asks whether it is wanted all the same. */
static int setup_ask_reset(struct setup *setup, struct login_keys_wish *wish)
{
	struct fault fault = {0};

	printf("New cross-signing keys replace those of %s for good: everybody who verified it is\n"
	       "warned that its identity changed, its other devices are no longer signed, and its\n"
	       "present recovery key stops working.\n",
	        setup->config->matrix.user);
	if (question_yes("Replace them?", false, &wish->reset, &fault) != OK)
		return setup_fail(EX_NOINPUT, "%s", fault.text);
	return wish->reset ? setup_get_password(setup) : EX_OK;
}

/* Asks what to do. *recovery: the key that was typed, owned by the caller, who wipes it; a wish
 * without anything in it: continue without. */
static int setup_ask_wish(struct setup *setup, struct login_keys_wish *wish, char **recovery)
{
	struct fault fault = {0};
	char *answer = NULL;
	int code = EX_OK;

	*wish = (struct login_keys_wish){0};
	printf("%s has cross-signing keys already, which have not signed this device (%s).\n"
	       "Until it is signed, clients that trust only signed devices could not read it, and "
	       "encrypted rooms\nare on hold.\n"
	       "  key    sign it, with the account's recovery key or passphrase\n"
	       "  reset  create new cross-signing keys, with the account's password\n"
	       "  none   continue without\n",
	        setup->config->matrix.user, setup->device_id);
	while (code == EX_OK && !wish->recovery && !wish->reset) {
		if (question_text("key, reset or none", "key", &answer, &fault) != OK)
			return setup_fail(EX_NOINPUT, "%s", fault.text);
		if (strcmp(answer, "key") == 0)
			code = setup_ask_secret("Recovery key or passphrase: ", recovery);
		else if (strcmp(answer, "reset") == 0)
			code = setup_ask_reset(setup, wish);
		wish->recovery = *recovery;
		if (strcmp(answer, "none") == 0) {
			free(answer);
			break;
		}
		free(answer);
	}
	return code;
}

/* What the options or the config wish. */
static int setup_given_wish(struct setup *setup, struct login_keys_wish *wish, char **recovery)
{
	struct fault fault = {0};
	int code = EX_OK;

	wish->reset = setup->options.reset_identity;
	if (setup->options.recovery_file)
		code = setup_read_secret(setup->options.recovery_file, "recovery key", recovery);
	else if (wish->reset)
		code = setup_get_password(setup);
	else
		secret_read(
		        &setup->config->encryption.recovery_key, "recovery_key", recovery, &fault);
	wish->recovery = *recovery;
	return code;
}

/* Whether the account has keys that have not signed this device, as far as the homeserver shows. */
static bool setup_device_is_unsigned(struct setup *setup)
{
	struct ask_answer answer;
	enum device_state state = DEVICE_WITHOUT_KEYS;

	device_state_ask(setup->ask, setup->config->matrix.user, setup->device_id, &answer, &state);
	ask_answer_finish(&answer); /* `check` reports an error */
	if (state == DEVICE_SIGNED)
		printf("Keys for encrypted rooms … device %s is signed\n", setup->device_id);
	return state == DEVICE_UNSIGNED;
}

int setup_keys(struct setup *setup)
{
	struct login_keys_wish wish = {0};
	char *recovery = NULL;
	bool foreign = !setup->fresh_token && setup_device_is_unsigned(setup);
	int code = EX_OK, tries = 0;

	if (!setup->fresh_token && !foreign)
		return EX_OK;
	code = setup_given_wish(setup, &wish, &recovery);
	if (code == EX_OK && (setup->fresh_token || wish.recovery || wish.reset))
		foreign = setup_run_child(setup, &wish);
	while (code == EX_OK && foreign && setup->asks && tries++ < TRIES) {
		x_wipe_free_str(recovery);
		recovery = NULL;
		code = setup_ask_wish(setup, &wish, &recovery);
		if (code != EX_OK || (!wish.recovery && !wish.reset))
			break;
		foreign = setup_run_child(setup, &wish);
		if (foreign && wish.reset)
			setup_forget_password(setup); /* it may be a wrong one */
	}
	x_wipe_free_str(recovery);
	if (code == EX_OK && foreign && (wish.recovery || wish.reset))
		return setup_fail(EX_DATAERR, "this device could not be signed");
	if (code == EX_OK && foreign)
		printf("Encrypted rooms: on hold, since %s has not signed this device; to change "
		       "that, run setup again,\nor give --recovery-key-file or --reset-identity.\n",
		        setup->config->matrix.user);
	setup_forget_password(setup);
	return code;
}
