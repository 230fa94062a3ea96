/*
 * fake_ask.c - see fake_ask.h.
 */
#include "fake_ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/clock.h"

struct ask {
	char url[64];
};

struct fake_ask fake_ask;

void fake_ask_reset(void)
{
	free(fake_ask.last_body);
	memset(&fake_ask, 0, sizeof(fake_ask));
}

enum err ask_open(struct ask **out, const struct config *config, struct fault *fault)
{
	*out = NULL;
	if (fake_ask.open != OK)
		return fault_set(fault, fake_ask.open, "no way to %s", config->matrix.homeserver);
	*out = calloc(1, sizeof(**out));
	snprintf((*out)->url, sizeof((*out)->url), "https://matrix.example.org");
	return OK;
}

void ask_close(struct ask *ask)
{
	free(ask);
}

const char *ask_url(const struct ask *ask)
{
	return ask->url;
}

enum err ask_set_token(struct ask *ask, const char *token)
{
	if (token && strchr(token, ' '))
		return ERR_INVALID;
	snprintf(fake_ask.token, sizeof(fake_ask.token), "%s", token ? token : "");
	return OK;
}

void ask_call(struct ask *ask, const char *method, const char *path, const json_t *body,
        struct ask_answer *answer)
{
	*answer = (struct ask_answer){.retry_after_ms = -1};
	for (size_t i = 0; i < fake_ask.len; i++) {
		const struct fake_call *call = &fake_ask.calls[i];

		if (strcmp(call->method, method) != 0 || strcmp(call->path, path) != 0)
			continue;
		fake_ask.asked[i]++;
		if (body) {
			free(fake_ask.last_body);
			fake_ask.last_body = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
		}
		answer->code = call->code;
		if (call->body) {
			answer->body = json_loads(call->body, 0, NULL);
			assert_non_null(answer->body);
		}
		if (fake_ask.retry_after_ms > 0)
			answer->retry_after_ms = fake_ask.retry_after_ms;
		snprintf(answer->errcode, sizeof(answer->errcode), "%s",
		        call->errcode ? call->errcode : "");
		snprintf(answer->error, sizeof(answer->error), "%s", err_text(call->code));
		return;
	}
	/* what the table does not have is not there */
	answer->code = ERR_NOT_FOUND;
	snprintf(answer->error, sizeof(answer->error), "not in the table: %s %s", method, path);
}

void ask_answer_finish(struct ask_answer *answer)
{
	json_decref(answer->body);
	answer->body = NULL;
}

enum err ask_date(struct ask *ask, int64_t *theirs_ms, int64_t *ours_ms, struct fault *fault)
{
	*ours_ms = clock_now_ms();
	*theirs_ms = *ours_ms + fake_ask.skew_ms;
	return OK;
}
