/*
 * value.c - see value.h. The formats are checked in value_check.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/config/value.h"
#include "bot/config/value_check.h"

#define VALUE_MAX (64 * 1024)
#define SEPARATORS ", \t\r\n"

static char **words_split(const char *text)
{
	char **words = x_calloc(1, sizeof(*words));
	size_t used = 0;

	for (;;) {
		size_t len;

		text += strspn(text, SEPARATORS);
		len = strcspn(text, SEPARATORS);
		if (len == 0)
			return words;
		words = x_realloc(words, (used + 2) * sizeof(*words));
		words[used++] = x_strndup(text, len);
		words[used] = NULL;
		text += len;
	}
}

static void words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

/* Replaces "\n" by a line break. */
static char *value_unescape(const char *text)
{
	struct buf out;

	buf_init(&out, VALUE_MAX);
	for (; *text; text++) {
		if (text[0] == '\\' && text[1] == 'n') {
			buf_add_char(&out, '\n');
			text++;
		} else {
			buf_add_char(&out, *text);
		}
	}
	return buf_take(&out);
}

static void value_replace(void *place, char *fresh)
{
	char **text = place;

	free(*text);
	*text = fresh;
}

static enum err set_words(const struct option *option, void *place, const char *text,
        enum err (*check)(const char *word, const struct option *option, struct fault *fault),
        struct fault *fault)
{
	char **words = words_split(text);
	enum err err = OK;

	for (size_t i = 0; check && words[i] && err == OK; i++)
		err = check(words[i], option, fault);
	if (err != OK) {
		words_free(words);
		return err;
	}
	words_free(*(char ***)place);
	*(char ***)place = words;
	return OK;
}

/* The list is followed by its length in struct config. */
static enum err set_ids(
        const struct option *option, void *place, const char *text, struct fault *fault)
{
	struct {
		uint32_t *list;
		size_t len;
	} *ids = place;
	char **words = words_split(text);
	enum err err = OK;

	_Static_assert(sizeof(uid_t) == sizeof(uint32_t) && sizeof(gid_t) == sizeof(uint32_t),
	        "ids are 32 bits");
	_Static_assert(offsetof(struct config, socket.allow_uid_len) ==
	                               offsetof(struct config, socket.allow_uid) + sizeof(void *) &&
	                       offsetof(struct config, socket.allow_gid_len) ==
	                               offsetof(struct config, socket.allow_gid) + sizeof(void *) &&
	                       offsetof(struct config, socket.admin_uid_len) ==
	                               offsetof(struct config, socket.admin_uid) + sizeof(void *) &&
	                       offsetof(struct config, socket.admin_gid_len) ==
	                               offsetof(struct config, socket.admin_gid) + sizeof(void *),
	        "a list's length stands behind it");
	free(ids->list);
	ids->list = NULL;
	ids->len = 0;
	for (size_t i = 0; words[i] && err == OK; i++) {
		ids->list = x_realloc(ids->list, (ids->len + 1) * sizeof(*ids->list));
		err = check_id(words[i], option->type == OPTION_GIDS, &ids->list[ids->len], fault);
		if (err == OK)
			ids->len++;
	}
	words_free(words);
	return err;
}

static enum err set_duration(
        const struct option *option, void *place, const char *text, struct fault *fault)
{
	int64_t ms;

	if (!clock_parse_duration(text, &ms))
		return fault_set(fault, ERR_CONFIG, "must be a duration such as 30s, 5m or 1d12h");
	if ((double)ms < option->min || (double)ms > option->max) {
		char min[48], max[48];

		clock_write_duration((int64_t)option->min, min, sizeof(min));
		clock_write_duration((int64_t)option->max, max, sizeof(max));
		return fault_set(fault, ERR_CONFIG, "must be from %s to %s", min, max);
	}
	*(int64_t *)place = ms;
	return OK;
}

static enum err set_bool(void *place, const char *text, struct fault *fault)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*(bool *)place = i % 2;
			return OK;
		}
	}
	return fault_set(fault, ERR_CONFIG, "must be yes or no");
}

