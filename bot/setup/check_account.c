/*
 * check_account.c - part of `check`: the token, the homeserver, the token's account, the clock.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/setup/check.h"
#include "bot/config/secret.h"
#include "bot/base/exit_code.h"

#define SKEW_MS (30 * CLOCK_SECOND_MS) /* the header Date has whole seconds */

void check_token(struct check *check)
{
	const struct config_secret *secret = &check->config->matrix.token;
	struct fault fault = {0};

	if (secret_read(secret, "token", &check->token, &fault) == OK) {
		check_good(check, "access token", "from %s",
		        secret->command ? "token_command"
		        : secret->file  ? secret->file
		                        : "systemd's credential \"token\"");
		return;
	}
	check_fault(check, EX_CONFIG, "access token", "%s", fault.text);
	if (fault.code == ERR_NOT_FOUND)
		check_fix(check,
		        secret->file
		                ? "run: matrix-telemetry-bot login"
		                : "run matrix-telemetry-bot setup; or set token_command or "
		                  "token_file in [matrix] and run: matrix-telemetry-bot login");
	else if (secret->command)
		check_fix(check, "try token_command in a shell, as the user the daemon runs as");
	else if (fault.code == ERR_DENIED)
		check_fix(check, "make the file belong to %s, with mode 600", check_user_name());
}

/* The proxy in use, without a password in its URL; owned by the caller, "" = none. */
static char *proxy_of(const struct config *config)
{
	const char *proxy = config->matrix.proxy, *scheme, *at;

	if (!proxy)
		proxy = getenv("https_proxy");
	if (!proxy || !proxy[0])
		return x_strdup("");
	scheme = strstr(proxy, "://");
	at = strrchr(proxy, '@');
	if (!at)
		return x_asprintf(", through the proxy %s", proxy);
	return x_asprintf(", through the proxy %.*s%s", scheme ? (int)(scheme - proxy) + 3 : 0,
	        proxy, at + 1);
}

void check_homeserver(struct check *check)
{
	char *proxy = proxy_of(check->config);
	struct fault fault = {0};

	if (ask_open(&check->ask, check->config, &fault) == OK) {
		check_good(check, "homeserver", "%s%s", ask_url(check->ask), proxy);
		free(proxy);
		return;
	}
	check_fault(check, exit_of(fault.code), "homeserver", "%s%s", fault.text, proxy);
	free(proxy);
	check_fix(check,
	        "check [matrix] homeserver, proxy and ca_file, and that %s can be reached from "
	        "here",
	        check->config->matrix.homeserver);
}

static void take_whoami(struct check *check, const json_t *body)
{
	const char *user = json_string_value(json_object_get(body, "user_id"));
	const char *device = json_string_value(json_object_get(body, "device_id"));

	if (!user || !device) {
		check_fault(check, EX_CONFIG, "account",
		        "the token does not belong to a user and a device");
		check_fix(check, "run: matrix-telemetry-bot login");
		return;
	}
	check->logged_in = true;
	check->user_id = x_strdup(user);
	check->device_id = x_strdup(device);
	if (strcmp(user, check->config->matrix.user) == 0) {
		check_good(check, "account", "%s, device %s", user, device);
		return;
	}
	check_fault(check, EX_CONFIG, "account", "the token belongs to %s, but [matrix] user is %s",
	        user, check->config->matrix.user);
	check_fix(check, "correct [matrix] user, or log in as %s: run matrix-telemetry-bot login",
	        check->config->matrix.user);
}

void check_account(struct check *check)
{
	struct ask_answer answer;

	if (!check->ask || !check->token)
		return;
	if (ask_set_token(check->ask, check->token) != OK) {
		check_fault(check, EX_CONFIG, "account", "what was read is not an access token");
		check_fix(check, "its source must give the token alone, on the first line");
		return;
	}
	ask_call(check->ask, "GET", "/v3/account/whoami", NULL, &answer);
	if (answer.code == OK) {
		take_whoami(check, answer.body);
	} else {
		check_fault(check, exit_of(answer.code), "account", "%s", answer.error);
		if (answer.code == ERR_AUTH)
			check_fix(check,
			        "the token is no longer valid; run: matrix-telemetry-bot login");
		else
			check_fix_later(check);
	}
	ask_answer_finish(&answer);
}

void check_clock(struct check *check)
{
	int64_t theirs_ms, ours_ms, skew_ms;
	struct fault fault = {0};
	char skew[32];

	if (!check->ask)
		return;
	if (ask_date(check->ask, &theirs_ms, &ours_ms, &fault) != OK) {
		check_warning(check, "clock", "%s", fault.text);
		return;
	}
	skew_ms = llabs(ours_ms - theirs_ms);
	clock_format_duration(skew_ms, skew, sizeof(skew));
	if (skew_ms <= SKEW_MS) {
		check_good(check, "clock", "agrees with the homeserver's");
		return;
	}
	check_fault(check, EX_UNAVAILABLE, "clock", "%s %s the homeserver's", skew,
	        ours_ms > theirs_ms ? "ahead of" : "behind");
	check_fix(check, "set the clock of this machine, for example: timedatectl set-ntp true");
}
