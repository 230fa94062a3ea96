/*
 * am_routes.h - the routing tree of an alertmanager.yml, and which route matches an alert.
 */
#pragma once

#include "bot/base/matcher.h"
#include "bot/convert/yaml_tree.h"

#define AM_ROUTES_MAX 500
#define AM_DEPTH_MAX 20
#define AM_MATCHERS_MAX MATCHERS_MAX

struct am_matcher {
	char *name, *value;
	const char *op; /* static: "=", "!=", "=~", "!~" */
};

struct am_route {
	char *path; /* "route.routes[1]" */
	int node, line;
	const char *receiver; /* its own or inherited; borrowed from the tree */
	struct am_matcher matchers[AM_MATCHERS_MAX]; /* its own */
	size_t matchers_len;
	struct matchers *compiled; /* its own matchers, compiled; NULL = none */
	char why[160]; /* why its matchers are unusable, so that it matches nothing; "" = usable */
	size_t parent, end; /* routes[end] is the next route outside its subtree */
};

struct am_routes {
	struct am_route *list; /* in preorder: the root first, each route before its children */
	size_t len;
};

/* Reads the top-level route of the tree. ERR_INVALID: there is none. ERR_TOO_LARGE. */
enum err am_routes_read(
        const struct tree *tree, const char *path, struct am_routes *out, struct fault *fault);
void am_routes_finish(struct am_routes *routes);

/* Reads matchers in any of Alertmanager's forms: the keys prefix + match, match_re and matchers of
 * a mapping. False: *why says what cannot be used. */
bool am_matchers_read(const struct tree *tree, int map, const char *prefix, struct am_matcher *list,
        size_t *len, char why[160]);
void am_matchers_free(struct am_matcher *list, size_t len);
/* As text in the syntax of bot/base/matcher.h. */
void am_matchers_text(const struct am_matcher *list, size_t len, struct buf *out);

/* The route that matches an alert with these labels, ignoring `continue`. */
const struct am_route *am_routes_find(
        const struct am_routes *routes, matcher_value_fn label, void *arg);
