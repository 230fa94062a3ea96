/*
 * yaml_tree.c - see yaml_tree.h.
 */
#include "bot/convert/yaml_tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"

#define MERGES_MAX 8 /* nested merge keys */

struct tree {
	yaml_document_t document;
};

static yaml_node_t *tree_node(const struct tree *tree, int node)
{
	return node ? yaml_document_get_node((yaml_document_t *)&tree->document, node) : NULL;
}

void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	yaml_document_delete(&tree->document);
	free(tree);
}

static enum err tree_fail(const yaml_parser_t *parser, const char *path, struct fault *fault)
{
	return fault_set(fault, ERR_INVALID, "%s:%zu: %s", path, parser->problem_mark.line + 1,
	        parser->problem ? parser->problem : "it cannot be read");
}

/* Checks the nesting before loading: libyaml takes quadratic time for deeply nested brackets. */
static enum err tree_measure(yaml_parser_t *parser, const char *path, struct fault *fault)
{
	yaml_event_type_t type = YAML_NO_EVENT;
	int depth = 0, values = 0;

	while (type != YAML_STREAM_END_EVENT) {
		yaml_event_t event;
		size_t line;

		if (!yaml_parser_parse(parser, &event))
			return tree_fail(parser, path, fault);
		type = event.type;
		line = event.start_mark.line + 1;
		yaml_event_delete(&event);
		depth += type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT;
		depth -= type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT;
		if (depth > TREE_DEPTH_MAX || ++values > 2 * TREE_NODES_MAX)
			return fault_set(fault, ERR_TOO_LARGE,
			        "%s:%zu: too large, or nested too deeply", path, line);
	}
	return OK;
}

static enum err tree_check(struct tree *tree, const char *path, struct fault *fault)
{
	const yaml_document_t *document = &tree->document;

	for (const yaml_node_t *node = document->nodes.start; node < document->nodes.top; node++)
		if (node->type == YAML_MAPPING_NODE &&
		        node->data.mapping.pairs.top - node->data.mapping.pairs.start >
		                TREE_KEYS_MAX)
			return fault_set(fault, ERR_TOO_LARGE, "%s:%zu: over %d keys", path,
			        node->start_mark.line + 1, TREE_KEYS_MAX);
	if (!tree_is_map(tree, tree_root(tree)))
		return fault_set(fault, ERR_INVALID, "%s: it has no keys", path);
	return OK;
}

static void tree_begin(yaml_parser_t *parser, const char *text, size_t len)
{
	if (!yaml_parser_initialize(parser))
		abort();
	yaml_parser_set_input_string(parser, (const unsigned char *)text, len);
}

enum err tree_parse(
        const char *text, size_t len, const char *path, struct tree **out, struct fault *fault)
{
	struct tree *tree;
	yaml_parser_t parser;
	enum err err;

	*out = NULL;
	tree_begin(&parser, text, len);
	err = tree_measure(&parser, path, fault);
	yaml_parser_delete(&parser);
	if (err != OK)
		return err;
	tree = x_calloc(1, sizeof(*tree));
	tree_begin(&parser, text, len);
	err = yaml_parser_load(&parser, &tree->document) ? tree_check(tree, path, fault)
	                                                 : tree_fail(&parser, path, fault);
	yaml_parser_delete(&parser);
	if (err == OK)
		*out = tree;
	else
		tree_free(tree);
	return err;
}

enum err tree_read(const char *path, struct tree **out, struct fault *fault)
{
	FILE *file = fopen(path, "rb");
	char *text;
	size_t len;
	enum err err;

	*out = NULL;
	if (!file)
		return fault_set(fault, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path,
		        strerror(errno));
	text = x_calloc(1, TREE_FILE_MAX + 1);
	len = fread(text, 1, TREE_FILE_MAX + 1, file);
	if (ferror(file))
		err = fault_set(fault, ERR_IO, "%s: %s", path, strerror(errno));
	else if (len > TREE_FILE_MAX)
		err = fault_set(fault, ERR_TOO_LARGE, "%s: over %d bytes", path, TREE_FILE_MAX);
	else
		err = tree_parse(text, len, path, out, fault);
	fclose(file);
	x_wipe_free(text, TREE_FILE_MAX + 1); /* wiped, since such files contain passwords */
	return err;
}

int tree_root(const struct tree *tree)
{
	return yaml_document_get_root_node((yaml_document_t *)&tree->document) ? 1 : 0;
}

bool tree_is_map(const struct tree *tree, int node)
{
	const yaml_node_t *at = tree_node(tree, node);

	return at && at->type == YAML_MAPPING_NODE;
}

const char *tree_text(const struct tree *tree, int node)
{
	const yaml_node_t *at = tree_node(tree, node);

	return at && at->type == YAML_SCALAR_NODE ? (const char *)at->data.scalar.value : "";
}

int tree_line(const struct tree *tree, int node)
{
	const yaml_node_t *at = tree_node(tree, node);

	return at ? (int)at->start_mark.line + 1 : 0;
}

bool tree_pair(const struct tree *tree, int map, size_t index, const char **key, int *value)
{
	const yaml_node_t *at = tree_node(tree, map);
	const yaml_node_pair_t *pair;

	if (!at || at->type != YAML_MAPPING_NODE ||
	        index >= (size_t)(at->data.mapping.pairs.top - at->data.mapping.pairs.start))
		return false;
	pair = &at->data.mapping.pairs.start[index];
	*key = tree_text(tree, pair->key);
	*value = pair->value;
	return true;
}

int tree_item(const struct tree *tree, int list, size_t index)
{
	const yaml_node_t *at = tree_node(tree, list);

	if (at && at->type == YAML_SCALAR_NODE && *tree_text(tree, list))
		return index == 0 ? list : 0;
	if (!at || at->type != YAML_SEQUENCE_NODE ||
	        index >= (size_t)(at->data.sequence.items.top - at->data.sequence.items.start))
		return 0;
	return at->data.sequence.items.start[index];
}

/* A mapping's own keys override merged ones. */
static int tree_find(const struct tree *tree, int map, const char *wanted, int merges)
{
	const char *key;
	int value, merged, found = 0;

	for (size_t i = 0; tree_pair(tree, map, i, &key, &value); i++)
		if (strcmp(key, wanted) == 0)
			return value;
	if (merges == MERGES_MAX || strcmp(wanted, "<<") == 0)
		return 0;
	merged = tree_find(tree, map, "<<", MERGES_MAX);
	if (tree_is_map(tree, merged))
		return tree_find(tree, merged, wanted, merges + 1);
	for (size_t i = 0; i < MERGES_MAX && !found && tree_item(tree, merged, i); i++)
		found = tree_find(tree, tree_item(tree, merged, i), wanted, MERGES_MAX);
	return found;
}

int tree_get(const struct tree *tree, int map, const char *key)
{
	return tree_find(tree, map, key, 0);
}
