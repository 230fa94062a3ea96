/*
 * am_routes.c - see am_routes.h.
 */
#include "bot/convert/am_routes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"

#define TEXT_MAX (8 * 1024)

/* --- matchers ----------------------------------------------------------------------------- */

void am_matchers_free(struct am_matcher *list, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(list[i].name);
		free(list[i].value);
	}
}

void am_matchers_text(const struct am_matcher *list, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		buf_printf(out, "%s%s%s\"", out->len ? ", " : "", list[i].name, list[i].op);
		for (const char *c = list[i].value; *c; c++) {
			if (*c == '"' || *c == '\\')
				buf_add_char(out, '\\');
			buf_add_char(out, *c);
		}
		buf_add_char(out, '"');
	}
}

/* Takes ownership of the value. */
static bool am_matcher_add(struct am_matcher *list, size_t *len, const char *name, size_t name_len,
        const char *op, char *value, char why[160])
{
	if (*len == AM_MATCHERS_MAX) {
		snprintf(why, 160, "more than %d matchers", AM_MATCHERS_MAX);
		free(value);
		return false;
	}
	list[(*len)++] = (struct am_matcher){x_strndup(name, name_len), value, op};
	return true;
}

/* A value in quotes, or up to a separating comma, without trailing blanks. */
static char *am_value_read(const char **at)
{
	bool quoted = **at == '"', separates;
	char *value = x_calloc(1, strlen(*at) + 1);
	size_t len = 0;

	*at += quoted;
	while (**at && **at != (quoted ? '"' : ',')) {
		if (quoted && **at == '\\' && (*at)[1])
			(*at)++;
		value[len++] = *(*at)++;
	}
	separates = !quoted || **at == '"';
	*at += quoted && separates;
	while (!quoted && len > 0 && isspace((unsigned char)value[len - 1]))
		value[--len] = '\0';
	if (separates)
		return value;
	free(value);
	return NULL;
}

/* Parses severity="critical" or {a="b", c=~"d|e"}. */
static bool am_matchers_parse(const char *text, struct am_matcher *list, size_t *len, char why[160])
{
	static const char *const ops[] = {"=~", "!~", "!=", "="};
	char *inside = x_strdup(text);
	const char *at = inside + strspn(inside, " \t\n");
	size_t end = strlen(inside);
	bool good = true;

	while (end > 0 && isspace((unsigned char)inside[end - 1]))
		inside[--end] = '\0';
	if (*at == '{' && end > 0 && inside[end - 1] == '}') {
		inside[end - 1] = '\0';
		at++;
	}
	while (good && *(at += strspn(at, ", \t\n"))) {
		const char *name = at, *op = NULL;
		size_t name_len = strcspn(at, "=!~ \t\n,");
		char *value = NULL;

		at += name_len;
		at += strspn(at, " \t\n");
		for (size_t i = 0; i < 4 && !op; i++)
			op = strncmp(at, ops[i], strlen(ops[i])) == 0 ? ops[i] : NULL;
		if (op) {
			at += strlen(op);
			at += strspn(at, " \t\n");
			value = am_value_read(&at);
		}
		good = value && name_len > 0;
		if (good)
			good = am_matcher_add(list, len, name, name_len, op, value, why);
		else {
			snprintf(why, 160, "a matcher that cannot be read");
			free(value);
		}
	}
	free(inside);
	return good;
}

static bool am_pairs_read(const struct tree *tree, int map, const char *op, struct am_matcher *list,
        size_t *len, char why[160])
{
	const char *name;
	int value;

	for (size_t i = 0; tree_pair(tree, map, i, &name, &value); i++)
		if (!am_matcher_add(list, len, name, strlen(name), op,
		            x_strdup(tree_text(tree, value)), why))
			return false;
	return true;
}

