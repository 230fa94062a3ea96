/*
 * send_options.c - see send_options.h.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/json_mend.h"
#include "bot/base/request.h"
#include "bot/client/client_options.h"
#include "bot/client/send_options.h"
#include "bot/client/socket.h"
#include "bot/config/config.h"

enum row {
	ROW_APP,
	ROW_KIND,
	ROW_SEVERITY,
	ROW_STATUS,
	ROW_RUN_ID,
	ROW_ID,
	ROW_KEY,
	ROW_URL,
	ROW_TITLE,
	ROW_EVERY,
	ROW_GRACE,
	ROW_SCHEDULE,
	ROW_NAME,
	ROW_STOP,
	ROW_HEARTBEAT,
	ROW_FIELD,
	ROW_STRING,
	ROW_EXEC,
	ROW_NDJSON,
	ROW_WAIT,
	ROW_TIMEOUT,
	ROW_CONFIG,
	ROW_SOCKET,
	ROW_SPOOL,
	ROW_JSON,
	ROW_HELP,
	ROW_VERSION,
};

/* Rows up to ROW_TITLE are keys of an alert, with "-" for "_"; those up to ROW_NAME, of a
 * heartbeat. */
static const struct option_row rows[] = {
        [ROW_APP] = {"app", 'a', "NAME", "who raises it (default: shell)"},
        [ROW_KIND] = {"kind", 'k', "KIND",
                "node_failed, dag_failed, violations, error_rate, message,\n"
                "or a kind of the daemon's config (default: message)"},
        [ROW_SEVERITY] = {"severity", 's', "LEVEL", "critical, warning or info (default: by kind)"},
        [ROW_STATUS] = {"status", 0, "STATUS", "firing (default) or resolved"},
        [ROW_RUN_ID] = {"run-id", 'r', "ID", "the run that failed"},
        [ROW_ID] = {"id", 0, "ID",
                "idempotency key: the same id is accepted once\n"
                "(default: random)"},
        [ROW_KEY] = {"key", 0, "KEY", "what failed, for grouping (default: by kind)"},
        [ROW_URL] = {"url", 'u', "URL", "link, instead of the app's dashboard"},
        [ROW_TITLE] = {"title", 't', "TITLE", "heading of a message"},
        [ROW_EVERY] = {"every", 0, "TIME",
                "with --heartbeat: the next one comes within this time,\n"
                "such as 1h"},
        [ROW_GRACE] = {"grace", 0, "TIME",
                "with --heartbeat: it may be late by this much\n"
                "(default: 10m)"},
        [ROW_SCHEDULE] = {"schedule", 0, "CRON",
                "with --heartbeat: instead of --every, a cron line such\n"
                "as '0 3 * * *', in the daemon's time zone"},
        [ROW_NAME] = {"name", 0, "NAME", "with --heartbeat: which one, of an app that has several"},
        [ROW_STOP] = {"stop", 0, NULL, "with --heartbeat: expect no more of them"},
        [ROW_HEARTBEAT] = {"heartbeat", 'b', NULL,
                "send a heartbeat of the app; when the next one is missing, a\n"
                "critical alert is raised"},
        [ROW_FIELD] = {"field", 'f', "K=V",
                "a field; numbers, true and false are sent as such;\n"
                "may be repeated"},
        [ROW_STRING] = {"string", 0, "K=V", "a field that is always sent as text"},
        [ROW_EXEC] = {"exec", 'x', NULL,
                "run the command behind --: its failure is an alert, its\n"
                "success resolves that; its output and exit code are passed\n"
                "on; with --heartbeat a run that is missed is an alert too"},
        [ROW_NDJSON] = {"ndjson", 'n', NULL,
                "read alerts as JSON from standard input, one a line;\n"
                "answers go to standard output, one a line"},
        [ROW_WAIT] = {"wait", 'w', NULL, "wait until it is in the room"},
        [ROW_TIMEOUT] = {"timeout", 0, "TIME",
                "how long to wait, such as 5s (default: 10s; with\n"
                "--wait 30s, with --exec 2s)"},
        [ROW_CONFIG] = {"config", 'c', "FILE",
                "for the paths of socket and spool; none is needed\n"
                "(default: $MATRIX_TELEMETRY_BOT_CONFIG, ./bot.conf,\n"
                "/etc/matrix-telemetry-bot/bot.conf, if readable)"},
        [ROW_SOCKET] = {"socket", 0, "PATH",
                "the daemon's socket (default:\n"
                "$MATRIX_TELEMETRY_BOT_SOCKET, the config's,\n" CLIENT_SOCKET ")"},
        [ROW_SPOOL] = {"spool", 0, "FOLDER",
                "where alerts wait while the daemon is down (default:\n"
                "$MATRIX_TELEMETRY_BOT_SPOOL, the config's,\n" SEND_SPOOL ")"},
        [ROW_JSON] = {"json", 0, NULL, "print the daemon's answer as JSON"},
        [ROW_HELP] = {"help", 'h', NULL, "this text"},
        [ROW_VERSION] = {"version", 'V', NULL, "the version"},
        {0},
};

