/*
 * page.h - the page's pieces, for bot/http/page*.c alone. What comes from outside is escaped by
 * page_text(); links are http or https.
 */
#pragma once

#include "bot/base/text.h"
#include "bot/http/page_form.h"

/* What the page is made of. */
struct page {
	struct web_call *call;
	struct buf *out;
	const json_t *alerts, *status, *silences, *oncall;
	int64_t now_ms;
	bool acts; /* forms are shown */
	char nonce[PAGE_NONCE_SIZE];
};

/* Neutral text, escaped and cut; NULL is "". */
void page_text(struct page *page, const char *text);
const char *page_string(const json_t *object, const char *name);
int64_t page_number(const json_t *object, const char *name);
/* How long ago. */
void page_age(struct page *page, int64_t since_ms);
/* count 0 is left out. */
void page_heading(struct page *page, const char *text, size_t count);
/* A form up to its fields. */
void page_form(struct page *page, const char *action);
/* "+3 more: …" where there are more than most. */
void page_more(struct page *page, size_t len, size_t most, const char *command);

/* How the alerts are ranked: unacknowledged by severity, 0 to 2; 3 = acknowledged. */
size_t page_count(const struct page *page, int rank);
void page_alerts(struct page *page);
