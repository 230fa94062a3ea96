/*
 * validate.c - see validate.h.
 */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/zone.h"
#include "bot/base/matcher.h"
#include "bot/base/text.h"
#include "bot/config/validate.h"

#define SOCKET_PATH_MAX 107 /* bytes of sun_path without the final NUL */

struct check {
	struct config *config;
	struct source *source;
};

#define FAULT_AT(check, section, key, ...) \
	source_fault((check)->source, source_line((check)->source, section, key), __VA_ARGS__)

/* --- rooms ---------------------------------------------------------------------------------- */

/* The first room of equal address: all names of an address mean that one. */
static const char *first_name(const struct config *config, const struct config_room *room)
{
	size_t i;

	for (i = 0; strcmp(config->rooms[i].address, room->address) != 0; i++)
		;
	return config->rooms[i].name;
}

static void suggest_room(const struct config *config, const char *wanted, char *out, size_t size)
{
	unsigned best = 4;

	out[0] = '\0';
	for (size_t i = 0; i < config->rooms_len; i++) {
		unsigned distance = text_distance(wanted, config->rooms[i].name);

		if (distance < best && distance <= strlen(wanted) / 2) {
			best = distance;
			snprintf(out, size, "; did you mean %s?", config->rooms[i].name);
		}
	}
}

/* Looks a room's name up and replaces it by the first name of that room. */
static void validate_check_room(
        struct check *check, const char *section, const char *key, char **name)
{
	const struct config_room *room;
	char hint[96];

	if (!*name)
		return;
	room = config_room(check->config, *name);
	if (!room) {
		suggest_room(check->config, *name, hint, sizeof(hint));
		FAULT_AT(check, section, key, "[%s] %s: there is no %s in [rooms]%s", section, key,
		        *name, hint);
		return;
	}
	char *first = x_strdup(first_name(check->config, room));

	free(*name);
	*name = first;
}

static void fill_route(struct check *check, enum severity severity)
{
	struct config *config = check->config;
	const char *usual = severity == SEVERITY_CRITICAL ? "ops" : "dev";

	if (config->route[severity])
		return;
	if (config_room(config, usual))
		config->route[severity] = x_strdup(usual);
	else if (config->rooms_len == 1)
		config->route[severity] = x_strdup(config->rooms[0].name);
	else if (config->rooms_len > 1)
		FAULT_AT(check, "route", NULL,
		        "[route] %s is missing: there is no %s in [rooms], and more than one room",
		        severity_name(severity), usual);
}

static void check_rooms(struct check *check)
{
	struct config *config = check->config;
	char *section;

	if (config->rooms_len == 0)
		FAULT_AT(check, "rooms", NULL,
		        "[rooms] has no room: at least one is needed, such as ops = "
		        "#alerts:example.org");
	for (int s = 0; s < SEVERITY_COUNT; s++) {
		fill_route(check, (enum severity)s);
		validate_check_room(
		        check, "route", severity_name((enum severity)s), &config->route[s]);
		for (size_t i = 0; i < config->apps_len; i++) {
			section = x_asprintf("app %s", config->apps[i].name);
			validate_check_room(check, section, severity_name((enum severity)s),
			        &config->apps[i].route[s]);
			free(section);
		}
	}
	if (!config->heartbeat.room)
		config->heartbeat.room = x_strdup_opt(config->route[SEVERITY_CRITICAL]);
	else
		validate_check_room(check, "heartbeat", "room", &config->heartbeat.room);
	validate_check_room(check, "meta", "room", &config->meta.room);
	for (size_t i = 0; config->commands.rooms[i]; i++)
		validate_check_room(check, "commands", "rooms", &config->commands.rooms[i]);
}

/* --- secrets and accounts ------------------------------------------------------------------- */

static void check_secret(struct check *check, const char *section, const char *name,
        const struct config_secret *secret)
{
	char *key;

	if (!secret->command || !secret->file)
		return;
	key = x_asprintf("%s_file", name);
	FAULT_AT(check, section, key, "[%s] %s_command and %s: only one of the two", section, name,
	        key);
	free(key);
}

/* A key that is there with an invalid value is reported already. */
static void check_given(struct check *check, const void *value, const char *section,
        const char *key, const char *of)
{
	if (!value && !source_has(check->source, section, key))
		FAULT_AT(check, section, NULL, "[%s] %s%s is missing", section, key, of);
}

