/*
 * route.h - the room that an alert goes to. Pure.
 */
#pragma once

#include "handlers/alerts/alert.h"

/* The room's name: the app's own, else that of [route]. Borrowed from the config; never NULL. */
const char *route_room(const struct config *config, const char *app, enum severity severity);
