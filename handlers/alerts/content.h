/*
 * content.h - how the content of an m.room.message relates to another event: as a reply, or as an
 * answer in its thread. handlers/message/words.h makes the rest of it.
 */
#pragma once

#include <jansson.h>

/* Makes content an answer to reply_to in the thread whose root event is root. */
void content_thread(json_t *content, const char *root, const char *reply_to);
/* Like content_thread(), following [commands] answers: with "reply" it starts no new thread. */
void content_answer(json_t *content, const char *answers, const char *root, const char *reply_to);
