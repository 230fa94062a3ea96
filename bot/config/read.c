/*
 * read.c - see read.h.
 *
 * inih splits the lines into keys and values; each is looked up in the table of options. inih alone
 * would cut long lines and names, report only one bad line, and ignore what follows the "]" of a
 * section. Therefore all lines pass through on_line() first, which counts them and rejects such
 * lines. Errors are collected; reading continues.
 */
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "bot/config/options.h"
#include "bot/config/read.h"
#include "bot/config/value.h"
#include "bot/config/value_check.h"

#define LINE_BYTES (16 * 1024) /* of a line, including its end */
#define NAME_BYTES 48 /* of a section's name or a key: inih stores 49 bytes and cuts the rest */
#define ROOM_NAME_MAX 47
#define APP_NAME_MAX 64
#define SECTIONS_MAX 1024 /* sections of one kind, or rooms */
#define SUGGEST_MAX 3     /* largest edit distance of a suggestion */

struct reader {
	struct config *config;
	struct source *source;
	const char *text; /* the remaining text */
	const char *folder;
	unsigned line;
	bool indented; /* the current line is indented */
	bool fresh;    /* no key since the header of the section, so nothing to continue */
	bool skip;     /* the current section is invalid; errors in its keys are not reported */
	char *section; /* the current section */
	const char *pattern; /* of the current section */
	void *base;          /* the struct that it fills; NULL for [rooms] */
};

#define FAULT(reader, ...) source_fault((reader)->source, (reader)->line, __VA_ARGS__)

/* Appends a zeroed element to a list of struct config. */
#define LIST_ADD(list, len)                                         \
	((list) = x_realloc((list), ((len) + 1) * sizeof(*(list))), \
	        memset(&(list)[len], 0, sizeof(*(list))), &(list)[(len)++])

static void set_defaults(const char *pattern, void *base, const char *folder)
{
	for (size_t i = 0; i < config_options_len; i++) {
		const struct option *option = &config_options[i];

		if (strcmp(option->section, pattern) == 0 && option->fallback)
			(void)value_set(option, base, option->fallback, folder, NULL);
	}
}

/* --- sections with a name ------------------------------------------------------------------- */

static void *find_severity(struct reader *reader, const char *name)
{
	enum severity severity;

	if (!severity_parse(name, &severity)) {
		FAULT(reader, "[severity %s]: must be one of critical, warning, info", name);
		return NULL;
	}
	return &reader->config->severity[severity];
}

static bool has_room(struct reader *reader, size_t len)
{
	if (len >= SECTIONS_MAX)
		FAULT(reader, "more than %d sections of this kind", SECTIONS_MAX);
	return len < SECTIONS_MAX;
}

static void *find_app(struct reader *reader, const char *name)
{
	struct config *config = reader->config;
	struct config_app *app = (struct config_app *)config_app(config, name);

	if (app)
		return app;
	if (!check_name(name, APP_NAME_MAX)) {
		FAULT(reader, "[app %s]: a name has letters, digits, _ . and - only, at most %d",
		        name, APP_NAME_MAX);
		return NULL;
	}
	if (!has_room(reader, config->apps_len))
		return NULL;
	app = LIST_ADD(config->apps, config->apps_len);
	app->name = x_strdup(name);
	app->throttle_ms = app->resolve_after_ms = -1;
	set_defaults("app *", app, reader->folder);
	return app;
}

static void kind_set(struct config_kind *kind, const struct builtin_kind *from, const char *folder)
{
	kind->emoji = x_strdup_opt(from->emoji);
	kind->severity = from->severity;
	if (from->text)
		(void)value_set(option_find("kind *", "text"), kind, from->text, folder, NULL);
	(void)value_set(option_find("kind *", "identity"), kind, from->identity, folder, NULL);
}

/* The defaults of a kind added by the file; without a text of its own, its fields are shown. */
static const struct builtin_kind kind_plain = {"", NULL, NULL, SEVERITY_WARNING, "title"};

static void *find_kind(struct reader *reader, const char *name)
{
	struct config *config = reader->config;
	struct config_kind *kind = (struct config_kind *)config_kind(config, name);

	if (kind)
		return kind;
	if (!has_room(reader, config->kinds_len))
		return NULL;
	kind = LIST_ADD(config->kinds, config->kinds_len);
	kind->name = x_strdup(name);
	/* the last built-in kind is "message", whose text fits every alert */
	kind_set(kind, &kind_plain, reader->folder);
	return kind;
}

