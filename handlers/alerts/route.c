/*
 * route.c - see route.h.
 */
#include "handlers/alerts/route.h"

const char *route_room(const struct config *config, const char *app, enum severity severity)
{
	const struct config_app *own = config_app(config, app);

	if (own && own->route[severity])
		return own->route[severity];
	return config->route[severity];
}
