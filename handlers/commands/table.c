/*
 * table.c - see table.h.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "bot/base/text.h"
#include "handlers/commands/table.h"

#define EDITS_MAX 2
#define COMPARED_MAX 64 /* bytes; longer words are compared only up to here */

/* Keep alphabetized. The socket has an op `alert` of its own, which sends an alert; the command
 * of that name shows one. */
#define COMMANDS(ROW)  \
	ROW(accept)    \
	ROW(ack)       \
	ROW(alert)     \
	ROW(alert_op)  \
	ROW(alerts)    \
	ROW(chart)     \
	ROW(check)     \
	ROW(discard)   \
	ROW(firing)    \
	ROW(heartbeat) \
	ROW(help)      \
	ROW(login)     \
	ROW(metrics)   \
	ROW(oncall)    \
	ROW(reload)    \
	ROW(resolve)   \
	ROW(retry)     \
	ROW(run)       \
	ROW(setup)     \
	ROW(silence)   \
	ROW(silences)  \
	ROW(status)    \
	ROW(subscribe) \
	ROW(test)      \
	ROW(unack)     \
	ROW(unacked)   \
	ROW(unsilence) \
	ROW(verify)    \
	ROW(wait)      \
	ROW(watch)

#define DECLARE(name) extern const struct command command_##name;
#define ADDRESS(name) &command_##name,

COMMANDS(DECLARE)

static const struct command *const rows[] = {COMMANDS(ADDRESS) NULL};

/* ---- without a run function: carried out by an op of bot/ops, or by the client itself ---- */

const struct command command_accept = {
        .name = "accept",
        .help = "trust the new identity of a user in encrypted rooms",
        .example = "accept @op1:example.org KEY",
        .where = COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_TRUSTS,
        .members = {{"user", MEMBER_WORD, .required = true},
                {"key", MEMBER_WORD, .required = true}},
};

const struct command command_alert_op = {
        .name = "alert",
        .help = "send an alert",
        .where = COMMAND_SOCKET,
        .right = COMMAND_SENDS,
};

const struct command command_check = {
        .name = "check",
        .help = "check config, token, rooms and database; a fix for each fault\n"
                "With --alertmanager, print the bot.conf that corresponds to an alertmanager.yml.",
        .usage = "[--alertmanager FILE]",
        .where = COMMAND_LINE,
};

const struct command command_firing = {
        .name = "firing",
        .help = "what fires now, each failure once, as JSON",
        .where = COMMAND_SOCKET,
};

const struct command command_login = {
        .name = "login",
        .help = "log in with a password and store the token",
        .usage = "[--print] [--password-stdin]",
        .where = COMMAND_LINE,
};

const struct command command_metrics = {
        .name = "metrics",
        .help = "counters, as JSON",
        .where = COMMAND_SOCKET | COMMAND_LINE,
};

const struct command command_reload = {
        .name = "reload",
        .help = "reload the config; if it is rejected, say why and keep the previous one",
        .where = COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_TRUSTS,
};

const struct command command_run = {
        .name = "run",
        .help = "run the daemon in the foreground",
        .usage = "[--accept-new-device]",
        .where = COMMAND_LINE,
};

const struct command command_setup = {
        .name = "setup",
        .help = "set the bot up, or change its settings; setup --help lists its options",
        .usage = "[OPTIONS]",
        .where = COMMAND_LINE,
};

const struct command command_subscribe = {
        .name = "subscribe",
        .help = "print a line for each event",
        .where = COMMAND_SOCKET | COMMAND_LINE,
};

const struct command command_verify = {
        .name = "verify",
        .help = "compare emoji with an operator",
        .where = COMMAND_SOCKET | COMMAND_LINE,
        .members = {{"user_id", MEMBER_WORD},
                {"action", MEMBER_WORD, .request = true,
                        .one_of = "list|accept|confirm|mismatch|cancel"},
                {"id", MEMBER_WORD, .request = true}},
};

const struct command command_wait = {
        .name = "wait",
        .help = "wait until an alert is in the room",
        .example = "wait 1042",
        .where = COMMAND_SOCKET | COMMAND_LINE,
        .members = {{"alert", MEMBER_NUMBER, .required = true},
                {"timeout_ms", MEMBER_NUMBER, .request = true, .zero = true, .most = 600000}},
};

const struct command command_watch = {
        .name = "watch",
        .help = "watch another bot's heartbeat, or report on that watcher (--check)",
        .usage = "[--check | --check-config | --accept-new-device]",
        .where = COMMAND_LINE,
};

/* ---- finding a command ---- */

const struct command *command_at(size_t index)
{
	return rows[index];
}

const struct command *command_find(const char *name, enum command_where where)
{
	for (size_t i = 0; rows[i]; i++)
		if (rows[i]->where & where && strcmp(rows[i]->name, name) == 0)
			return rows[i];
	return NULL;
}

static void table_lower_case(const char *text, char out[COMPARED_MAX])
{
	size_t len = 0;

	for (; len < COMPARED_MAX - 1 && text[len]; len++)
		out[len] = (char)tolower((unsigned char)text[len]);
	out[len] = '\0';
}

unsigned command_unlike(const char *word, const char *candidate)
{
	char a[COMPARED_MAX], b[COMPARED_MAX];
	unsigned edits;

	table_lower_case(word, a);
	table_lower_case(candidate, b);
	if (strcmp(a, b) == 0)
		return 0;
	if (a[0] && a[1] && strncmp(a, b, strlen(a)) == 0)
		return 2; /* the beginning of the candidate */
	edits = text_distance(a, b);
	/* At least half of a word must match, and people rarely get its beginning wrong. */
	if (edits > EDITS_MAX || edits * 2 > strlen(a) || edits * 2 > strlen(b))
		return COMMAND_UNLIKE;
	return 2 * edits + (a[0] != b[0]);
}

const struct command *command_nearest(const char *name, enum command_where where)
{
	const struct command *found = NULL;
	unsigned best = COMMAND_UNLIKE, unlike;

	for (size_t i = 0; rows[i]; i++) {
		unlike = rows[i]->where & where ? command_unlike(name, rows[i]->name)
		                                : COMMAND_UNLIKE;
		if (unlike < best) {
			best = unlike;
			found = rows[i];
		}
	}
	return found;
}

/* ---- usage and lists ---- */

static void add_member(const struct command_member *member, struct buf *out)
{
	buf_printf(out, " %s%s%s%s", member->required ? "<" : "[",
	        member->one_of ? member->one_of : member->name, member->required ? ">" : "]",
	        member->type == MEMBER_WORDS ? "…" : "");
}

void command_add_usage(const struct command *command, struct buf *out)
{
	buf_add_str(out, command->name);
	if (command->usage) {
		buf_printf(out, " %s", command->usage);
		return;
	}
	for (const struct command_member *member = command->members; member->name; member++)
		if (!member->request)
			add_member(member, out);
}

void command_add_names(enum command_where where, struct buf *out)
{
	const char *before = "";

	for (size_t i = 0; rows[i]; i++)
		if (rows[i]->where & where) {
			buf_printf(out, "%s%s", before, rows[i]->name);
			before = ", ";
		}
}