static void *find_webhook(struct reader *reader, const char *name)
{
	struct config *config = reader->config;
	struct config_webhook *webhook;

	for (size_t i = 0; i < config->webhooks_len; i++)
		if (strcmp(config->webhooks[i].name, name) == 0)
			return &config->webhooks[i];
	if (!check_name(name, APP_NAME_MAX)) { /* used as the app of its alerts, and in a URL */
		FAULT(reader,
		        "[webhook %s]: a name has letters, digits, _ . and - only, at most %d",
		        name, APP_NAME_MAX);
		return NULL;
	}
	if (!has_room(reader, config->webhooks_len))
		return NULL;
	webhook = LIST_ADD(config->webhooks, config->webhooks_len);
	webhook->name = x_strdup(name);
	set_defaults("webhook *", webhook, reader->folder);
	return webhook;
}

static void *find_watch(struct reader *reader, const char *name)
{
	struct config *config = reader->config;
	struct config_watch *watch;

	for (size_t i = 0; i < config->watches_len; i++)
		if (strcmp(config->watches[i].name, name) == 0)
			return &config->watches[i];
	if (!check_name(name, APP_NAME_MAX)) { /* used as the app of its alerts */
		FAULT(reader, "[watch %s]: a name has letters, digits, _ . and - only, at most %d",
		        name, APP_NAME_MAX);
		return NULL;
	}
	if (!has_room(reader, config->watches_len))
		return NULL;
	watch = LIST_ADD(config->watches, config->watches_len);
	watch->name = x_strdup(name);
	set_defaults("watch *", watch, reader->folder);
	return watch;
}

static void *find_escalate(struct reader *reader, const char *name)
{
	struct config *config = reader->config;
	struct config_escalate *step;

	for (size_t i = 0; i < config->escalates_len; i++)
		if (strcmp(config->escalates[i].name, name) == 0)
			return &config->escalates[i];
	if (!has_room(reader, config->escalates_len))
		return NULL;
	step = LIST_ADD(config->escalates, config->escalates_len);
	step->name = x_strdup(name);
	set_defaults("escalate *", step, reader->folder);
	return step;
}

static void *find_oncall(struct reader *reader, const char *name)
{
	struct config *config = reader->config;
	struct config_oncall *oncall = (struct config_oncall *)config_oncall(config, name);

	if (oncall)
		return oncall;
	if (!check_name(name, ROOM_NAME_MAX)) {
		FAULT(reader, "[oncall %s]: a name has letters, digits, _ . and - only, at most %d",
		        name, ROOM_NAME_MAX);
		return NULL;
	}
	if (!has_room(reader, config->oncalls_len))
		return NULL;
	oncall = LIST_ADD(config->oncalls, config->oncalls_len);
	oncall->name = x_strdup(name);
	set_defaults("oncall *", oncall, reader->folder);
	return oncall;
}

static void *find_quiet(struct reader *reader, const char *name)
{
	struct config *config = reader->config;
	struct config_quiet *quiet;

	for (size_t i = 0; i < config->quiets_len; i++)
		if (strcmp(config->quiets[i].name, name) == 0)
			return &config->quiets[i];
	if (!has_room(reader, config->quiets_len))
		return NULL;
	quiet = LIST_ADD(config->quiets, config->quiets_len);
	quiet->name = x_strdup(name);
	set_defaults("quiet *", quiet, reader->folder);
	return quiet;
}

static const struct {
	const char *pattern;
	void *(*find)(struct reader *reader, const char *name);
} named_sections[] = {
        {"severity *", find_severity},
        {"app *", find_app},
        {"kind *", find_kind},
        {"escalate *", find_escalate},
        {"oncall *", find_oncall},
        {"quiet *", find_quiet},
        {"watch *", find_watch},
        {"webhook *", find_webhook},
};

/* --- sections ------------------------------------------------------------------------------- */

/* The length of the first word of a section: "app" of [app NAME]. */
static size_t head_len(const char *section)
{
	return strcspn(section, " *");
}

/* Whether `wanted` is close to a name, and closer than *best, which is updated. At most half of a
 * short word may differ, or it would be close to everything. */
static bool is_nearer(const char *wanted, const char *name, size_t len, unsigned *best)
{
	char *head = x_strndup(name, len);
	unsigned distance = text_distance(wanted, head);
	bool nearer = distance < *best && distance <= len / 2;

	free(head);
	if (nearer)
		*best = distance;
	return nearer;
}

