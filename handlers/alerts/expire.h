/*
 * expire.h - alerts that say when they end (`ends_at`), as Prometheus sends them: each is resolved
 * at that time unless it is sent again before, which only moves the end. Inside writer jobs.
 *
 * The ends are stored, so that they survive a restart. An alert could not be sent again while the
 * daemon was down: its full time starts again when the daemon starts.
 */
#pragma once

#include "handlers/alerts/deliver.h"

/* Applies an alert to the expiry of its subject before it is accepted. *first: id of the alert
 * that is already firing and was extended by this one, which is then not accepted; 0 = accept
 * it. */
enum err expire_look(const struct deliver *d, const struct alert *alert, int64_t *first);
/* Stores the expiry of an alert that was accepted with that id. */
enum err expire_note(const struct deliver *d, const struct alert *alert, int64_t id);

/* Resolves alerts whose end has come, and reads no others. started_ms: when the daemon started, at
 * the first call after that; else 0. */
enum err expire_due(const struct deliver *d, int64_t started_ms);
