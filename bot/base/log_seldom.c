/*
 * log_seldom.c - rate-limited lines, see log.h. The kinds of the last minute are kept in a small
 * table; when it is full, the oldest is removed and its count is logged early.
 */
#include "bot/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/clock.h"

#define KINDS_MAX 32
#define TEXT_MAX 256
#define AGAIN_MS CLOCK_MINUTE_MS

struct kind {
	const char *format; /* NULL: the slot is free */
	char key[64];
	enum log_level level;
	const char *area;
	int64_t since_ms;    /* monotonic; when the first line was written */
	unsigned more;       /* lines not written since then */
	char text[TEXT_MAX]; /* the newest of these */
};

static struct kind kinds[KINDS_MAX];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void kind_end(struct kind *kind)
{
	if (kind->more == 1)
		log_write(kind->level, kind->area, "%s", kind->text);
	else if (kind->more > 1)
		log_write(kind->level, kind->area, "%s (%u times in a minute)", kind->text,
		        kind->more);
	kind->format = NULL;
}

static void kinds_flush(int64_t now_ms)
{
	for (size_t i = 0; i < KINDS_MAX; i++)
		if (kinds[i].format && now_ms - kinds[i].since_ms >= AGAIN_MS)
			kind_end(&kinds[i]);
}

/* The slot of the kind, or the oldest one, emptied. *fresh: the kind had no slot. */
static struct kind *kind_get(const char *format, const char *key, bool *fresh)
{
	struct kind *oldest = &kinds[0];

	*fresh = false;
	for (size_t i = 0; i < KINDS_MAX; i++) {
		struct kind *kind = &kinds[i];

		if (kind->format == format && strcmp(kind->key, key) == 0)
			return kind;
		if (oldest->format && (!kind->format || kind->since_ms < oldest->since_ms))
			oldest = kind;
	}
	*fresh = true;
	if (oldest->format)
		kind_end(oldest);
	return oldest;
}

void log_seldom(enum log_level level, const char *area, const char *key, const char *format, ...)
{
	int64_t now_ms = clock_monotonic_ms();
	char text[TEXT_MAX], name[sizeof(kinds[0].key)];
	struct kind *kind;
	bool fresh;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(name, sizeof(name), "%s", key);
	pthread_mutex_lock(&mutex);
	kinds_flush(now_ms);
	kind = kind_get(format, name, &fresh);
	if (fresh) {
		*kind = (struct kind){
		        .format = format, .level = level, .area = area, .since_ms = now_ms};
		memcpy(kind->key, name, sizeof(name));
		log_write(level, area, "%s", text);
	} else {
		kind->more++;
		memcpy(kind->text, text, sizeof(text));
	}
	pthread_mutex_unlock(&mutex);
}

void log_flush(int64_t now_ms)
{
	pthread_mutex_lock(&mutex);
	kinds_flush(now_ms);
	pthread_mutex_unlock(&mutex);
}
