/*
 * convert.c - see convert.h: rooms, routes and times.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "bot/convert/convert_internal.h"

#define NAME_LEN_MAX 30
#define APP_LEN_MAX 43 /* a section's name is limited to 47 bytes */
#define QUIETS_MAX (256 * 1024)
#define THROTTLE_MAX_MS CLOCK_DAY_MS
#define REMIND_MAX_MS (365 * CLOCK_DAY_MS)

static const char name_letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

const char *convert_label(const char *name, void *arg)
{
	const struct convert_labels *labels = arg;

	if (strcmp(name, "severity") == 0)
		return labels->severity;
	return labels->label && strcmp(name, labels->label) == 0 ? labels->app : NULL;
}

bool convert_is_app_label(const char *name)
{
	return strcmp(name, "app") == 0 || strcmp(name, "service") == 0 || strcmp(name, "job") == 0;
}

/* Whether each of the names can be part of a section's name. */
static bool convert_fits(const char *names)
{
	for (; *names; names += strcspn(names, "|"), names += *names == '|')
		if (strcspn(names, "|") > APP_LEN_MAX)
			return false;
	return true;
}

char *convert_names(const struct am_matcher *matcher)
{
	bool pattern = matcher->op[1] != '\0';
	char *names = x_strdup(matcher->value);
	size_t start = 0, end = strlen(names);

	if (pattern && names[start] == '^')
		start++;
	if (pattern && end > start && names[end - 1] == '$')
		end--;
	if (pattern && end > start && names[start] == '(' && names[end - 1] == ')') {
		start += strncmp(names + start, "(?:", 3) == 0 ? 3 : 1;
		end--;
	}
	memmove(names, names + start, end - start);
	names[end - start] = '\0';
	for (const char *at = names; *at; at++)
		if (!strchr(name_letters, *at) && !(pattern && *at == '|') && *at != '.') {
			free(names);
			return NULL;
		}
	if (matcher->op[0] == '=' && *names && convert_fits(names) &&
	        !(pattern && strchr(names, '.')))
		return names;
	free(names);
	return NULL;
}

void convert_add_words(struct buf *out, const char *text)
{
	text_add_plain(out, text, CONVERT_WORDS, TEXT_FOLD_NEWLINES);
}

char *convert_name(const char *text)
{
	char *name = x_strndup(text, NAME_LEN_MAX);

	for (char *at = name; *at; at++)
		if (!strchr(name_letters, *at))
			*at = '_';
	if (*name)
		return name;
	free(name);
	return x_strdup("unnamed");
}

/* --- rooms -------------------------------------------------------------------------------- */

static bool convert_has_room(const struct convert *c, const char *name)
{
	for (size_t i = 0; i < c->rooms_len; i++)
		if (strcmp(c->rooms[i].name, name) == 0)
			return true;
	return false;
}

/* The room of a receiver, added if new; the first receiver's room when there are too many. */
static const char *convert_room(struct convert *c, const char *receiver, int node)
{
	char *name, *base;

	for (size_t i = 0; i < c->rooms_len; i++)
		if (strcmp(c->rooms[i].receiver, receiver) == 0)
			return c->rooms[i].name;
	if (c->rooms_len == CONVERT_ROOMS_MAX)
		return c->rooms[0].name;
	base = convert_name(receiver);
	name = x_strdup(base);
	for (int i = 2; convert_has_room(c, name); i++) {
		free(name);
		name = x_asprintf("%s-%d", base, i);
	}
	free(base);
	c->rooms[c->rooms_len++] = (struct convert_room){receiver, name, node};
	return name;
}

static void convert_read_receivers(struct convert *c)
{
	int list = tree_get(c->tree, tree_root(c->tree), "receivers"), receiver;

	for (size_t i = 0; (receiver = tree_item(c->tree, list, i)); i++) {
		const char *name = tree_text(c->tree, tree_get(c->tree, receiver, "name"));

		if (*name)
			convert_room(c, name, receiver);
	}
	for (size_t i = 0; i < c->routes.len; i++)
		convert_room(c, c->routes.list[i].receiver, 0);
}

