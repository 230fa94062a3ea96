/*
 * value_check.c - see value_check.h.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "bot/base/alloc.h"
#include "bot/base/argv.h"
#include "bot/config/value_check.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define SPACES " \t\r\n"

#define ID_MAX 255           /* bytes of a Matrix id */
#define PLACEHOLDER_MAX 2000 /* largest N of {field:N} */

static bool value_check_consists_of(const char *text, const char *allowed)
{
	return *text && !text[strspn(text, allowed)];
}

bool check_name(const char *name, size_t max)
{
	return value_check_consists_of(name, LETTERS DIGITS "_.-") && strlen(name) <= max;
}

static enum err check_user(const char *text, bool room_too, struct fault *fault)
{
	const char *colon = strchr(text, ':');

	if (room_too &&
	        (strcmp(text, "room") == 0 ||
	                (strncmp(text, CONFIG_ONCALL_PREFIX, strlen(CONFIG_ONCALL_PREFIX)) == 0 &&
	                        strlen(text) > strlen(CONFIG_ONCALL_PREFIX))))
		return OK;
	if (text[0] == '@' && colon && colon > text + 1 && colon[1] && strlen(text) <= ID_MAX &&
	        !strpbrk(text, SPACES))
		return OK;
	return fault_set(fault, ERR_CONFIG, "must be %s such as @name:example.org",
	        room_too ? "\"room\" or user ids" : "a user id");
}

/* Whether a host follows the scheme. */
static bool is_url(const char *text)
{
	size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
	                : strncmp(text, "http://", 7) == 0 ? 7
	                                                   : 0;

	return scheme > 0 && text[scheme] && !strchr("/?#:{", text[scheme]) &&
	       !strpbrk(text, SPACES);
}

static enum err check_server(const char *text, struct fault *fault)
{
	if (strstr(text, "://") ? is_url(text)
	                        : value_check_consists_of(text, LETTERS DIGITS ".-:[]"))
		return OK;
	return fault_set(fault, ERR_CONFIG,
	        "must be a server name such as example.org, or a URL with https://");
}

/* Checks the placeholders: {name}, {name:N}, {{ and }}. */
static enum err check_template(const char *text, struct fault *fault)
{
	while ((text = strpbrk(text, "{}"))) {
		size_t len;

		if (text[1] == text[0]) {
			text += 2;
			continue;
		}
		len = strspn(text + 1, LETTERS DIGITS "_.-");
		if (*text == '}' || len == 0)
			return fault_set(fault, ERR_CONFIG,
			        "has a single brace: {field} and {field:200} stand for values, {{ "
			        "and }} for "
			        "braces");
		text += 1 + len;
		if (*text == ':') {
			char *end;
			long points = strtol(text + 1, &end, 10);

			if (text[1] < '0' || text[1] > '9' || points < 1 ||
			        points > PLACEHOLDER_MAX)
				return fault_set(fault, ERR_CONFIG,
				        "has a placeholder whose length is not from 1 to %d",
				        PLACEHOLDER_MAX);
			text = end;
		}
		if (*text != '}')
			return fault_set(fault, ERR_CONFIG, "has a placeholder without its end }");
		text++;
	}
	return OK;
}

static enum err check_link(const char *text, struct fault *fault)
{
	if (!is_url(text))
		return fault_set(
		        fault, ERR_CONFIG, "must begin with https:// or http:// and a host");
	return check_template(text, fault);
}

static enum err check_time(const char *text, struct fault *fault)
{
	if (strlen(text) == 5 && strspn(text, DIGITS) == 2 && text[2] == ':' &&
	        value_check_consists_of(text + 3, DIGITS) && atoi(text) <= 23 &&
	        atoi(text + 3) <= 59)
		return OK;
	return fault_set(fault, ERR_CONFIG, "must be a time of day such as 09:00");
}

static enum err check_zone(const char *text, struct fault *fault)
{
	const char *given = getenv("TZDIR"), *folder = given ? given : "/usr/share/zoneinfo";
	struct stat st;
	char *path;
	bool known;

	if (strcmp(text, "UTC") == 0)
		return OK;
	if (stat(folder, &st) != 0)
		return fault_set(fault, ERR_CONFIG,
		        "there are no time zones in %s: install the package tzdata", folder);
	path = x_asprintf("%s/%s", folder, text);
	known = value_check_consists_of(text, LETTERS DIGITS "_+-/") && stat(path, &st) == 0 &&
	        S_ISREG(st.st_mode);
	free(path);
	return known ? OK
	             : fault_set(fault, ERR_CONFIG,
	                       "must be a time zone of this system such as Europe/Madrid");
}

static enum err check_listen(const char *text, struct fault *fault)
{
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[' && colon && colon[-1] == ']';

	if (colon && colon > text && value_check_consists_of(colon + 1, DIGITS) &&
	        strlen(colon + 1) <= 5 && atoi(colon + 1) >= 1 && atoi(colon + 1) <= 65535 &&
	        !strpbrk(text, SPACES) && (bracketed || strchr(text, ':') == colon))
		return OK;
	return fault_set(fault, ERR_CONFIG, "must be ADDRESS:PORT such as 127.0.0.1:9400");
}

static bool is_identifier(const char *text, size_t len)
{
	return len > 0 && len <= 64 && strspn(text, LETTERS DIGITS "_") >= len &&
	       !strchr(DIGITS, text[0]);
}

