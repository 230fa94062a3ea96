/*
 * cmd_check.c - see cmd_check.h.
 */
#include "bot/setup/cmd_check.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/setup/check.h"
#include "bot/setup/credentials.h"

#define REPORT_MAX (64 * 1024)

/* Adds an error for each line of the report. */
static void tell_report(struct check *check, const char *path, const char *report)
{
	while (*report) {
		size_t len = strcspn(report, "\n");

		check_fault(check, EX_CONFIG, "config", "%.*s", (int)len, report);
		report += len + (report[len] == '\n');
	}
	if (access(path, R_OK) == 0)
		check_fix(check, "bot.conf.example shows every key with its default");
	else
		check_fix(check, errno == EACCES ? "run it as root: sudo matrix-telemetry-bot check"
		                                 : "matrix-telemetry-bot setup writes one");
}

static void look_at_all(struct check *check)
{
	check_user(check);
	check_token(check);
	check_files(check);
	check_homeserver(check);
	check_account(check);
	check_clock(check);
	check_rooms(check);
	check_device(check);
	check_database(check);
	check_spool(check);
	check_socket(check);
	check_call_monitor(check);
	check_watches(check);
	check_meta(check);
	check_daemon(check);
}

int cmd_check(const char *config_path, bool json)
{
	struct check check = {.exit_code = EX_OK};
	struct config *config;
	struct buf report;
	int code;

	buf_init(&report, REPORT_MAX);
	if (config_load(config_path, &config, &report) == OK) {
		check.config = config;
		credentials_gather(config);
		check_good(&check, "config", "%s", config_path);
		look_at_all(&check);
	} else {
		tell_report(&check, config_path, buf_str(&report));
	}
	check_print(&check, json, stdout);
	code = check.exit_code;
	ask_close(check.ask);
	check_finish(&check);
	credentials_forget();
	config_unref(config);
	buf_finish(&report);
	return code;
}
