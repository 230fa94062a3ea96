/*
 * convert.h - from an alertmanager.yml to the text of a bot.conf. Pure.
 *
 * What Alertmanager would do is asked of its tree of routes (am_routes.h), for each severity and
 * for each app that a route names by the label app, service or job: the answers are [route] and
 * [app NAME]. Values of keys that hold secrets are never looked at.
 */
#pragma once

#include "bot/base/buf.h"
#include "bot/convert/yaml_tree.h"

#define CONVERT_MAX (1 << 20) /* bytes */

/* path: for its first line and for faults. ERR_INVALID: it is no alertmanager.yml. */
enum err convert_tree(
        const struct tree *tree, const char *path, struct buf *out, struct fault *fault);