static enum err check_columns(const char *text, struct fault *fault)
{
	static const char *const ours[] = {
	        "at", "at_ms", "what", "room", "duration_ms", "result", "error", "event_id"};

	while (*(text += strspn(text, "," SPACES))) {
		size_t len = strcspn(text, "," SPACES);
		size_t name = strcspn(text, "=," SPACES);
		size_t i;

		for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			if (strlen(ours[i]) == name && strncmp(text, ours[i], name) == 0)
				break;
		if (i == sizeof(ours) / sizeof(ours[0]) ||
		        (name < len && !is_identifier(text + name + 1, len - name - 1)))
			return fault_set(fault, ERR_CONFIG,
			        "must be a list of OURS or OURS=THEIRS, where OURS is one of at, "
			        "at_ms, what, "
			        "room, duration_ms, result, error, event_id and THEIRS a column");
		text += len;
	}
	return OK;
}

bool check_address(const char *text)
{
	size_t len = strlen(text);
	const char *colon = strchr(text, ':');

	return (text[0] == '#' || text[0] == '!') && len >= 2 && len <= ID_MAX &&
	       !strpbrk(text, SPACES) && (text[0] == '!' || (colon && colon[1]));
}

static enum err check_argv(const char *text, struct fault *fault)
{
	struct fault why = {0};
	char **words;

	if (argv_split(text, &words, &why) != OK)
		return fault_set(fault, ERR_CONFIG,
		        "%s; it is split into words by quotes, and no "
		        "shell reads it",
		        why.text);
	argv_free(words);
	return OK;
}

static enum err check_group(const char *text, struct fault *fault)
{
	uint32_t id;

	return check_id(text, true, &id, fault);
}

enum err check_text(const char *text, const struct option *option, struct fault *fault)
{
	int index;

	if (!*text)
		return fault_set(fault, ERR_CONFIG, "must not be empty");
	switch (option->type) {
	case OPTION_TEMPLATE:
		return check_template(text, fault);
	case OPTION_LINK:
		return check_link(text, fault);
	case OPTION_CHOICE:
		return check_choice(text, option->choices, &index, fault);
	case OPTION_USER:
	case OPTION_USERS:
		return check_user(text, false, fault);
	case OPTION_MENTION:
		return check_user(text, true, fault);
	case OPTION_TIME:
		return check_time(text, fault);
	case OPTION_ZONE:
		return check_zone(text, fault);
	case OPTION_SERVER:
		return check_server(text, fault);
	case OPTION_URL:
		return is_url(text) ? OK
		                    : fault_set(fault, ERR_CONFIG,
		                              "must be a URL with https:// or http://");
	case OPTION_ADDRESS:
		return check_address(text)
		               ? OK
		               : fault_set(fault, ERR_CONFIG,
		                         "must be an alias such as #name:example.org or a room id "
		                         "such as !id:example.org");
	case OPTION_ARGV:
		return check_argv(text, fault);
	case OPTION_LISTEN:
		return check_listen(text, fault);
	case OPTION_TABLE:
		return is_identifier(text, strlen(text))
		               ? OK
		               : fault_set(fault, ERR_CONFIG,
		                         "must be a name of letters, digits and _");
	case OPTION_COLUMNS:
		return check_columns(text, fault);
	case OPTION_GROUP:
		return check_group(text, fault);
	default:
		return OK;
	}
}

enum err check_number(
        const char *text, const struct option *option, double *number, struct fault *fault)
{
	bool whole = option->type != OPTION_REAL;
	char *end;

	*number = strtod(text, &end);
	/* strtod() alone would accept "inf", "0x1p3" and leading spaces */
	if (!value_check_consists_of(text, whole ? DIGITS "-" : DIGITS "-.e") || *end ||
	        strlen(text) > 18)
		return fault_set(
		        fault, ERR_CONFIG, whole ? "must be a whole number" : "must be a number");
	if (*number < option->min || *number > option->max)
		return fault_set(
		        fault, ERR_CONFIG, "must be from %g to %g", option->min, option->max);
	return OK;
}

enum err check_choice(const char *text, const char *choices, int *index, struct fault *fault)
{
	char list[128] = "";
	size_t used = 0;

	*index = 0;
	for (const char *at = choices; *at; (*index)++) {
		size_t len = strcspn(at, "|");

		if (strlen(text) == len && strncmp(text, at, len) == 0)
			return OK;
		used += (size_t)snprintf(
		        list + used, sizeof(list) - used, "%s%.*s", used ? ", " : "", (int)len, at);
		at += len + (at[len] == '|');
	}
	return fault_set(fault, ERR_CONFIG, "must be one of %s", list);
}

enum err check_id(const char *word, bool group, uint32_t *id, struct fault *fault)
{
	if (value_check_consists_of(word, DIGITS)) {
		unsigned long long number = strtoull(word, NULL, 10);

		*id = (uint32_t)number;
		/* the highest number means "none" in system calls */
		if (strlen(word) <= 10 && number < UINT32_MAX)
			return OK;
		return fault_set(fault, ERR_CONFIG, "has an id that is too large");
	}
	if (group) {
		const struct group *gr = getgrnam(word);

		*id = gr ? gr->gr_gid : 0;
		return gr ? OK : fault_set(fault, ERR_CONFIG, "there is no group %.64s", word);
	}
	const struct passwd *pw = getpwnam(word);

	*id = pw ? pw->pw_uid : 0;
	return pw ? OK : fault_set(fault, ERR_CONFIG, "there is no user %.64s", word);
}
