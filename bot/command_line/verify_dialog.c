/*
 * verify_dialog.c - see verify_dialog.h.
 *
 * Waits for a verification request (or uses a pending one), accepts it, shows the emoji, asks the
 * user, and prints the result. The daemon does the protocol and is polled every half second. Only a
 * person at a terminal can confirm: there is no option for it.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "bot/client/socket.h"
#include "bot/command_line/verify_dialog.h"

#define ANSWER_TIMEOUT_MS 10000
#define POLL_MS 500
#define WAIT_MS (10 * CLOCK_MINUTE_MS) /* for a request, and for each following step */
#define LINE_MAX_BYTES 1024

struct dialogue {
	struct client *client;
	bool json;
	const char *wanted; /* user, or NULL = anybody */
	json_t *now;        /* the verification as of the last poll, or NULL */
	int status;         /* exit status when a step failed */
};

/* ---- printing ---- */

/* Prints one line of text from outside. */
static void print_plain(const char *before, const char *text, const char *after)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	text_add_plain(&line, text, 255, TEXT_FOLD_NEWLINES);
	printf("%s%s%s", before, buf_str(&line), after);
	buf_finish(&line);
}

static bool dialogue_fail(struct dialogue *d, int status, const char *message)
{
	fprintf(stderr, "matrix-telemetry-bot: verify: %s\n", message);
	d->status = status;
	return false;
}

static void print_who(const json_t *v)
{
	bool own = json_is_true(json_object_get(v, "own"));

	print_plain("", client_text(v, "user_id"), " asks for verification");
	print_plain(", from device ", client_text(v, "device_id"), "\n");
	if (own)
		printf("  This is the bot's own account: the device will be trusted as the bot "
		       "is.\n");
	else if (json_is_true(json_object_get(v, "identity_changed")))
		printf("  Their identity CHANGED since it was seen first: go on only if they say "
		       "that they reset it.\n");
}

static void print_comparison(const json_t *v)
{
	const json_t *item;
	size_t i;

	print_plain("  the device's fingerprint: ", client_text(v, "fingerprint"), "\n");
	printf("\nCompare with what the other device shows:\n\n ");
	json_array_foreach(json_object_get(v, "emoji"), i, item)
	{
		printf("  %s %s", client_text(item, "emoji"), client_text(item, "name"));
	}
	printf("\n\n  or the numbers:");
	json_array_foreach(json_object_get(v, "decimals"), i, item)
	{
		printf(" %lld", (long long)json_integer_value(item));
	}
	printf("\n\n");
}

/* ---- polling the daemon ---- */

static bool dialogue_ask(struct dialogue *d, json_t *request, json_t **answer)
{
	struct fault fault;
	enum err err = client_call(d->client, request, ANSWER_TIMEOUT_MS, answer, &fault);

	json_decref(request);
	if (err == OK)
		return true;
	return dialogue_fail(d, err == ERR_TIMEOUT ? EX_TEMPFAIL : EX_UNAVAILABLE, fault.text);
}

static bool dialogue_is_over(const json_t *v)
{
	const char *state = client_text(v, "state");

	return strcmp(state, "done") == 0 || strcmp(state, "cancelled") == 0;
}

static bool dialogue_has_state(const struct dialogue *d, const char *state)
{
	return strcmp(client_text(d->now, "state"), state) == 0;
}

/* Stores the new state of the verification; with --json prints a line for each change. */
static void dialogue_take(struct dialogue *d, json_t *v)
{
	if (d->json && (!d->now || !dialogue_has_state(d, client_text(v, "state")))) {
		client_print(v);
		fflush(stdout);
	}
	json_incref(v);
	json_decref(d->now);
	d->now = v;
}

static void tell_who(struct dialogue *d, const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach((json_t *)list, i, v)
	{
		if (!dialogue_is_over(v) && !d->json)
			print_plain("  ", client_text(v, "user_id"), " asks for verification\n");
	}
	dialogue_fail(d, EX_USAGE, "several people are asking: name one, as in verify USER");
}

/* Polls the pending verification, or the one in progress. False: a step failed. */
static bool dialogue_look(struct dialogue *d)
{
	json_t *answer, *v, *found = NULL;
	size_t i, count = 0;

	if (!dialogue_ask(d, json_pack("{s:s, s:s}", "op", "verify", "action", "list"), &answer))
		return false;
	json_array_foreach(json_object_get(answer, "verifications"), i, v)
	{
		bool mine = d->now ? strcmp(client_text(v, "id"), client_text(d->now, "id")) == 0 &&
		                             strcmp(client_text(v, "user_id"),
		                                     client_text(d->now, "user_id")) == 0
		                   : !dialogue_is_over(v) &&
		                             (!d->wanted || strcmp(client_text(v, "user_id"),
		                                                    d->wanted) == 0);

		if (mine) {
			found = v;
			count++;
		}
	}
	if (count > 1)
		tell_who(d, json_object_get(answer, "verifications"));
	else if (found)
		dialogue_take(d, found);
	else if (d->now)
		dialogue_fail(d, EX_TEMPFAIL, "the daemon no longer knows of it");
	json_decref(answer);
	return d->status == EX_OK;
}

