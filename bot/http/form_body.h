/*
 * form_body.h - the body of a request that was sent as a form (multipart/form-data or
 * application/x-www-form-urlencoded) where an endpoint wants JSON.
 */
#pragma once

#include "bot/http/web_internal.h"

/* Replaces a form by the JSON in its field `data` (Uptime Kuma) or `payload` (GitHub), else by an
 * object of its fields. Any other body, and JSON that is only labelled as a form, stays. */
void form_body_unwrap(struct web_call *call);
