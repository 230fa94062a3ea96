/*
 * canvas_load.c - canvas_load() of canvas.h: the module beside a program that was not installed,
 * else the installed one. A build without cairo has none, which is told like one that is missing.
 */
#include "bot/charts/canvas.h"

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "bot/base/alloc.h"

/* By its whole name: whose $ORIGIN it would be is not sure, since sanitizers wrap dlopen(). */
static void *canvas_open_beside(void)
{
	char program[PATH_MAX], *path;
	size_t len = sizeof(program);
	void *module;

	if (uv_exepath(program, &len) != 0)
		return NULL;
	path = x_asprintf("%s/charts/chart_cairo.so", dirname(program));
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	free(path);
	return module;
}

const struct canvas_kind *canvas_load(struct fault *fault)
{
	void *module = canvas_open_beside();
	const struct canvas_kind *kind;

	if (!module)
		module = dlopen(CHART_MODULE, RTLD_NOW | RTLD_LOCAL);
	kind = module ? dlsym(module, "canvas_cairo") : NULL;
	if (!kind) {
		fault_set(fault, ERR_UNSUPPORTED, "%s", dlerror());
	} else if (strcmp(kind->version, BOT_VERSION) != 0) { /* upgraded, not yet restarted */
		fault_set(fault, ERR_UNSUPPORTED,
		        "chart_cairo.so has version %s, which does not fit", kind->version);
		kind = NULL;
	}
	return kind;
}
