/*
 * json_weight.h - how much memory a JSON text takes once it is a tree, estimated before it is
 * parsed: `{},{},…` takes a hundred times its length. Pure.
 */
#pragma once

#include <stddef.h>

/* Bytes, rarely less than what jansson allocates for the text, valid JSON or not. */
size_t json_weight(const char *text, size_t len);
