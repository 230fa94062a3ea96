/*
 * am_routes.h - the tree of routes of an alertmanager.yml, and which of them takes an alert.
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
	const char *receiver; /* its own, or inherited; borrowed of the tree */
	struct am_matcher matchers[AM_MATCHERS_MAX]; /* its own */
	size_t matchers_len;
	struct matchers *compiled; /* the same; NULL = none */
	char why[160];             /* why its matchers cannot be used: then it takes nothing; "" */
	size_t parent, end;        /* routes[end] is the next that is not beneath it */
};

struct am_routes {
	struct am_route *list; /* the first is the root; each before those beneath it */
	size_t len;
};

/* The route at the top level of the tree. ERR_INVALID: there is none. ERR_TOO_LARGE. */
enum err am_routes_read(
        const struct tree *tree, const char *path, struct am_routes *out, struct fault *fault);
void am_routes_finish(struct am_routes *routes);

/* Matchers in any of Alertmanager's forms: the keys prefix + match, match_re and matchers of a
 * mapping. False: *why says what cannot be used. */
bool am_matchers_read(const struct tree *tree, int map, const char *prefix, struct am_matcher *list,
        size_t *len, char why[160]);
void am_matchers_free(struct am_matcher *list, size_t len);
/* As a text that our own matchers read. */
void am_matchers_text(const struct am_matcher *list, size_t len, struct buf *out);

/* The one that takes an alert with these labels, `continue` aside. */
const struct am_route *am_routes_find(
        const struct am_routes *routes, matcher_value_fn label, void *arg);
