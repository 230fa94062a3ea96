/*
 * alert_internal.h - the keys of an alert, for alert.c and alert_parse.c only.
 */
#pragma once

#include "handlers/alerts/alert.h"

/* A common key with a string value, and the offset of its member in struct alert. */
struct alert_key {
	const char *name;
	ptrdiff_t offset; /* -1 = handled separately */
	size_t max_points;
};

#define ALERT_KEYS_LEN 13
extern const struct alert_key alert_keys[ALERT_KEYS_LEN];

const struct alert_key *alert_key_find(const char *name);
char **alert_member(struct alert *alert, const struct alert_key *key);
/* Computes identity, subject and fingerprint from the other members. kind may be NULL. */
void alert_identify(struct alert *alert, const struct config_kind *kind);
