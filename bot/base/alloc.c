/*
 * alloc.c - see alloc.h.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bot/base/alloc.h"

/* Unused memory above which it is returned to the system. */
#define TRIM_BYTES (128 * 1024)

static _Noreturn void alloc_die(void)
{
	static const char text[] = "out of memory\n";

	/* write(), because stdio might allocate; a short write does not matter, as the process
	 * aborts */
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		abort();
	abort();
}

void *x_calloc(size_t count, size_t size)
{
	void *fresh = calloc(count ? count : 1, size ? size : 1);

	if (!fresh)
		alloc_die();
	return fresh;
}

void *x_realloc(void *old, size_t size)
{
	void *fresh = realloc(old, size ? size : 1);

	if (!fresh)
		alloc_die();
	return fresh;
}

char *x_strdup(const char *text)
{
	return x_strndup(text, strlen(text));
}

char *x_strndup(const char *text, size_t len)
{
	size_t used = strnlen(text, len);
	char *fresh = x_realloc(NULL, used + 1);

	memcpy(fresh, text, used);
	fresh[used] = '\0';
	return fresh;
}

char *x_asprintf(const char *format, ...)
{
	char *fresh;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&fresh, format, args);
	va_end(args);
	if (len < 0)
		alloc_die();
	return fresh;
}

char *x_strdup_opt(const char *text)
{
	return text ? x_strdup(text) : NULL;
}

void x_wipe_free(void *secret, size_t len)
{
	if (!secret)
		return;
	explicit_bzero(secret, len);
	free(secret);
}

void x_wipe_free_str(char *secret)
{
	x_wipe_free(secret, secret ? strlen(secret) : 0);
}

static void *alloc_for_json(size_t size)
{
	return x_realloc(NULL, size);
}

/* Keys, tokens and passwords pass through JSON, so every block is wiped before it is freed. */
static void free_for_json(void *block)
{
	if (block)
		explicit_bzero(block, malloc_usable_size(block));
	free(block);
}

void x_alloc_take_arena(void)
{
	free(x_realloc(NULL, 1));
}

void x_alloc_trim(void)
{
	if (mallinfo2().fordblks > TRIM_BYTES)
		malloc_trim(0);
}

void x_alloc_init(void)
{
	json_set_alloc_funcs(alloc_for_json, free_for_json);
	/* One arena for the loop and one for the writer, which allocate at the same time while
	 * alerts come in numbers: with a single one half of their time goes into its lock. The
	 * other threads share the two, since an arena for each would only hold memory. A fixed
	 * threshold keeps a single large block from raising the amount that stays unreturned. */
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 64 * 1024);
#endif
}