/* "email_configs, slack_configs"; nothing when the receiver delivers nowhere. */
static void convert_add_kinds(const struct convert *c, int receiver, struct buf *out)
{
	const char *key;
	int value;
	bool first = true;

	for (size_t i = 0; tree_pair(c->tree, receiver, i, &key, &value); i++)
		if (strcmp(key, "name") != 0) {
			buf_add_str(out, first ? "" : ", ");
			convert_add_words(out, key);
			first = false;
		}
}

static void convert_print_rooms(struct convert *c)
{
	buf_add_str(c->out, "\n# A room for each receiver: put in its alias or id, or give several "
	                    "receivers one room.\n[rooms]\n");
	for (size_t i = 0; i < c->rooms_len; i++) {
		const struct convert_room *room = &c->rooms[i];
		size_t before;

		buf_add_str(c->out, "# receiver ");
		convert_add_words(c->out, room->receiver);
		if (room->node) {
			buf_printf(c->out, ", line %d: ", tree_line(c->tree, room->node));
			before = c->out->len;
			convert_add_kinds(c, room->node, c->out);
			if (c->out->len == before)
				buf_add_str(
				        c->out, "it has no integrations; a room takes its place");
		}
		buf_printf(c->out, "\n%s = #%s:example.org\n", room->name, room->name);
	}
}

/* --- routing ------------------------------------------------------------------------------ */

/* Collects other names for severities in the file: page, error. */
static void convert_read_severities(struct convert *c)
{
	enum severity guess;

	for (size_t i = 0; i < c->routes.len; i++)
		for (size_t k = 0; k < c->routes.list[i].matchers_len; k++) {
			const struct am_matcher *m = &c->routes.list[i].matchers[k];
			size_t n = 0;

			if (strcmp(m->name, "severity") != 0 || m->op[1] ||
			        !severity_guess(m->value, &guess))
				continue;
			while (n < c->severities_len && strcmp(c->severities[n], m->value) != 0)
				n++;
			if (n == c->severities_len && n < CONVERT_SEVERITIES_MAX)
				c->severities[c->severities_len++] = m->value;
		}
}

/* The route for a severity by its usual name, unless one of the other names matches a more specific
 * route. */
static const struct am_route *convert_find(
        const struct convert *c, enum severity severity, const char *label, const char *app)
{
	struct convert_labels labels = {severity_name(severity), label, app};
	const struct am_route *found = am_routes_find(&c->routes, convert_label, &labels), *other;
	enum severity guess;

	for (size_t i = 0; i < c->severities_len; i++) {
		if (!severity_guess(c->severities[i], &guess) || guess != severity)
			continue;
		labels.severity = c->severities[i];
		other = am_routes_find(&c->routes, convert_label, &labels);
		if (strlen(other->path) > strlen(found->path))
			found = other;
	}
	return found;
}

static const char *convert_room_of(struct convert *c, const struct am_route *route)
{
	return convert_room(c, route->receiver, 0);
}

static void convert_print_route(struct convert *c)
{
	buf_add_str(c->out, "\n[route]\n");
	for (int i = SEVERITY_COUNT - 1; i >= 0; i--)
		buf_printf(c->out, "%s = %s\n", severity_name((enum severity)i),
		        convert_room_of(c, convert_find(c, (enum severity)i, NULL, NULL)));
}

/* A duration of the route or its nearest ancestor that has one; -1 = none, or not a valid
 * duration. */
static int64_t convert_duration(
        const struct convert *c, const struct am_route *route, const char *key)
{
	int64_t ms;

	for (;;) {
		int node = tree_get(c->tree, route->node, key);

		if (node)
			return clock_parse_duration(tree_text(c->tree, node), &ms) ? ms : -1;
		if (route == c->routes.list)
			return -1;
		route = &c->routes.list[route->parent];
	}
}

