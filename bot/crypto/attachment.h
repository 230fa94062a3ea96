/*
 * attachment.h - encrypts files for encrypted rooms (client-server API, "Sending encrypted
 * attachments"): AES-256-CTR under a key for this file alone, which is sent inside the encrypted
 * event.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* Encrypts len bytes in place. Returns the event's `file` object (key, iv, hashes) without its
 * `url`; a new reference. */
json_t *attachment_encrypt(void *data, size_t len);
