/*
 * page.h - elements of the page, for bot/http/page*.c only. Text from outside is escaped by
 * page_text(); links are http or https only.
 */
#pragma once

#include "bot/base/text.h"
#include "bot/http/page_form.h"

/* The data that the page is built from. */
struct page {
	struct web_call *call;
	struct buf *out;
	const json_t *alerts, *status, *silences, *oncall;
	int64_t untold; /* alerts of a storm that are only counted */
	int64_t now_ms;
	bool acts; /* the forms are shown */
	char nonce[PAGE_NONCE_SIZE];
};

/* Adds neutral text, escaped and shortened; NULL counts as "". */
void page_text(struct page *page, const char *text);
const char *page_string(const json_t *object, const char *name);
int64_t page_number(const json_t *object, const char *name);
/* Adds how long ago since_ms was. */
void page_age(struct page *page, int64_t since_ms);
/* Adds a heading with a count, which is left out when 0. */
void page_heading(struct page *page, const char *text, size_t count);
/* Opens a form; the caller adds its fields. */
void page_form(struct page *page, const char *action);
/* Adds "+3 more: …" when len is greater than most. */
void page_more(struct page *page, size_t len, size_t most, const char *command);

/* The number of alerts of a rank: unacknowledged by severity, 0 to 2; or one of these. */
#define PAGE_ACKED 3
#define PAGE_SILENCED 4 /* and not acknowledged */
#define PAGE_RANKS 5
size_t page_count(const struct page *page, int rank);
void page_alerts(struct page *page);
