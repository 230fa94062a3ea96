/*
 * route.h - which room an alert belongs to. Pure.
 */
#pragma once

#include "handlers/alerts/alert.h"

/* The room's name: the app's own, else [route]. Belongs to the config; never NULL. */
const char *route_room(const struct config *config, const char *app, enum severity severity);
