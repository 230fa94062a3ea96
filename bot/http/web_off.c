/*
 * web_off.c - web.h in a build without libmicrohttpd: reports an error where HTTP is configured.
 */
#include <unistd.h>
#include "bot/base/log.h"
#include "bot/http/web.h"

struct web {
	char nothing;
};

static struct web off;

enum err web_create(
        struct web **out, const struct web_env *env, struct config *config, struct fault *fault)
{
	*out = &off;
	web_configure(&off, config);
	return OK;
}

enum err web_check(const struct config *config, struct fault *fault)
{
	return OK;
}

void web_configure(struct web *web, struct config *config)
{
	if (config->http.listen)
		log_warning("http", "[http] listen has no effect: this build has no HTTP");
}

void web_changed(struct web *web)
{
}

void web_take(struct web *web, int fd)
{
	close(fd);
}

void web_close(struct web *web, void (*closed)(void *arg), void *arg)
{
	closed(arg);
}
