/*
 * page_form.h - the page's forms: what it takes to acknowledge and silence from a browser, and from
 * nowhere else.
 *
 * A browser sends the password it remembers with whatever another site makes it send. So a form is
 * taken only if its Origin is the host it was sent to, and with a nonce that is bound to the token,
 * to a cookie that other sites cannot make a browser send (SameSite), and to the time.
 */
#pragma once

#include "bot/http/web_internal.h"

#define PAGE_NONCE_SIZE 96

/* Whether who asks may act from the page. */
bool page_may_act(const struct web_call *call);
/* The nonce for this answer's forms; sets the cookie where there is none. */
void page_nonce(struct web_call *call, char out[PAGE_NONCE_SIZE]);
/* What was said about the form before this page ("?said="), or NULL; borrowed. */
const char *page_said(struct web_call *call);