/* "; did you mean [x]?", or "" when no section is close. */
static void suggest_section(const char *wanted, char *out, size_t size)
{
	char *head = x_strndup(wanted, head_len(wanted));
	unsigned best = SUGGEST_MAX + 1;

	out[0] = '\0';
	for (size_t i = 0; i < config_sections_len; i++) {
		const char *name = config_sections[i].pattern;
		size_t len = head_len(name);

		if (is_nearer(head, name, len, &best))
			snprintf(out, size, "; did you mean [%.*s%s]?", (int)len, name,
			        name[len] ? " NAME" : "");
	}
	free(head);
}

/* The same for a key of a section. */
static void suggest_key(const char *wanted, const char *pattern, char *out, size_t size)
{
	unsigned best = SUGGEST_MAX + 1;

	out[0] = '\0';
	for (size_t i = 0; i < config_options_len; i++) {
		const char *name = config_options[i].key;

		if (strcmp(config_options[i].section, pattern) == 0 &&
		        is_nearer(wanted, name, strlen(name), &best))
			snprintf(out, size, "; did you mean %s?", name);
	}
}

static void take_section(struct reader *reader, const char *section)
{
	const char *name = strchr(section, ' ');
	char hint[96];

	reader->skip = false;
	reader->fresh = true;
	reader->base = reader->config;
	free(reader->section);
	reader->section = x_strdup(section);
	source_note(reader->source, section, NULL, reader->line);
	for (size_t i = 0; name && i < sizeof(named_sections) / sizeof(named_sections[0]); i++) {
		const char *pattern = named_sections[i].pattern;

		if (strncmp(section, pattern, strlen(pattern) - 1) != 0)
			continue;
		reader->pattern = pattern;
		name += strspn(name, " ");
		reader->base = *name ? named_sections[i].find(reader, name) : NULL;
		if (!*name)
			FAULT(reader, "[%s] needs a name", section);
		reader->skip = !reader->base;
		return;
	}
	for (size_t i = 0; i < config_sections_len; i++) {
		reader->pattern = config_sections[i].pattern;
		if (strcmp(section, reader->pattern) == 0)
			return;
	}
	reader->skip = true;
	suggest_section(section, hint, sizeof(hint));
	FAULT(reader, "there is no section [%s]%s", section, hint);
}

/* --- keys ----------------------------------------------------------------------------------- */

static void take_room(struct reader *reader, const char *name, const char *address)
{
	struct config *config = reader->config;
	struct config_room *room;

	if (!check_name(name, ROOM_NAME_MAX)) {
		FAULT(reader, "[rooms] %s: a name has letters, digits, _ . and - only, at most %d",
		        name, ROOM_NAME_MAX);
		return;
	}
	if (!check_address(address)) {
		FAULT(reader,
		        "[rooms] %s: must be an alias such as #name:example.org or a room id such "
		        "as "
		        "!id:example.org, not \"%s\"",
		        name, address);
		return;
	}
	if (!has_room(reader, config->rooms_len))
		return;
	room = LIST_ADD(config->rooms, config->rooms_len);
	room->name = x_strdup(name);
	room->address = x_strdup(address);
}

static void take_key(struct reader *reader, const char *section, const char *key, const char *text)
{
	const struct option *option = option_find(reader->pattern, key);
	struct fault fault = {0};
	char hint[96];
	unsigned before;

	if (!option) {
		suggest_key(key, reader->pattern, hint, sizeof(hint));
		FAULT(reader, "[%s] has no key %s%s", section, key, hint);
		return;
	}
	before = source_note(reader->source, section, key, reader->line);
	if (before > 0)
		FAULT(reader, "[%s] %s is given twice, first in line %u", section, key, before);
	else if (value_set(option, reader->base, text, reader->folder, &fault) != OK)
		FAULT(reader, *text ? "[%s] %s: %s, not \"%s\"" : "[%s] %s: %s", section, key,
		        fault.text, text);
}

static void take_more(struct reader *reader, const char *section, const char *key, const char *text)
{
	const struct option *option = option_find(reader->pattern, key);
	struct fault fault = {0};

	if (option && value_append(option, reader->base, text, &fault) != OK)
		FAULT(reader, "[%s] %s: %s", section, key, fault.text);
}

