/*
 * tokens.h - bearer tokens and their rights over TCP. Stored as SHA-256, compared in constant time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "bot/config/config.h"

enum token_right { TOKEN_SEND = 1, TOKEN_READ = 2, TOKEN_COMMAND = 4 };

struct token {
	char name[64];
	unsigned rights; /* bits of enum token_right */
	unsigned char digest[32];
};

struct tokens {
	struct token *list;
	size_t len;
};

/*
 * Reads [http] token_file (one token, with all rights) and [http] tokens (a file with one token a
 * line: NAME RIGHTS TOKEN, RIGHTS being send, read and command separated by commas; # begins a
 * comment). On failure *tokens is empty. ERR_CONFIG, ERR_DENIED, ERR_IO.
 */
enum err tokens_read(struct tokens *tokens, const struct config *config, struct fault *fault);
void tokens_finish(struct tokens *tokens);
/* The token of an Authorization header, or NULL. basic: it may also be the password of basic
 * authentication, which browsers send. */
const struct token *tokens_find(const struct tokens *tokens, const char *authorization, bool basic);