static void check_accounts(struct check *check)
{
	const struct config *config = check->config;
	bool second = config->meta.homeserver || config->meta.user || config->meta.token.command ||
	              config->meta.token.file;

	check_given(check, config->matrix.homeserver, "matrix", "homeserver", "");
	check_given(check, config->matrix.user, "matrix", "user", "");
	check_secret(check, "matrix", "token", &config->matrix.token);
	check_secret(check, "encryption", "pickle_key", &config->encryption.pickle_key);
	check_secret(check, "meta", "token", &config->meta.token);
	if (second)
		check_given(check, config->meta.homeserver, "meta", "homeserver",
		        " of the second account");
	if (second)
		check_given(check, config->meta.user, "meta", "user", " of the second account");
	if (second && !config->meta.token.command && !config->meta.token.file)
		FAULT_AT(check, "meta", NULL,
		        "[meta] token_command or token_file of the second account is missing");
}

/* --- everything else ------------------------------------------------------------------------ */

static void check_watches(struct check *check)
{
	const struct config *config = check->config;

	for (size_t i = 0; i < config->watches_len; i++) {
		const struct config_watch *watch = &config->watches[i];
		char *section = x_asprintf("watch %s", watch->name);

		check_given(check, watch->database, section, "database", "");
		check_given(check, watch->sql, section, "sql", "");
		if (!config_kind(config, watch->kind))
			FAULT_AT(check, section, "kind",
			        "[%s] kind: there is no kind %s, neither built-in nor as [kind %s]",
			        section, watch->kind, watch->kind);
		free(section);
	}
}

static int by_after(const void *a, const void *b)
{
	const struct config_escalate *x = a, *y = b;

	return (x->after_ms > y->after_ms) - (x->after_ms < y->after_ms);
}

/* Checks that the on-call schedules mentioned exist. */
static void check_mention(struct check *check, const char *section, char *const *mention)
{
	size_t len = strlen(CONFIG_ONCALL_PREFIX);

	for (size_t i = 0; mention[i]; i++)
		if (strncmp(mention[i], CONFIG_ONCALL_PREFIX, len) == 0 &&
		        !config_oncall(check->config, mention[i] + len))
			FAULT_AT(check, section, "mention", "[%s] mention: there is no [oncall %s]",
			        section, mention[i] + len);
}

static void check_escalates(struct check *check)
{
	struct config *config = check->config;

	for (size_t i = 0; i < config->escalates_len; i++) {
		char *section = x_asprintf("escalate %s", config->escalates[i].name);

		validate_check_room(check, section, "room", &config->escalates[i].room);
		check_mention(check, section, config->escalates[i].mention);
		if (!config->escalates[i].mention[0] && !config->escalates[i].room)
			FAULT_AT(check, section, NULL, "[%s] needs mention or room: whom to tell",
			        section);
		free(section);
	}
	if (config->escalates_len > 1)
		qsort(config->escalates, config->escalates_len, sizeof(*config->escalates),
		        by_after);
}

/* Parses "mon" or "mon-fri" into *days; false: it is neither. */
static bool read_days(const char *word, unsigned *days)
{
	static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
	int first = -1, last = -1;

	for (int i = 0; i < 7; i++) {
		if (strncasecmp(word, names[i], 3) == 0)
			first = i;
		if (strlen(word) == 7 && strcasecmp(word + 4, names[i]) == 0)
			last = i;
	}
	if (strlen(word) == 3)
		last = first;
	else if (strlen(word) != 7 || word[3] != '-')
		return false;
	if (first < 0 || last < 0)
		return false;
	for (int i = first;; i = (i + 1) % 7) {
		*days |= 1u << i;
		if (i == last)
			return true;
	}
}

static bool read_turns(struct config_oncall *oncall)
{
	char *const *words = oncall->rotate;
	unsigned days = 0;
	const char *at;

	oncall->weekly = words[0] && strcasecmp(words[0], "weekly") == 0;
	if (!words[0] || (!oncall->weekly && strcasecmp(words[0], "daily") != 0))
		return false;
	if (oncall->weekly && (!words[1] || strlen(words[1]) != 3 || !read_days(words[1], &days)))
		return false;
	while (oncall->weekly && !(days & 1u << oncall->weekday))
		oncall->weekday++;
	at = words[1] ? words[1 + oncall->weekly] : NULL;
	if (!at || words[2 + oncall->weekly] || strlen(at) != 5 || at[2] != ':' ||
	        strspn(at, "0123456789:") != 5)
		return false;
	oncall->hour = atoi(at);
	oncall->minute = atoi(at + 3);
	return oncall->hour <= 23 && oncall->minute <= 59;
}

