/*
 * alloc.h - allocation that never returns NULL: the process aborts when memory runs out.
 *
 * One policy for running out of memory: every accepted alert is on disk before it is acknowledged,
 * so the daemon can log one line and abort, and its supervisor restarts it with nothing lost.
 * Callers therefore have no NULL branches. All sizes are bounded by the limits on input long before
 * they get here. The caller owns what is returned and frees it with free().
 */
#pragma once

#include <stddef.h>
#include <stdlib.h> /* free() */

void *x_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *x_realloc(void *old, size_t size) __attribute__((returns_nonnull));
char *x_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *x_strndup(const char *text, size_t len) __attribute__((malloc, returns_nonnull));
char *x_asprintf(const char *format, ...)
        __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/* As x_strdup(), but NULL gives NULL. */
char *x_strdup_opt(const char *text);

/* Overwrites len bytes, in a way that the compiler does not optimize away, and frees them; NULL is
 * allowed. */
void x_wipe_free(void *secret, size_t len);
/* The same for a terminated string. */
void x_wipe_free_str(char *secret);

/* Makes jansson use these functions; call it once, first in main(). */
void x_alloc_init(void);
/* Gives the calling thread an arena of its own if no other thread beside main()'s that has
 * allocated is running; the threads after it share the two. */
void x_alloc_take_arena(void);
/* Returns unused memory to the system if there is much of it. */
void x_alloc_trim(void);