/* Callback of inih; 1 = continue. */
static int on_key(void *arg, const char *section, const char *key, const char *value)
{
	struct reader *reader = arg;
	bool more = reader->indented && !reader->fresh;
	unsigned before;

	if (!*section) {
		FAULT(reader, "\"%s\" stands before the first [section]", key);
		return 1;
	}
	reader->fresh = reader->fresh && !value;
	if (reader->skip)
		return 1;
	if (!reader->section || strcmp(reader->section, section) != 0) {
		FAULT(reader, "[%s] is not where it can be seen", section);
		return 1;
	}
	if (!value) {
		FAULT(reader, "\"%s\" is neither a [section] nor \"key = value\"", key);
	} else if (strlen(key) >= NAME_BYTES) {
		FAULT(reader, "a key over %d bytes", NAME_BYTES - 1);
	} else if (more && strcmp(section, "rooms") != 0) {
		take_more(reader, section, key, value);
	} else if (more) {
		FAULT(reader, "[rooms] an indented line goes on with the value above it");
	} else if (strcmp(section, "rooms") != 0) {
		take_key(reader, section, key, value);
	} else {
		before = source_note(reader->source, section, key, reader->line);
		if (before > 0)
			FAULT(reader, "[rooms] %s is given twice, first in line %u", key, before);
		else
			take_room(reader, key, value);
	}
	return 1;
}

/* --- lines ---------------------------------------------------------------------------------- */

/* Rejects a header unless only a comment follows "[name]". */
static void check_header(struct reader *reader, const char *line)
{
	size_t len = strcspn(line, "]");
	char *name = x_strndup(line + 1, len > 0 ? len - 1 : 0);
	const char *rest = line + len;

	reader->skip = true;
	if (*rest != ']') {
		FAULT(reader, "a [section] without its end ]");
	} else if (strchr(name, ';') || strlen(name) >= NAME_BYTES) {
		FAULT(reader, "[%s]: a section's name has no ; and at most %d bytes", name,
		        NAME_BYTES - 1);
	} else if (rest[1 + strspn(rest + 1, " \t\r")] != '\0' &&
	           !strchr(";#", rest[1 + strspn(rest + 1, " \t\r")])) {
		FAULT(reader, "[%s]: something stands behind the ]", name);
	} else {
		take_section(reader, name);
	}
	free(name);
}

/* Replaces fgets() for inih. */
static char *on_line(char *out, int size, void *arg)
{
	struct reader *reader = arg;
	size_t len = strcspn(reader->text, "\n");
	const char *start;

	if (!*reader->text)
		return NULL;
	reader->line++;
	if (len + 2 > (size_t)size) {
		FAULT(reader, "a line over %d bytes", size - 2);
		strcpy(out, "\n");
	} else {
		memcpy(out, reader->text, len);
		strcpy(out + len, "\n");
		start = out + strspn(out, " \t\r");
		reader->indented = start > out;
		if (*start == '[' && (!reader->indented || reader->fresh)) {
			out[len] = '\0';
			check_header(reader, start);
			out[len] = '\n';
		}
	}
	reader->text += len + (reader->text[len] == '\n');
	return out;
}

void read_config(struct config *config, struct source *source, const char *text, const char *folder)
{
	struct reader reader = {
	        .config = config, .source = source, .text = text, .folder = folder, .fresh = true};

	if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
		reader.text += 3; /* skip a byte order mark */
	for (size_t i = 0; i < config_sections_len; i++)
		if (!strchr(config_sections[i].pattern, '*'))
			set_defaults(config_sections[i].pattern, config, folder);
	for (size_t i = 0; i < SEVERITY_COUNT; i++) {
		config->severity[i].emoji = x_strdup(config_builtin_severities[i].emoji);
		config->severity[i].msgtype = x_strdup(config_builtin_severities[i].msgtype);
		config->severity[i].mention = x_calloc(1, sizeof(char *));
	}
	for (size_t i = 0; i < config_builtin_kinds_len; i++) {
		struct config_kind *kind = LIST_ADD(config->kinds, config->kinds_len);

		kind->name = x_strdup(config_builtin_kinds[i].name);
		kind_set(kind, &config_builtin_kinds[i], folder);
	}
	/* these settings are global variables in Debian's inih */
	ini_use_stack = false;
	ini_initial_alloc = LINE_BYTES;
	ini_max_line = LINE_BYTES;
	ini_allow_realloc = false;
	ini_allow_multiline = true;
	ini_allow_inline_comments = true;
	ini_stop_on_first_error = false;
	ini_allow_no_value = true; /* so that a line without "=" is reported like other errors */
	(void)ini_parse_stream(on_line, &reader, on_key, &reader);
	free(reader.section);
}