/* Sends an action of the user to the daemon. *again: not possible yet, try again soon. */
static bool dialogue_send_action(struct dialogue *d, const char *action, bool *again)
{
	json_t *answer;

	if (!dialogue_ask(d,
	            json_pack("{s:s, s:s, s:O, s:O}", "op", "verify", "action", action, "user_id",
	                    json_object_get(d->now, "user_id"), "id",
	                    json_object_get(d->now, "id")),
	            &answer))
		return false;
	*again = json_is_true(json_object_get(answer, "retry"));
	if (json_is_true(json_object_get(answer, "ok")))
		dialogue_take(d, json_object_get(answer, "verification"));
	else if (!*again)
		dialogue_fail(d, EX_DATAERR, client_text(answer, "message"));
	json_decref(answer);
	return d->status == EX_OK;
}

/* ---- the dialogue ---- */

static void pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

static bool wait_for_request(struct dialogue *d)
{
	int64_t end_ms = clock_monotonic_ms() + WAIT_MS;
	bool told = false;

	while (dialogue_look(d) && !d->now) {
		if (!told && !d->json)
			printf("Waiting for a request. In Element: the bot's profile, then "
			       "Verify.\n");
		told = true;
		if (clock_monotonic_ms() > end_ms)
			return dialogue_fail(d, EX_TEMPFAIL, "nobody asked for ten minutes");
		pause_ms(POLL_MS);
	}
	return d->status == EX_OK;
}

static bool accept_request(struct dialogue *d)
{
	int64_t end_ms = clock_monotonic_ms() + CLOCK_MINUTE_MS;
	bool again = true;

	while (dialogue_has_state(d, "requested")) {
		if (!dialogue_send_action(d, "accept", &again))
			return false;
		if (again && clock_monotonic_ms() > end_ms)
			return dialogue_fail(
			        d, EX_TEMPFAIL, "their devices cannot be looked up now");
		if (again)
			pause_ms(POLL_MS);
	}
	return true;
}

/* Polls while the verification is in one of these states. */
static bool wait_while(struct dialogue *d, const char *const states[])
{
	int64_t end_ms = clock_monotonic_ms() + WAIT_MS;
	bool go_on = true;

	while (go_on) {
		go_on = false;
		for (size_t i = 0; states[i]; i++)
			go_on = go_on || dialogue_has_state(d, states[i]);
		if (!go_on)
			break;
		if (clock_monotonic_ms() > end_ms)
			return dialogue_fail(d, EX_TEMPFAIL, "it took too long");
		pause_ms(POLL_MS);
		if (!dialogue_look(d))
			return false;
	}
	return true;
}

/* "confirm", "mismatch", "cancel" (end of the input), or NULL: it ended meanwhile. */
static const char *question(struct dialogue *d)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[64];

	if (d->json)
		fprintf(stderr, "Do they match? [y/N]\n");
	else
		printf("Do they match? [y/N] ");
	fflush(stdout);
	while (poll(&input, 1, POLL_MS) == 0) {
		if (!dialogue_look(d) || dialogue_is_over(d->now)) {
			if (!d->json)
				printf("\n");
			return NULL;
		}
	}
	if (!fgets(line, sizeof(line), stdin))
		return "cancel";
	line[strcspn(line, "\r\n")] = '\0';
	return strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0 ? "confirm" : "mismatch";
}

static bool dialogue_compare(struct dialogue *d)
{
	const char *action;
	bool again;

	if (!d->json)
		print_comparison(d->now);
	action = question(d);
	if (!action || !dialogue_send_action(d, action, &again))
		return d->status == EX_OK;
	if (dialogue_has_state(d, "confirmed") && !d->json)
		printf("Waiting for the other side to confirm.\n");
	return true;
}

static void print_end(struct dialogue *d)
{
	bool late = strcmp(client_text(d->now, "code"), "m.timeout") == 0;

	if (dialogue_has_state(d, "done")) {
		if (!d->json)
			print_plain("", client_text(d->now, "user_id"), " is verified.\n");
		return;
	}
	d->status = late ? EX_TEMPFAIL : EX_DATAERR;
	if (d->json)
		return;
	print_plain(json_is_true(json_object_get(d->now, "by_them"))
	                    ? "Not verified, the other side ended it: "
	                    : "Not verified: ",
	        client_text(d->now, "reason"), "");
	print_plain(" (", client_text(d->now, "code"), ")\n");
}

static bool dialogue_talk(struct dialogue *d)
{
	static const char *const coming[] = {"ready", "started", NULL};
	static const char *const ending[] = {"confirmed", NULL};

	if (!wait_for_request(d))
		return false;
	if (!d->json)
		print_who(d->now);
	if (!accept_request(d) || !wait_while(d, coming))
		return false;
	if (dialogue_has_state(d, "compare") && !dialogue_compare(d))
		return false;
	return wait_while(d, ending);
}

int verify_run(struct client *client, const json_t *request, bool json)
{
	struct dialogue d = {
	        .client = client,
	        .json = json,
	        .wanted = json_string_value(json_object_get(request, "user_id")),
	};

	if (d.wanted && d.wanted[0] != '@') {
		dialogue_fail(&d, EX_USAGE, "a user looks like @op1:example.org");
		return d.status;
	}
	if (!isatty(STDIN_FILENO)) {
		dialogue_fail(&d, EX_USAGE, "only a person at a terminal can compare emoji");
		return d.status;
	}
	if (dialogue_talk(&d))
		print_end(&d);
	json_decref(d.now);
	return d.status;
}