static void convert_print_duration(struct convert *c, const char *key, int64_t ms, int64_t max_ms)
{
	char text[48];

	clock_write_duration(ms < max_ms ? ms : max_ms, text, sizeof(text));
	buf_printf(c->out, "%s = %s\n", key, text);
}

static void convert_print_app(struct convert *c, const char *label, const char *app)
{
	int64_t throttle_ms = convert_duration(c, c->routes.list, "group_interval"), own_ms;
	struct buf *out = c->out, section;
	const struct am_route *route = NULL;

	buf_init(&section, 4096);
	for (int i = SEVERITY_COUNT - 1; i >= 0; i--) {
		const char *room, *usual;

		route = convert_find(c, (enum severity)i, label, app);
		room = convert_room_of(c, route);
		usual = convert_room_of(c, convert_find(c, (enum severity)i, NULL, NULL));
		if (strcmp(room, usual) != 0)
			buf_printf(&section, "%s = %s\n", severity_name((enum severity)i), room);
	}
	own_ms = convert_duration(c, route, "group_interval");
	c->out = &section;
	if (own_ms >= 0 && own_ms != throttle_ms)
		convert_print_duration(c, "throttle", own_ms, THROTTLE_MAX_MS);
	c->out = out;
	if (section.len > 0)
		buf_printf(out, "\n# by the label %s\n[app %s]\n%s", label, app, buf_str(&section));
	buf_finish(&section);
}

struct convert_apps {
	char *names[CONVERT_APPS_MAX];
	size_t len;
};

/* Collects the apps that a route's matchers name: equal to it, or one of "a|b|c". */
static void convert_take_apps(
        struct convert *c, const struct am_matcher *matcher, struct convert_apps *seen)
{
	char *list = convert_names(matcher), *rest = list, *name;

	while (list && (name = strsep(&rest, "|"))) {
		size_t i = 0;

		while (i < seen->len && strcmp(seen->names[i], name) != 0)
			i++;
		if (i < seen->len || seen->len == CONVERT_APPS_MAX || !*name)
			continue;
		seen->names[seen->len++] = x_strdup(name);
		convert_print_app(c, matcher->name, name);
	}
	free(list);
}

static void convert_print_apps(struct convert *c)
{
	struct convert_apps seen = {.len = 0};

	for (size_t i = 0; i < c->routes.len; i++)
		for (size_t k = 0; k < c->routes.list[i].matchers_len; k++) {
			const struct am_matcher *m = &c->routes.list[i].matchers[k];

			if (convert_is_app_label(m->name))
				convert_take_apps(c, m, &seen);
		}
	for (size_t i = 0; i < seen.len; i++)
		free(seen.names[i]);
}

/* --- the rest ----------------------------------------------------------------------------- */

static bool convert_is_severity(
        const struct convert *c, int rule, const char *side, enum severity severity)
{
	struct am_matcher list[AM_MATCHERS_MAX];
	char why[160] = "";
	size_t len;
	bool is = false;

	am_matchers_read(c->tree, rule, side, list, &len, why);
	for (size_t i = 0; i < len; i++) {
		struct convert_labels labels = {severity_name(severity), NULL, NULL};
		struct matchers *matchers = NULL;
		struct buf text;

		buf_init(&text, 4096);
		am_matchers_text(&list[i], 1, &text);
		if (strcmp(list[i].name, "severity") == 0 &&
		        matchers_parse(buf_str(&text), &matchers, why) == OK)
			is = matchers_match(matchers, convert_label, &labels) == MATCH_YES;
		matchers_free(matchers);
		buf_finish(&text);
	}
	am_matchers_free(list, len);
	return is;
}

