/*
 * words_links.c - links and mentions of words.h.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "handlers/message/words.h"

#define URL_MAX_BYTES (128 * 1024)

/* Adds a tag to the HTML only. */
static void words_add_link(struct words *words, const char *url)
{
	struct buf html;

	buf_init(&html, URL_MAX_BYTES);
	buf_add_str(&html, "<a href=\"");
	text_add_html(&html, url, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
	buf_add_str(&html, "\">");
	words_raw(words, "", buf_str(&html));
	buf_finish(&html);
}

/* Adds text to the plain text only. */
static void words_say_plainly(struct words *words, const char *before, const char *text)
{
	struct buf body;

	buf_init(&body, URL_MAX_BYTES);
	buf_add_str(&body, before);
	text_add_plain(&body, text, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
	words_raw(words, buf_str(&body), "");
	buf_finish(&body);
}

void words_link(struct words *words, const char *url)
{
	words->url = url;
	if (url)
		words_add_link(words, url);
}

void words_link_end(struct words *words)
{
	if (words->url) {
		words_raw(words, "", "</a>");
		words_say_plainly(words, ": ", words->url);
	}
	words->url = NULL;
}

/* Adds an id to a matrix.to link; its sigil and colon are not percent-encoded, so that it stays
 * readable. */
static void words_add_id(struct buf *out, const char *id)
{
	for (char one[2] = ""; *id; id++) {
		one[0] = *id;
		if (strchr("@!$:", *id))
			buf_add_char(out, *id);
		else
			text_add_uri(out, one);
	}
}

static char *words_matrix_to(const char *id, const char *event_id)
{
	struct buf url;

	buf_init(&url, URL_MAX_BYTES);
	buf_add_str(&url, "https://matrix.to/#/");
	words_add_id(&url, id);
	if (event_id) {
		buf_add_char(&url, '/');
		words_add_id(&url, event_id);
	}
	return buf_take(&url);
}

void words_permalink(struct words *words, const char *room_id, const char *event_id)
{
	free(words->owned_url);
	words->owned_url = room_id && event_id ? words_matrix_to(room_id, event_id) : NULL;
	words_link(words, words->owned_url);
}

void words_failure(struct words *words, const char *app, const char *identity, const char *room_id,
        const char *event_id)
{
	struct words text;
	char *html;
	bool bare;

	words_init(&text);
	words_name(&text, app, WORDS_NAME_POINTS);
	words_say(&text, " · ");
	words_what(&text, identity);
	html = words_html(&text);
	bare = !strchr(html, '<');
	if (bare)
		words_permalink(words, room_id, event_id);
	words_raw(words, buf_str(&text.lines[0].body), buf_str(&text.lines[0].html));
	if (!bare && room_id && event_id) {
		words_say(words, " · ");
		words_permalink(words, room_id, event_id);
		words_say(words, "see the message");
	}
	words_link_end(words);
	free(html);
	words_finish(&text);
}

/* Adds a pill, for which clients show the user's name. */
static void words_pill(struct words *words, const char *user)
{
	char *url = words_matrix_to(user, NULL), *name = x_strndup(user, strcspn(user, ":"));
	struct buf html;

	buf_init(&html, URL_MAX_BYTES);
	text_add_html(&html, name, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
	words_add_link(words, url);
	words_raw(words, "", buf_str(&html));
	words_raw(words, "", "</a>");
	words_say_plainly(words, "", user);
	buf_finish(&html);
	free(name);
	free(url);
}

void words_mention_silently(struct words *words, char *const *names)
{
	for (size_t i = 0; names && names[i]; i++)
		if (strcmp(names[i], "room") == 0)
			words->room = true;
		else
			json_array_append_new(words->users, json_string(names[i]));
}

void words_mention(struct words *words, char *const *names)
{
	words_mention_silently(words, names);
	for (size_t i = 0; names && names[i]; i++) {
		words_say(words, "%s", i ? " " : "");
		if (strcmp(names[i], "room") == 0)
			words_say(words, "@room");
		else
			words_pill(words, names[i]);
	}
}