/* An argument as JSON; invalid UTF-8 in it is replaced, with a note. */
static json_t *send_options_note_mended(
        struct send_options *options, const char *field, const char *text, size_t len)
{
	json_t *notes = json_array();
	json_t *string = json_mend_string(text, len, notes, field);

	if (json_array_size(notes) > 0)
		json_array_extend(request_notes(options->alert), notes);
	json_decref(notes);
	return string;
}

static enum err add_field(
        struct send_options *options, const char *pair, bool typed, struct fault *fault)
{
	const char *equals = strchr(pair, '=');
	json_t *fields = json_object_get(options->alert, "fields");
	json_t *value = NULL;

	if (!equals || equals == pair)
		return fault_set(fault, ERR_INVALID, "a field is given as K=V, not %.100s", pair);
	json_t *name = send_options_note_mended(options, "fields", pair, (size_t)(equals - pair));
	if (typed)
		value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
	if (!json_is_number(value) && !json_is_boolean(value)) {
		json_decref(value);
		value = send_options_note_mended(
		        options, json_string_value(name), equals + 1, strlen(equals + 1));
	}
	if (!fields) {
		fields = json_object();
		json_object_set_new(options->alert, "fields", fields);
	}
	json_object_set_new(fields, json_string_value(name), value);
	json_decref(name);
	return OK;
}

/* Accepts any value: the daemon corrects it and returns a warning. */
static enum err add_key(struct send_options *options, const char *name, const char *value)
{
	char key[32];

	snprintf(key, sizeof(key), "%s", name);
	for (char *c = key; *c; c++)
		if (*c == '-')
			*c = '_';
	json_object_set_new(
	        options->alert, key, send_options_note_mended(options, key, value, strlen(value)));
	return OK;
}

static void send_options_add_text(struct send_options *options, const char *word)
{
	char *old = options->text.data;
	options->text.data = old ? x_asprintf("%s %s", old, word) : x_strdup(word);
	free(old);
}

static enum err send_options_take(
        struct send_options *options, enum row row, const char *value, struct fault *fault)
{
	int64_t ms;

	switch (row) {
	case ROW_EVERY:
	case ROW_GRACE:
		if (!clock_parse_duration(value, &ms))
			return fault_set(fault, ERR_INVALID, "--%s wants a duration such as 1h",
			        rows[row].name);
		return add_key(options, rows[row].name, value);
	case ROW_STOP:
		json_object_set_new(options->alert, "stop", json_true());
		return OK;
	case ROW_HEARTBEAT:
		options->heartbeat = true;
		return OK;
	case ROW_FIELD:
		return add_field(options, value, true, fault);
	case ROW_STRING:
		return add_field(options, value, false, fault);
	case ROW_EXEC:
		options->exec = true;
		return OK;
	case ROW_NDJSON:
		options->ndjson = true;
		return OK;
	case ROW_WAIT:
		options->wait = true;
		return OK;
	case ROW_TIMEOUT:
		if (!clock_parse_duration(value, &options->timeout_ms))
			return fault_set(
			        fault, ERR_INVALID, "--timeout wants a duration such as 30s");
		return OK;
	case ROW_CONFIG:
		options->config = value;
		return OK;
	case ROW_SOCKET:
		options->socket = value;
		return OK;
	case ROW_SPOOL:
		options->spool = value;
		return OK;
	case ROW_JSON:
		options->json = true;
		return OK;
	case ROW_HELP:
		options->help = true;
		return OK;
	case ROW_VERSION:
		options->version = true;
		return OK;
	default:
		return add_key(options, rows[row].name, value);
	}
}

/* A heartbeat has its own keys, and none of an alert's. */
static enum err check_heartbeat(struct send_options *options, struct fault *fault)
{
	const char *name;
	json_t *value;

	json_object_foreach(options->alert, name, value)
	{
		bool its = strcmp(name, "stop") == 0;

		if (strcmp(name, REQUEST_MENDED) == 0)
			continue;
		for (enum row row = ROW_EVERY; row <= ROW_NAME; row++)
			its = its || strcmp(name, rows[row].name) == 0;
		if (its && !options->heartbeat)
			return fault_set(fault, ERR_INVALID, "--%s goes with --heartbeat", name);
		if (!its && options->heartbeat && strcmp(name, "app") != 0)
			return fault_set(fault, ERR_INVALID, "a heartbeat has no %s", name);
	}
	if (!options->heartbeat)
		return OK;
	if (!json_object_get(options->alert, "app"))
		return fault_set(fault, ERR_INVALID, "--heartbeat needs --app: which app?");
	if (options->text.data || options->ndjson || options->wait)
		return fault_set(fault, ERR_INVALID,
		        "--heartbeat goes with neither TEXT, --ndjson nor --wait");
	if (json_object_get(options->alert, "every") && json_object_get(options->alert, "schedule"))
		return fault_set(fault, ERR_INVALID, "either --every or --schedule");
	json_object_set_new(options->alert, "op", json_string("heartbeat"));
	return OK;
}

