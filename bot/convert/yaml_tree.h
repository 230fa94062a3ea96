/*
 * yaml_tree.h - a YAML file of somebody else's, read by libyaml, with limits on its size and depth.
 *
 * A node is a number; 0 = there is none, and every function takes it. Aliases are the node that
 * they stand for, so a tree may be deeper than its text, or without an end: who walks through it
 * counts. Merge keys (<<) are looked into.
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

/* "FILE:LINE: what is wrong" in fault. ERR_TOO_LARGE, ERR_INVALID, ERR_IO, ERR_NOT_FOUND. */
enum err tree_read(const char *path, struct tree **out, struct fault *fault);
/* The same from memory. */
enum err tree_parse(
        const char *text, size_t len, const char *path, struct tree **out, struct fault *fault);
void tree_free(struct tree *tree); /* NULL is allowed */

int tree_root(const struct tree *tree);
bool tree_is_map(const struct tree *tree, int node);
/* The value of a key. */
int tree_get(const struct tree *tree, int map, const char *key);
/* The pairs of a mapping, without merged ones; false behind the last. */
bool tree_pair(const struct tree *tree, int map, size_t index, const char **key, int *value);
/* The items of a list. A scalar is the only item of its list. */
int tree_item(const struct tree *tree, int list, size_t index);
/* Of a scalar; "" of anything else. */
const char *tree_text(const struct tree *tree, int node);
int tree_line(const struct tree *tree, int node); /* from 1 */
