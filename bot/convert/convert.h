/*
 * convert.h - converts an alertmanager.yml into the text of a bot.conf. Pure.
 *
 * The routing tree (am_routes.h) is queried for each severity, and for each app that a route names
 * by the label app, service or job; the results become [route] and [app NAME]. Values of keys that
 * hold secrets are never read.
 */
#pragma once

#include "bot/base/buf.h"
#include "bot/convert/yaml_tree.h"

#define CONVERT_MAX (1 << 20) /* bytes */

/* path: for the first line of the output and for errors. ERR_INVALID: it is not an
 * alertmanager.yml. */
enum err convert_tree(
        const struct tree *tree, const char *path, struct buf *out, struct fault *fault);