/* Whether an inhibit rule lets critical alerts mute warnings, as [delivery] inhibit does. */
static bool convert_inhibits(struct convert *c)
{
	int rules = tree_get(c->tree, tree_root(c->tree), "inhibit_rules"), rule;
	bool inhibits = false;

	for (size_t i = 0; (rule = tree_item(c->tree, rules, i)); i++) {
		bool ours = convert_is_severity(c, rule, "source_", SEVERITY_CRITICAL) &&
		            convert_is_severity(c, rule, "target_", SEVERITY_WARNING) &&
		            !convert_is_severity(c, rule, "target_", SEVERITY_CRITICAL);

		inhibits = inhibits || ours;
		convert_note(c, rule, "inhibit_rules[%zu]: %s", i,
		        ours ? "is [delivery] inhibit, which compares app and what failed instead "
		               "of `equal`"
		             : "only critical alerts inhibit, and only warnings of the same app "
		               "about the same thing");
	}
	return inhibits;
}

static void convert_print_delivery(struct convert *c)
{
	int64_t throttle_ms = convert_duration(c, c->routes.list, "group_interval");
	int64_t remind_ms = convert_duration(c, c->routes.list, "repeat_interval");
	bool inhibits = convert_inhibits(c);

	if (throttle_ms >= 0 || inhibits)
		buf_add_str(c->out, "\n[delivery]\n");
	if (throttle_ms >= 0) {
		buf_add_str(
		        c->out, "# group_interval; the first alert of a group is sent at once\n");
		convert_print_duration(c, "throttle", throttle_ms, THROTTLE_MAX_MS);
	}
	if (inhibits)
		buf_add_str(c->out, "inhibit = yes\n");
	if (remind_ms >= 0) {
		buf_add_str(c->out, "\n[commands]\n# repeat_interval; only for unacknowledged "
		                    "critical alerts\n");
		convert_print_duration(c, "remind", remind_ms, REMIND_MAX_MS);
	}
}

static void convert_print(struct convert *c, const char *path)
{
	buf_add_str(c->out, "# Made by matrix-telemetry-bot check --alertmanager from ");
	convert_add_words(c->out, path);
	buf_add_str(c->out,
	        ".\n# What has no counterpart is listed at the end, by its line there.\n"
	        "\n# Your homeserver, and the account of the bot.\n[matrix]\n"
	        "homeserver = example.org\nuser = @telemetry:example.org\n");
	convert_print_rooms(c);
	convert_print_route(c);
	convert_print_apps(c);
	convert_print_delivery(c);
	if (c->zone)
		buf_printf(c->out, "\n[heartbeat]\n# that of the time intervals\ntimezone = %s\n",
		        c->zone);
	buf_add_str(c->out, buf_str(&c->quiets));
	buf_add_str(c->out, "\n# Where Prometheus posts alerts instead of to an Alertmanager, and "
	                    "Alertmanager its\n# webhooks (/alertmanager).\n[http]\n"
	                    "listen = 127.0.0.1:9400\n");
	convert_notes_print(c);
}

enum err convert_tree(
        const struct tree *tree, const char *path, struct buf *out, struct fault *fault)
{
	struct convert *c = x_calloc(1, sizeof(*c));
	enum err err;

	c->tree = tree;
	c->out = out;
	buf_init(&c->quiets, QUIETS_MAX);
	err = am_routes_read(tree, path, &c->routes, fault);
	if (err == OK) {
		convert_read_receivers(c);
		convert_read_severities(c);
		convert_times(c);
		convert_note_all(c);
		convert_print(c, path);
		out->overflow = out->overflow || c->quiets.overflow;
	}
	am_routes_finish(&c->routes);
	for (size_t i = 0; i < c->rooms_len; i++)
		free(c->rooms[i].name);
	for (size_t i = 0; i < c->notes_len; i++)
		free(c->notes[i].text);
	buf_finish(&c->quiets);
	free(c);
	return err;
}