static enum err set_number(
        const struct option *option, void *place, const char *text, struct fault *fault)
{
	double number;
	enum err err = check_number(text, option, &number, fault);

	if (err != OK)
		return err;
	if (option->type == OPTION_UINT)
		*(unsigned *)place = (unsigned)number;
	else if (option->type == OPTION_INT)
		*(int *)place = (int)number;
	else
		*(double *)place = number;
	return OK;
}

static enum err set_mode(void *place, const char *text, struct fault *fault)
{
	if (!*text || strlen(text) > 4 || text[strspn(text, "01234567")] ||
	        strtoul(text, NULL, 8) > 0777)
		return fault_set(fault, ERR_CONFIG, "must be an octal mode such as 0660");
	*(mode_t *)place = (mode_t)strtoul(text, NULL, 8);
	return OK;
}

/* The list with commas between the columns, and no spaces. */
static char *join_columns(const char *text)
{
	char **words = words_split(text);
	struct buf out;

	buf_init(&out, VALUE_MAX);
	for (size_t i = 0; words[i]; i++) {
		buf_add_str(&out, i > 0 ? "," : "");
		buf_add_str(&out, words[i]);
	}
	words_free(words);
	return buf_take(&out);
}

static char *value_absolute(const char *text, const char *folder)
{
	return text[0] == '/' ? x_strdup(text) : x_asprintf("%s/%s", folder, text);
}

enum err value_set(const struct option *option, void *base, const char *text, const char *folder,
        struct fault *fault)
{
	void *place = (char *)base + option->offset;
	enum err err;
	int index;

	switch (option->type) {
	case OPTION_WORDS:
	case OPTION_ROOMS:
		return set_words(option, place, text, NULL, fault);
	case OPTION_USERS:
	case OPTION_MENTION:
		return set_words(option, place, text, check_text, fault);
	case OPTION_UIDS:
	case OPTION_GIDS:
		return set_ids(option, place, text, fault);
	case OPTION_DURATION:
		return set_duration(option, place, text, fault);
	case OPTION_BOOL:
		return set_bool(place, text, fault);
	case OPTION_UINT:
	case OPTION_INT:
	case OPTION_REAL:
		return set_number(option, place, text, fault);
	case OPTION_MODE:
		return set_mode(place, text, fault);
	case OPTION_ENUM:
		err = check_choice(text, option->choices, &index, fault);
		if (err == OK)
			*(int *)place = index;
		return err;
	default: /* all types stored as a string */
		err = check_text(text, option, fault);
		if (err != OK)
			return err;
		if (option->type == OPTION_PATH)
			value_replace(place, value_absolute(text, folder));
		else if (option->type == OPTION_TEMPLATE)
			value_replace(place, value_unescape(text));
		else if (option->type == OPTION_COLUMNS)
			value_replace(place, join_columns(text));
		else
			value_replace(place, x_strdup(text));
		return OK;
	}
}

enum err value_append(
        const struct option *option, void *base, const char *text, struct fault *fault)
{
	char **place = (char **)((char *)base + option->offset);
	enum err err;
	char *more;

	if (option->type != OPTION_TEMPLATE && option->type != OPTION_LINES)
		return fault_set(fault, ERR_CONFIG,
		        "an indented line goes on with the value above it, which has one line "
		        "only");
	err = check_text(text, option, fault);
	if (err != OK || !*place) /* nothing to continue: the line above was rejected */
		return err;
	more = option->type == OPTION_TEMPLATE ? value_unescape(text) : x_strdup(text);
	value_replace(place, x_asprintf("%s\n%s", *place, more));
	free(more);
	return OK;
}

void value_free(const struct option *option, void *base)
{
	void *place = (char *)base + option->offset;

	switch (option->type) {
	case OPTION_WORDS:
	case OPTION_ROOMS:
	case OPTION_USERS:
	case OPTION_MENTION:
		words_free(*(char ***)place);
		*(char ***)place = NULL;
		break;
	case OPTION_UIDS:
	case OPTION_GIDS:
		free(*(void **)place);
		*(void **)place = NULL;
		break;
	case OPTION_DURATION:
	case OPTION_BOOL:
	case OPTION_UINT:
	case OPTION_INT:
	case OPTION_REAL:
	case OPTION_MODE:
	case OPTION_ENUM:
		break;
	default: /* all types stored as a string */
		value_replace(place, NULL);
	}
}
