/*
 * content.h - the content of an m.room.message: body, HTML, mentions, thread.
 *
 * m.mentions is always set, so that no text can notify anybody by itself. Texts are used as they
 * are; the caller escapes them. All results are new references.
 */
#pragma once

#include <jansson.h>

/* html may be NULL: body only. Takes the reference to mentions. */
json_t *content_text(const char *msgtype, const char *body, const char *html, json_t *mentions);

/* names: user ids and "room", terminated by NULL; names NULL = nobody. */
json_t *content_mentions(char *const *names);

/* Makes content an answer to reply_to in the thread whose root event is root. */
void content_thread(json_t *content, const char *root, const char *reply_to);
/* Like content_thread(), following [commands] answers: with "reply" it starts no new thread. */
void content_answer(json_t *content, const char *answers, const char *root, const char *reply_to);
