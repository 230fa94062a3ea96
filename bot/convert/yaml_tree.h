/*
 * yaml_tree.h - reads a YAML file from elsewhere with libyaml, with limits on its size and depth.
 *
 * A node is a number; 0 = no node, which every function accepts. An alias is the node that it
 * refers to, so a tree may be deeper than its text, or infinite: code that walks it must count.
 * Merge keys (<<) are resolved.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "bot/base/err.h"

#define TREE_FILE_MAX (1 << 20) /* bytes */
#define TREE_NODES_MAX 50000
#define TREE_KEYS_MAX 1000 /* of a mapping */
#define TREE_DEPTH_MAX 64

struct tree;

/* On failure *fault is "FILE:LINE: reason". ERR_TOO_LARGE, ERR_INVALID, ERR_IO, ERR_NOT_FOUND. */
enum err tree_read(const char *path, struct tree **out, struct fault *fault);
/* As tree_read(), from memory. */
enum err tree_parse(
        const char *text, size_t len, const char *path, struct tree **out, struct fault *fault);
void tree_free(struct tree *tree); /* NULL is allowed */

int tree_root(const struct tree *tree);
bool tree_is_map(const struct tree *tree, int node);
/* The value of a key, or 0. */
int tree_get(const struct tree *tree, int map, const char *key);
/* The pairs of a mapping by index, without merged ones; false past the last. */
bool tree_pair(const struct tree *tree, int map, size_t index, const char **key, int *value);
/* The items of a list by index; 0 past the last. A scalar counts as a list of one item. */
int tree_item(const struct tree *tree, int list, size_t index);
/* The text of a scalar; "" for any other node. */
const char *tree_text(const struct tree *tree, int node);
int tree_line(const struct tree *tree, int node); /* from 1 */
