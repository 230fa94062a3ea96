/*
 * credentials.h - systemd's credentials of the daemon's unit, for commands that root starts: they
 * exist for the unit alone.
 */
#pragma once

#include "bot/config/config.h"

/*
 * If this is root, and the config is the installed one: makes secret_read() find the credentials
 * that the unit has while it runs, or gets from /etc/credstore, /run/credstore or
 * /etc/credstore.encrypted when it starts. They stay readable after this process took other rights.
 */
void credentials_gather(const struct config *config);
/* Wipes them. */
void credentials_forget(void);
