/*
 * tokens.c - see tokens.h.
 */
#include "bot/http/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/base64.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/config/secret.h"

#define TOKENS_MAX 1000
#define TOKEN_FILE_MAX (256 * 1024)

static void digest_of(const char *token, unsigned char digest[32])
{
	struct sha256_ctx hash;

	sha256_init(&hash);
	sha256_update(&hash, strlen(token), (const uint8_t *)token);
	sha256_digest(&hash, SHA256_DIGEST_SIZE, digest);
	explicit_bzero(&hash, sizeof(hash));
}

static void tokens_add(struct tokens *tokens, const char *name, unsigned rights, const char *token)
{
	struct token *fresh;

	tokens->list = x_realloc(tokens->list, (tokens->len + 1) * sizeof(*tokens->list));
	fresh = &tokens->list[tokens->len++];
	snprintf(fresh->name, sizeof(fresh->name), "%s", name);
	fresh->rights = rights;
	digest_of(token, fresh->digest);
}

static bool read_rights(char *text, unsigned *rights)
{
	char *place = NULL;

	*rights = 0;
	for (char *word = strtok_r(text, ",", &place); word; word = strtok_r(NULL, ",", &place))
		if (strcmp(word, "send") == 0)
			*rights |= TOKEN_SEND;
		else if (strcmp(word, "read") == 0)
			*rights |= TOKEN_READ;
		else if (strcmp(word, "command") == 0)
			*rights |= TOKEN_COMMAND;
		else
			return false;
	return *rights != 0;
}

/* The content of a file that other users must not be able to read; owned by the caller, who wipes
 * it. */
static char *read_private(const char *path, struct fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	struct stat st;
	ssize_t len;

	if (fd == -1 || fstat(fd, &st) == -1) {
		fault_set(
		        fault, ERR_IO, "[http] tokens: cannot read %s: %s", path, strerror(errno));
	} else if (st.st_mode & 077 & ~040) {
		fault_set(fault, ERR_DENIED,
		        "[http] tokens: %s is accessible by other users; run: chmod 640 %s", path,
		        path);
	} else {
		text = x_calloc(1, TOKEN_FILE_MAX);
		len = read(fd, text, TOKEN_FILE_MAX);
		if (len < 0)
			fault_set(fault, ERR_IO, "[http] tokens: cannot read %s: %s", path,
			        strerror(errno));
		else if (len == TOKEN_FILE_MAX || memchr(text, '\0', (size_t)len))
			fault_set(fault, ERR_CONFIG,
			        "[http] tokens: %s is not a text of less than %d bytes", path,
			        TOKEN_FILE_MAX);
		if (fault->code) {
			x_wipe_free(text, TOKEN_FILE_MAX);
			text = NULL;
		}
	}
	if (fd != -1)
		close(fd);
	return text;
}

static enum err tokens_read_many(struct tokens *tokens, const char *path, struct fault *fault)
{
	char *text = read_private(path, fault), *place = NULL;
	unsigned number = 0, rights;
	enum err err = OK;

	if (!text)
		return fault->code;
	for (char *line = text, *next; line && !err; line = next) {
		char *end = strchr(line, '\n'), *name, *words, *token;

		next = end ? end + 1 : NULL;
		if (end)
			*end = '\0';
		number++;
		name = strtok_r(line, " \t\r", &place);
		if (!name || *name == '#')
			continue;
		words = strtok_r(NULL, " \t\r", &place);
		token = words ? strtok_r(NULL, " \t\r", &place) : NULL;
		/* a fourth word would mean that the third is not what was meant to be the token */
		if (!token || strtok_r(NULL, " \t\r", &place) || !read_rights(words, &rights) ||
		        strlen(name) >= sizeof(tokens->list->name))
			err = fault_set(fault, ERR_CONFIG,
			        "%s:%u: a line is NAME RIGHTS TOKEN, RIGHTS being some of send, "
			        "read, command separated by commas without blanks",
			        path, number);
		else if (tokens->len >= TOKENS_MAX)
			err = fault_set(fault, ERR_CONFIG, "%s:%u: more than %d tokens", path,
			        number, TOKENS_MAX);
		else
			tokens_add(tokens, name, rights, token);
	}
	x_wipe_free(text, TOKEN_FILE_MAX);
	return err;
}

enum err tokens_read(struct tokens *tokens, const struct config *config, struct fault *fault)
{
	char *token = NULL;
	enum err err = OK;

	*tokens = (struct tokens){0};
	if (config->http.token.file) {
		err = secret_read(&config->http.token, "http-token", &token, fault);
		if (err == OK)
			tokens_add(tokens, "token_file", TOKEN_SEND | TOKEN_READ | TOKEN_COMMAND,
			        token);
		else
			fault_wrap(fault, "[http] token_file");
		x_wipe_free_str(token);
	}
	if (err == OK && config->http.tokens)
		err = tokens_read_many(tokens, config->http.tokens, fault);
	if (err)
		tokens_finish(tokens);
	return err;
}

void tokens_finish(struct tokens *tokens)
{
	free(tokens->list);
	*tokens = (struct tokens){0};
}

/* Writes the password of base64 to out; false when there is none. */
static bool basic_password(const char *encoded, char *out, size_t size)
{
	size_t len = strlen(encoded), used = 0;
	struct base64_decode_ctx base64;
	unsigned char plain[1024];
	char *colon = NULL;
	bool good;

	/* nettle skips blanks, which do not belong there */
	if (len == 0 || len % 4 != 0 || BASE64_DECODE_LENGTH(len) >= sizeof(plain) ||
	        strpbrk(encoded, " \t\n\v\f\r"))
		return false;
	base64_decode_init(&base64);
	good = base64_decode_update(&base64, &used, plain, len, encoded) &&
	       base64_decode_final(&base64);
	plain[used] = '\0';
	if (good)
		colon = strchr((char *)plain, ':');
	if (colon)
		snprintf(out, size, "%s", colon + 1);
	explicit_bzero(plain, sizeof(plain));
	return colon;
}

/* Writes the token of a header to out; false when there is none. */
static bool tokens_read_header(const char *header, bool basic, char *out, size_t size)
{
	char text[1024];
	size_t len = strlen(header), word = strcspn(header, " \t");
	bool found = false;

	while (len > 0 && strchr(" \t", header[len - 1])) /* blanks around a header do not count */
		len--;
	if (len >= sizeof(text) || word >= len)
		return false;
	memcpy(text, header, len);
	text[len] = '\0';
	header = text + word + strspn(text + word, " \t");
	if (word == 6 && strncasecmp(text, "Bearer", word) == 0)
		found = snprintf(out, size, "%s", header) < (int)size;
	else if (word == 5 && strncasecmp(text, "Basic", word) == 0 && basic)
		found = basic_password(header, out, size);
	explicit_bzero(text, sizeof(text));
	return found;
}

const struct token *tokens_find(const struct tokens *tokens, const char *authorization, bool basic)
{
	const struct token *found = NULL;
	unsigned char digest[32];
	char token[1024];

	if (!tokens_read_header(authorization, basic, token, sizeof(token)))
		return NULL;
	digest_of(token, digest);
	explicit_bzero(token, sizeof(token));
	for (size_t i = 0; i < tokens->len; i++)
		if (memeql_sec(digest, tokens->list[i].digest, sizeof(digest)))
			found = &tokens->list[i];
	return found;
}
