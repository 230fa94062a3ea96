/*
 * content.h - the content of an m.room.message: body, HTML, mentions, thread.
 *
 * m.mentions is always set, so that no text can ping. What is given as text is taken as it is:
 * escaping is the caller's. New references throughout.
 */
#pragma once

#include <jansson.h>

/* html may be NULL: the body alone. Takes the reference to mentions. */
json_t *content_text(const char *msgtype, const char *body, const char *html, json_t *mentions);

/* names: user ids and "room", ends with NULL; NULL = nobody. */
json_t *content_mentions(char *const *names);

/* Makes it an answer to reply_to in the thread that begins with root. */
void content_thread(json_t *content, const char *root, const char *reply_to);
/* The same as of [commands] answers: with "reply" it begins no thread. */
void content_answer(json_t *content, const char *answers, const char *root, const char *reply_to);
