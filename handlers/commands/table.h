/*
 * table.h - the one table of commands: what rooms, the socket and the command line understand.
 *
 * A command is a file that ends with its row, `const struct command command_NAME`, and its name in
 * the list in table.c. The row provides everything else: parsing in rooms, the socket's ops and
 * their list in error messages, --help, shell completion and the command-line client. All of it is
 * constant. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bot/base/buf.h"
#include "bot/base/err.h"

#define COMMAND_NAME_MAX 32
#define COMMAND_MEMBERS_MAX 8

struct command_call;

enum command_where { COMMAND_ROOM = 1, COMMAND_SOCKET = 2, COMMAND_LINE = 4 };

enum command_right {
	COMMAND_READS,   /* changes nothing: not in the audit if it comes from the socket, and needs
	                    no disk space */
	COMMAND_SENDS,   /* allowed for everybody who may send alerts */
	COMMAND_CHANGES, /* on the socket only for [socket] admin_uid and admin_gid, if set */
	COMMAND_TRUSTS,  /* changes whom the bot trusts: only for root, the daemon's user and
	                    admin_uid, admin_gid */
};

enum member_type { MEMBER_WORD, MEMBER_WORDS, MEMBER_NUMBER, MEMBER_FLAG, MEMBER_TEXT };

/* An argument, named as in a request of the socket. */
struct command_member {
	const char *name;
	enum member_type type;
	bool required;
	bool request;       /* only in requests: typed words do not fill it */
	const char *one_of; /* "now|stop": the allowed words; NULL = any */
	bool zero;          /* a number may be 0, a list may be empty */
	int64_t most;       /* maximum of a number; 0 = none */
};

struct command {
	const char *name;
	const char *help;    /* the first line is shown in lists */
	const char *plain;   /* addition for rooms that are not encrypted; or NULL */
	const char *example; /* without the prefix */
	const char *usage;   /* of its arguments; NULL: made from its members */
	unsigned where;      /* flags of enum command_where */
	enum command_right right;
	bool words;     /* the command parses typed arguments itself, word by word */
	bool shows;     /* without arguments it changes nothing */
	bool reply;     /* in a reply, what that is about may stand for the arguments */
	const char *op; /* the op that the command line sends to the socket; NULL: its name */
	enum err (*run)(struct command_call *call); /* NULL: carried out elsewhere */
	struct command_member members[COMMAND_MEMBERS_MAX];
};

/* The command at an index, in alphabetical order; NULL after the last. */
const struct command *command_at(size_t index);
const struct command *command_find(const char *name, enum command_where where);
/* The most similar command, for "did you mean"; NULL: none is similar. */
const struct command *command_nearest(const char *name, enum command_where where);

/* Adds "ack <run_id>… [note]". */
void command_add_usage(const struct command *command, struct buf *out);
/* Adds "ack, alerts, silence": the names of all commands that are available there. */
void command_add_names(enum command_where where, struct buf *out);

/* The distance between a word and a candidate for "did you mean"; COMMAND_UNLIKE: too far. */
#define COMMAND_UNLIKE 100
unsigned command_unlike(const char *word, const char *candidate);
