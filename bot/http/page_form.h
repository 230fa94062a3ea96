/*
 * page_form.h - the page's forms: protection against forged requests.
 *
 * A browser adds a remembered password to requests that another site makes it send. Therefore a
 * form is accepted only if its Origin is the host it was sent to, and with a nonce that is bound to
 * the token, to a cookie that other sites cannot make a browser send (SameSite), and to the time.
 */
#pragma once

#include "bot/http/web_internal.h"

#define PAGE_NONCE_SIZE 96

/* Whether the client may use the forms. */
bool page_may_act(const struct web_call *call);
/* The nonce for the forms of this answer; sets the cookie if there is none. */
void page_nonce(struct web_call *call, char out[PAGE_NONCE_SIZE]);
/* The result of the form sent before this page ("?said="), or NULL; borrowed. */
const char *page_said(struct web_call *call);
