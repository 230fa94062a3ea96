/*
 * convert_notes.c - lists what in an alertmanager.yml has no counterpart: see convert_internal.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/convert/convert_internal.h"

#define NOTE_MAX 1024

void convert_note(struct convert *c, int node, const char *format, ...)
{
	struct buf text;
	va_list args;
	char *made;

	if (c->notes_len == CONVERT_NOTES_MAX)
		return;
	va_start(args, format);
	if (vasprintf(&made, format, args) < 0)
		abort();
	va_end(args);
	buf_init(&text, NOTE_MAX);
	for (const char *at = made; *at; at++)
		buf_add_char(&text, (unsigned char)*at < ' ' ? ' ' : *at);
	c->notes[c->notes_len++] = (struct convert_note){tree_line(c->tree, node), buf_take(&text)};
	free(made);
}

static int convert_compare_notes(const void *a, const void *b)
{
	const struct convert_note *left = a, *right = b;

	return left->line != right->line ? left->line - right->line
	                                 : strcmp(left->text, right->text);
}

void convert_notes_print(struct convert *c)
{
	qsort(c->notes, c->notes_len, sizeof(c->notes[0]), convert_compare_notes);
	buf_add_str(c->out, "\n# Without a counterpart, or only nearly so:\n#\n");
	for (size_t i = 0; i < c->notes_len; i++)
		buf_printf(c->out, "# line %d: %s\n", c->notes[i].line, c->notes[i].text);
	if (c->notes_len == CONVERT_NOTES_MAX)
		buf_add_str(c->out, "# … and more\n");
	buf_add_str(c->out, "#\n# Silences are not in that file: `amtool silence` lists them, "
	                    "!silence in the room creates them again.\n");
}

/* The text shortened for a note; owned by the caller. */
static char *convert_words(const char *text)
{
	struct buf out;

	buf_init(&out, NOTE_MAX);
	convert_add_words(&out, text);
	return buf_take(&out);
}

/* --- keys --------------------------------------------------------------------------------- */

static void convert_note_key(
        struct convert *c, const char *path, const char *key, int node, const char *why)
{
	char *name = convert_words(key);

	convert_note(c, node, "%s%s%s: %s", path, *path ? "." : "", name, why);
	free(name);
}

static void convert_note_global(struct convert *c, int map)
{
	const char *key;
	int value;

	for (size_t i = 0; tree_pair(c->tree, map, i, &key, &value); i++)
		if (strcmp(key, "resolve_timeout") != 0)
			convert_note_key(
			        c, "global", key, value, "the bot writes only to Matrix rooms");
		else if (strcmp(tree_text(c->tree, value), "5m") != 0)
			convert_note_key(c, "global", key, value,
			        "an alert that Prometheus posts without an end is resolved after "
			        "5m");
}

static void convert_note_top(struct convert *c)
{
	static const char *const known[] = {
	        "route", "receivers", "inhibit_rules", "time_intervals", "mute_time_intervals"};
	const char *key;
	int value;

	for (size_t i = 0; tree_pair(c->tree, tree_root(c->tree), i, &key, &value); i++) {
		bool is_known = false;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			is_known = is_known || strcmp(key, known[k]) == 0;
		if (strcmp(key, "global") == 0)
			convert_note_global(c, value);
		else if (strcmp(key, "templates") == 0)
			convert_note_key(c, "", key, value,
			        "the text of a message is that of its [kind NAME]");
		else if (!is_known)
			convert_note_key(c, "", key, value, "not known");
	}
}

static void convert_note_receivers(struct convert *c)
{
	for (size_t i = 0; i < c->rooms_len; i++) {
		const char *key;
		int list, item;
		char *name = convert_words(c->rooms[i].receiver);

		for (size_t k = 0; tree_pair(c->tree, c->rooms[i].node, k, &key, &list); k++)
			for (size_t n = 0; (item = tree_item(c->tree, list, n)); n++)
				if (strcmp(tree_text(c->tree,
				                   tree_get(c->tree, item, "send_resolved")),
				            "false") == 0)
					convert_note(c, item,
					        "receivers, %s: send_resolved: messages always "
					        "show that an alert is resolved, without a "
					        "notification",
					        name);
		free(name);
	}
}

/* --- routes ------------------------------------------------------------------------------- */

static void convert_note_matcher(
        struct convert *c, const struct am_route *route, const struct am_matcher *m)
{
	struct buf text;
	char *words;

	char *names = convert_is_app_label(m->name) ? convert_names(m) : NULL;
	bool known = names || strcmp(m->name, "severity") == 0;

	free(names);
	if (known)
		return;
	buf_init(&text, NOTE_MAX);
	am_matchers_text(m, 1, &text);
	words = convert_words(buf_str(&text));
	convert_note(c, route->node, "%s: %s: rooms are chosen only by severity and app%s",
	        route->path, words,
	        strcmp(m->name, "alertname") == 0 && strcasestr(m->value, "watchdog")
	                ? "; a dead man's switch may call /heartbeat/NAME of the bot"
	                : "");
	free(words);
	buf_finish(&text);
}

/* What nobody here has heard of: of a later version, or misspelt. */
static void convert_note_unknown(struct convert *c, const struct am_route *route)
{
	static const char *const known[] = {"receiver", "routes", "match", "match_re", "matchers",
	        "continue", "mute_time_intervals", "group_by", "group_wait", "group_interval",
	        "repeat_interval", "active_time_intervals", "labels", "<<"};
	const char *key;
	int value;

	for (size_t i = 0; tree_pair(c->tree, route->node, i, &key, &value); i++) {
		bool is_known = false;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			is_known = is_known || strcmp(key, known[k]) == 0;
		if (!is_known)
			convert_note_key(c, route->path, key, value, "not known");
	}
}

static void convert_note_route(struct convert *c, const struct am_route *route)
{
	static const struct {
		const char *key, *why;
		bool root; /* the setting is supported on the root route */
	} keys[] = {
	        {"group_by", "alerts are grouped by app and room", false},
	        {"group_wait", "the first alert of a group is sent at once", false},
	        {"group_interval", "[delivery] throttle, unless [app] sets another", true},
	        {"repeat_interval", "[commands] remind is the same for all", true},
	        {"labels", "they are for templates, which do not exist here", false},
	        {"active_time_intervals",
	                "[quiet NAME] names the times when alerts are silenced, not those when "
	                "they are sent",
	                false},
	};

	if (route->why[0])
		convert_note(c, route->node, "%s: %s; it matches no alert here", route->path,
		        route->why);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		int node = tree_get(c->tree, route->node, keys[i].key);

		if (node && !(keys[i].root && route == c->routes.list))
			convert_note(c, node, "%s.%s: %s", route->path, keys[i].key, keys[i].why);
	}
	convert_note_unknown(c, route);
	if (strcmp(tree_text(c->tree, tree_get(c->tree, route->node, "continue")), "true") == 0)
		convert_note(c, tree_get(c->tree, route->node, "continue"),
		        "%s.continue: an alert goes to one room, that of the first route that "
		        "takes it",
		        route->path);
	for (size_t i = 0; i < route->matchers_len; i++)
		convert_note_matcher(c, route, &route->matchers[i]);
}

void convert_note_all(struct convert *c)
{
	convert_note_top(c);
	for (size_t i = 0; i < c->routes.len; i++)
		convert_note_route(c, &c->routes.list[i]);
	convert_note_receivers(c);
}
