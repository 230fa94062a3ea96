/*
 * table.h - the one table of commands: what rooms, the socket and the command line understand.
 *
 * A command is a file with its row at the end, `const struct command command_NAME`, and its name in
 * the list in table.c. From the row come the rooms' parser, the socket's ops and their list in
 * errors, --help, the shell's completion and the command-line client. All is constant. Pure.
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
	COMMAND_READS, /* changes nothing: the socket's are not in the audit, nor need disk space */
	COMMAND_SENDS, /* for everybody who may send alerts */
	COMMAND_CHANGES, /* on the socket for those of [socket] admin_uid and admin_gid, if set */
	COMMAND_TRUSTS,  /* says whom the bot trusts: for root, the daemon's user and these alone */
};

enum member_type { MEMBER_WORD, MEMBER_WORDS, MEMBER_NUMBER, MEMBER_FLAG, MEMBER_TEXT };

/* An argument, by the name that it has in a request of the socket. */
struct command_member {
	const char *name;
	enum member_type type;
	bool required;
	bool request;       /* only in requests: in words the command finds it by itself */
	const char *one_of; /* "now|stop": what a word may be, or NULL */
	bool zero;          /* a number may be 0, a list empty */
	int64_t most;       /* of a number; 0 = any */
};

struct command {
	const char *name;
	const char *help;    /* the first line for lists, then more */
	const char *plain;   /* more of it, for rooms that are not encrypted; or NULL */
	const char *example; /* without the prefix */
	const char *usage;   /* of its arguments; NULL: made of its members */
	unsigned where;      /* of enum command_where */
	enum command_right right;
	bool words;     /* arguments that are typed are for the command to read, word by word */
	const char *op; /* what the command line asks the socket for; NULL: its name */
	enum err (*run)(struct command_call *call); /* NULL: carried out where it is met */
	struct command_member members[COMMAND_MEMBERS_MAX];
};

/* In alphabetical order; NULL behind the last. */
const struct command *command_at(size_t index);
const struct command *command_find(const char *name, enum command_where where);
/* The one that was probably meant, or NULL. */
const struct command *command_nearest(const char *name, enum command_where where);

/* "ack <run_id>… [note]" */
void command_add_usage(const struct command *command, struct buf *out);
/* "ack, alerts, silence": all that may be used there. */
void command_add_names(enum command_where where, struct buf *out);

/* How unlike a word and a candidate for "did you mean" are; COMMAND_UNLIKE: nobody meant that. */
#define COMMAND_UNLIKE 100
unsigned command_unlike(const char *word, const char *candidate);
