/*
 * attachment.h - files for encrypted rooms, as of the client-server API, "Sending encrypted
 * attachments": AES-256-CTR under a key of their own, which travels in the encrypted event.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* Encrypts in place. The `file` object of the event without its `url`: key, iv, hashes; a new
 * reference. */
json_t *attachment_encrypt(void *data, size_t len);