static bool validate_read_from(struct config_oncall *oncall)
{
	struct zone_time date;
	int end = 0;

	if (sscanf(oncall->from, "%4d-%2d-%2d%n", &oncall->year, &oncall->month, &oncall->day,
	            &end) != 3 ||
	        oncall->from[end] || oncall->year < 1970)
		return false;
	zone_civil(oncall->year, oncall->month, oncall->day, 0, 0, &date);
	return date.month == oncall->month && date.day == oncall->day;
}

static void check_oncalls(struct check *check)
{
	struct config *config = check->config;

	for (size_t i = 0; i < config->oncalls_len; i++) {
		struct config_oncall *oncall = &config->oncalls[i];
		char *section = x_asprintf("oncall %s", oncall->name);

		oncall->rotates = oncall->rotate[0] != NULL;
		if (!oncall->users[0])
			FAULT_AT(check, section, NULL, "[%s] users: who is on call?", section);
		if (oncall->rotates && !read_turns(oncall))
			FAULT_AT(check, section, "rotate",
			        "[%s] rotate: must be like weekly mon 09:00 or daily 08:00",
			        section);
		if (oncall->rotates && (!oncall->from || !validate_read_from(oncall)))
			FAULT_AT(check, section, "from",
			        "[%s] from: must be a date such as 2026-12-07", section);
		if (!oncall->room)
			oncall->room = x_strdup_opt(config->route[SEVERITY_CRITICAL]);
		else
			validate_check_room(check, section, "room", &oncall->room);
		free(section);
	}
	for (int i = 0; i < SEVERITY_COUNT; i++) {
		char *section = x_asprintf("severity %s", severity_name((enum severity)i));

		check_mention(check, section, config->severity[i].mention);
		free(section);
	}
}

/* Checks the matchers; a bare word is the name of an app. */
static void check_what(struct check *check, const char *section, struct config_quiet *quiet)
{
	char why[160], *full;

	if (!quiet->what)
		return;
	if (!strpbrk(quiet->what, "=~ ,\"")) {
		full = x_asprintf("app=\"%s\"", quiet->what);
		free(quiet->what);
		quiet->what = full;
	}
	if (matchers_parse(quiet->what, &quiet->matchers, why) != OK)
		FAULT_AT(check, section, "what", "[%s] what: %s", section, why);
}

static void check_quiets(struct check *check)
{
	size_t k;

	for (size_t i = 0; i < check->config->quiets_len; i++) {
		struct config_quiet *quiet = &check->config->quiets[i];
		char *section = x_asprintf("quiet %s", quiet->name);

		check_what(check, section, quiet);
		for (k = 0; quiet->days[k]; k++)
			if (!read_days(quiet->days[k], &quiet->weekdays))
				FAULT_AT(check, section, "days",
				        "[%s] days: %s is neither a day such as mon nor a range "
				        "such as mon-fri",
				        section, quiet->days[k]);
		if (k == 0)
			FAULT_AT(check, section, "days", "[%s] days: no day is given", section);
		if (!quiet->from || !quiet->to)
			FAULT_AT(check, section, NULL, "[%s] needs from and to", section);
		else if (strcmp(quiet->from, quiet->to) == 0)
			FAULT_AT(check, section, "to", "[%s] to: it would have no end", section);
		free(section);
	}
}

static void fill_spool(struct config *config)
{
	char *database;

	if (config->storage.spool)
		return;
	database = x_strdup(config->storage.database);
	config->storage.spool = x_asprintf("%s/spool", dirname(database));
	free(database);
}

void validate_config(struct config *config, struct source *source)
{
	struct check check = {config, source};

	check_accounts(&check);
	check_rooms(&check);
	check_escalates(&check);
	check_oncalls(&check);
	check_quiets(&check);
	check_watches(&check);
	if (strlen(config->socket.path) > SOCKET_PATH_MAX)
		FAULT_AT(&check, "socket", "path", "[socket] path is over %d bytes long",
		        SOCKET_PATH_MAX);
	if (config->call_monitor.calls_table && !config->call_monitor.database)
		FAULT_AT(&check, "call_monitor", "calls_table",
		        "[call_monitor] calls_table: database is missing");
	fill_spool(config);
}