bool am_matchers_read(const struct tree *tree, int map, const char *prefix, struct am_matcher *list,
        size_t *len, char why[160])
{
	char key[64];
	int texts, text;

	*len = 0;
	snprintf(key, sizeof(key), "%smatch", prefix);
	if (!am_pairs_read(tree, tree_get(tree, map, key), "=", list, len, why))
		return false;
	snprintf(key, sizeof(key), "%smatch_re", prefix);
	if (!am_pairs_read(tree, tree_get(tree, map, key), "=~", list, len, why))
		return false;
	snprintf(key, sizeof(key), "%smatchers", prefix);
	texts = tree_get(tree, map, key);
	for (size_t i = 0; (text = tree_item(tree, texts, i)); i++)
		if (!am_matchers_parse(tree_text(tree, text), list, len, why))
			return false;
	return true;
}

/* --- routes ------------------------------------------------------------------------------- */

static void am_route_compile(struct am_route *route)
{
	struct buf text;

	if (route->why[0] || route->matchers_len == 0)
		return;
	buf_init(&text, TEXT_MAX);
	am_matchers_text(route->matchers, route->matchers_len, &text);
	if (text.overflow)
		snprintf(route->why, sizeof(route->why), "its matchers are too long");
	else
		matchers_parse(buf_str(&text), &route->compiled, route->why);
	buf_finish(&text);
}

static enum err am_route_read(const struct tree *tree, int node, char *path, size_t parent,
        int depth, struct am_routes *out, struct fault *fault)
{
	size_t place = out->len;
	struct am_route *route;
	int receiver = tree_get(tree, node, "receiver"), routes = tree_get(tree, node, "routes");
	int child;
	enum err err = OK;

	if (place == AM_ROUTES_MAX || depth == AM_DEPTH_MAX) {
		free(path);
		return fault_set(fault, ERR_TOO_LARGE, "line %d: over %d routes, or over %d nested",
		        tree_line(tree, node), AM_ROUTES_MAX, AM_DEPTH_MAX);
	}
	route = &out->list[out->len++];
	*route = (struct am_route){
	        .path = path, .node = node, .line = tree_line(tree, node), .parent = parent};
	route->receiver = receiver ? tree_text(tree, receiver)
	                  : place  ? out->list[parent].receiver
	                           : "";
	am_matchers_read(tree, node, "", route->matchers, &route->matchers_len, route->why);
	am_route_compile(route);
	for (size_t i = 0; err == OK && (child = tree_item(tree, routes, i)); i++)
		err = am_route_read(tree, child, x_asprintf("%s.routes[%zu]", path, i), place,
		        depth + 1, out, fault);
	out->list[place].end = out->len;
	return err;
}

enum err am_routes_read(
        const struct tree *tree, const char *path, struct am_routes *out, struct fault *fault)
{
	int root = tree_get(tree, tree_root(tree), "route");
	enum err err;

	*out = (struct am_routes){.list = x_calloc(AM_ROUTES_MAX, sizeof(*out->list))};
	if (!tree_is_map(tree, root))
		err = fault_set(fault, ERR_INVALID, "there is no route in it");
	else
		err = am_route_read(tree, root, x_strdup("route"), 0, 0, out, fault);
	if (err != OK)
		fault_wrap(fault, "%s", path);
	return err;
}

void am_routes_finish(struct am_routes *routes)
{
	for (size_t i = 0; i < routes->len; i++) {
		am_matchers_free(routes->list[i].matchers, routes->list[i].matchers_len);
		matchers_free(routes->list[i].compiled);
		free(routes->list[i].path);
	}
	free(routes->list);
	*routes = (struct am_routes){0};
}

const struct am_route *am_routes_find(
        const struct am_routes *routes, matcher_value_fn label, void *arg)
{
	const struct am_route *found = &routes->list[0];
	size_t i = 1;

	while (i < found->end) {
		const struct am_route *route = &routes->list[i];
		bool takes = !route->why[0] &&
		             (!route->compiled ||
		                     matchers_match(route->compiled, label, arg) == MATCH_YES);

		if (takes)
			found = route;
		i = takes ? i + 1 : route->end;
	}
	return found;
}