/* Moves the heartbeat's keys from the alert to a request of their own. */
static void split_heartbeat(struct send_options *options)
{
	options->beat = json_pack(
	        "{s:s, s:O*}", "op", "heartbeat", "app", json_object_get(options->alert, "app"));
	for (enum row row = ROW_EVERY; row <= ROW_NAME; row++) {
		json_object_set(options->beat, rows[row].name,
		        json_object_get(options->alert, rows[row].name));
		json_object_del(options->alert, rows[row].name);
	}
}

static enum err check_exec(struct send_options *options, struct fault *fault)
{
	static const char *const not_here[] = {"status", "id", "stop"};

	if (!options->command)
		return fault_set(fault, ERR_INVALID, "--exec needs a command after --");
	if (options->text.data)
		return fault_set(
		        fault, ERR_INVALID, "--exec takes no TEXT: %.100s", options->text.data);
	if (options->ndjson || options->wait || options->json)
		return fault_set(
		        fault, ERR_INVALID, "--exec goes with neither --ndjson, --wait nor --json");
	for (size_t i = 0; i < sizeof(not_here) / sizeof(not_here[0]); i++)
		if (json_object_get(options->alert, not_here[i]))
			return fault_set(
			        fault, ERR_INVALID, "--exec does not go with --%s", not_here[i]);
	return OK;
}

/* Rejects options that cannot be combined, and decides where the text comes from. */
static enum err send_options_check(struct send_options *options, struct fault *fault)
{
	bool described = json_object_size(options->alert) > 0 || options->text.data;

	if (options->help || options->version)
		return OK;
	if (options->exec && check_exec(options, fault) != OK)
		return ERR_INVALID;
	if (options->exec && options->heartbeat && json_object_get(options->alert, "app"))
		split_heartbeat(options);
	if (!options->beat && check_heartbeat(options, fault) != OK)
		return ERR_INVALID;
	if (options->ndjson && described)
		return fault_set(
		        fault, ERR_INVALID, "--ndjson takes the alerts from standard input");
	if (options->ndjson && options->wait)
		return fault_set(fault, ERR_INVALID, "--wait is for a single alert");
	if (options->ndjson)
		return OK;
	if (!described && !options->heartbeat && !options->exec)
		return fault_set(fault, ERR_INVALID, "nothing to send: give a TEXT or options");
	if (!json_object_get(options->alert, "app"))
		json_object_set_new(options->alert, "app", json_string("shell"));
	if (options->text.data && strcmp(options->text.data, "-") == 0) {
		options->text.from_stdin = true;
	} else if (options->text.data) {
		const char *text = options->text.data;

		json_object_set_new(options->alert, "text",
		        send_options_note_mended(options, "text", text, strlen(text)));
	}
	return OK;
}

enum err send_options_parse(
        struct send_options *options, int argc, char **argv, struct fault *fault)
{
	struct options parser;
	enum err err = OK;
	int row;

	*options = (struct send_options){.alert = json_object(), .timeout_ms = -1};
	options_init(&parser, rows, argc, argv);
	while (err == OK && (row = options_next(&parser)) != OPTIONS_END)
		if (row == OPTIONS_BAD)
			err = fault_set(fault, ERR_INVALID, "%s", parser.message);
		else if (row == OPTIONS_OPERAND && parser.operands_only && options->exec)
			options->command = options->command ? options->command : parser.rest;
		else if (row == OPTIONS_OPERAND)
			send_options_add_text(options, parser.value);
		else
			err = send_options_take(options, (enum row)row, parser.value, fault);
	if (err == OK)
		err = send_options_check(options, fault);
	return err;
}

void send_options_finish(struct send_options *options)
{
	json_decref(options->alert);
	json_decref(options->beat);
	free(options->text.data);
}

void send_options_help(FILE *out)
{
	fprintf(out, "usage: matrix-send-message [OPTIONS] [TEXT | -]\n"
	             "       matrix-send-message --ndjson [OPTIONS] < FILE\n"
	             "       matrix-send-message --heartbeat --app NAME --every TIME [OPTIONS]\n"
	             "       matrix-send-message --exec [OPTIONS] -- COMMAND [ARGUMENTS]\n\n"
	             "Sends one alert, or many, to matrix-telemetry-bot. While the daemon is down, "
	             "they\n"
	             "wait in the spool. With - in place of TEXT, the text is read from standard "
	             "input.\n\n");
	options_help(rows, out);
	fprintf(out,
	        "\nExit codes: 0 accepted (or spooled), 64 usage, 65 rejected, 69 no daemon and\n"
	        "no spool, 75 not in the room (in time), 77 not permitted, 78 bad config; with\n"
	        "--exec those of the command, 127 not found, 126 cannot be executed.\n"
	        "See matrix-send-message(1).\n");
}
