/*
 * notify.h - notifies systemd (sd_notify(3)); does nothing without systemd.
 */
#pragma once

#include <stdint.h>

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_alive(void); /* WATCHDOG=1 */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How often notify_alive() is due, in ms (half of what systemd waits); 0 = no watchdog. */
int64_t notify_watchdog_ms(void);
