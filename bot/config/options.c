/*
 * options.c - see options.h.
 */
#include <string.h>
#include "bot/base/clock.h"
#include "bot/config/options.h"

#define YEAR_MS (366.0 * CLOCK_DAY_MS)

#define IN(member) .offset = offsetof(struct config, member)
#define APP(member) .offset = offsetof(struct config_app, member)
#define KIND(member) .offset = offsetof(struct config_kind, member)
#define LOOK(member) .offset = offsetof(struct config_severity, member)
#define ESCALATE(member) .offset = offsetof(struct config_escalate, member)
#define ONCALL(member) .offset = offsetof(struct config_oncall, member)
#define QUIET(member) .offset = offsetof(struct config_quiet, member)
#define WATCH(member) .offset = offsetof(struct config_watch, member)
#define WEBHOOK(member) .offset = offsetof(struct config_webhook, member)

#define SEVERITIES "info|warning|critical"

#define REPEAT_HELP                                                                         \
	"An alert that goes on firing is told again after this; meanwhile its message is\n" \
	"kept up to date in silence. 0 = never."

/* A time column of call_monitor in ms, whether stored as text, seconds or milliseconds. */
#define AT_MS                                                            \
	"CASE WHEN typeof(at) = 'text' THEN strftime('%s', at) * 1000\n" \
	"\tWHEN at < 100000000000 THEN at * 1000 ELSE at END >= :since_ms\n"

#define VIOLATIONS_SQL                                                                      \
	"SELECT count, :threshold AS threshold, rules FROM (\n"                             \
	"\tSELECT sum(n) AS count, group_concat(\n"                                         \
	"\tCASE WHEN place <= 5 THEN rule || ' (' || n || ')' END, ', ') AS rules FROM (\n" \
	"\tSELECT coalesce(rule, '?') AS rule, count(*) AS n,\n"                            \
	"\trow_number() OVER (ORDER BY count(*) DESC, rule) AS place\n"                     \
	"\tFROM violations WHERE " AT_MS "\tGROUP BY rule ORDER BY place))\n"               \
	"\tWHERE count > :threshold"

#define ERROR_RATE_SQL                                                                        \
	"SELECT function, round(failed * 1.0 / calls, 3) AS rate, :threshold AS threshold,\n" \
	"\tfailed, calls FROM (\n"                                                            \
	"\tSELECT function, count(*) AS calls,\n"                                             \
	"\tcount(*) FILTER (WHERE error NOT IN ('', 0, '0')) AS failed\n"                     \
	"\tFROM calls WHERE function IS NOT NULL AND " AT_MS                                  \
	"\tGROUP BY function ORDER BY calls DESC, function LIMIT 20)\n"                       \
	"\tWHERE failed > :threshold * calls"

const struct option_section config_sections[] = {
        {"matrix", "matrix", "The account of the bot."},
        {"encryption", "encryption", "Rooms with end-to-end encryption."},
        {"rooms", "rooms",
                "The rooms, as NAME = alias or room id, as many as wanted. The other sections use\n"
                "the names. An alias is followed when it moves."},
        {"route", "route",
                "Which room gets which severity. Default: ops for critical, dev for the rest, if\n"
                "there are rooms of these names; with one room alone, that one."},
        {"severity *", "severity critical",
                "How a severity looks: [severity critical], [severity warning], [severity info].\n"
                "The defaults are those of critical."},
        {"app *", "app data_factory",
                "What differs for one app, named as in its alerts; a section for each."},
        {"kind *", "kind NAME",
                "The text of a kind of alert. A new NAME adds a kind; the built-in ones below can\n"
                "be changed, also in single keys. {field} stands for a field of the alert or one "
                "of\n"
                "{app} {kind} {severity} {emoji} {run_id} {title} {text}; {error:200} for its "
                "first\n"
                "200 characters; {{ and }} for braces; \\n for a line break; ** begins and ends\n"
                "what is bold in the first line. A line of which no field has a value is left\n"
                "out. A kind without a text shows its fields."},
        {"socket", "socket", "The Unix socket that takes the alerts in."},
        {"storage", "storage", "The database and the spool."},
        {"delivery", "delivery", "One message for many alerts."},
        {"commands", "commands", "Commands in the rooms (!status, !ack, …)."},
        {"escalate *", "escalate lead",
                "A step when nobody acknowledges a critical alert: whom to tell after how long. "
                "As\n"
                "many as wanted. Each is used once for an alert, unless that is acknowledged,\n"
                "silenced or resolved before."},
        {"oncall *", "oncall main",
                "Who is on call, in turns: mention = oncall:main in a severity or a step. Each "
                "change\n"
                "is told in the room. In the time zone of [heartbeat]."},
        {"quiet *", "quiet nightly",
                "A recurring time in which alerts are silenced. At its end the room is told how\n"
                "many. In the time zone of [heartbeat]."},
        {"heartbeat", "heartbeat", "The bot's daily heartbeat."},
        {"meta", "meta",
                "Who is told when the heartbeat itself is missing: every channel named here."},
        {"call_monitor", "call_monitor",
                "The database of call_monitor: naming it switches two watches on, on a table\n"
                "violations (at, rule) and a table calls (at, function, error). `at` is a time as "
                "text\n"
                "(UTC), in seconds or in ms; a call failed if error is neither NULL, empty nor 0."},
        {"watch *", "watch NAME",
                "A query on the SQLite database of another app, read-only: each row it returns is\n"
                "an alert whose fields are its columns; app, kind, severity, run_id, title, text, "
                "key\n"
                "and url are those of an alert. What is not returned any more is resolved."},
        {"webhook *", "webhook NAME",
                "What is posted to /webhook/NAME over HTTP, as an alert: templates with JSON "
                "pointers\n"
                "in braces, such as {/job/name}."},
        {"labels", "labels",
                "How labels of Prometheus and Alertmanager become an alert: names and values of\n"
                "labels, with commas between. All labels are kept as fields too."},
        {"http", "http",
                "HTTP over TCP: off unless `listen` is set. The Unix socket speaks it in any "
                "case."},
        {"log", "log", "The log, on standard error."},
};

const size_t config_sections_len = sizeof(config_sections) / sizeof(config_sections[0]);

const struct option config_options[] = {
        {"matrix", "homeserver", OPTION_SERVER, IN(matrix.homeserver), .shown = true,
                .example = "example.org",
                .help = "Server name (looked up by .well-known), or its URL: https://…, or "
                        "http://\n"
                        "on this machine. Required."},
        {"matrix", "user", OPTION_USER, IN(matrix.user), .shown = true,
                .example = "@telemetry:example.org", .help = "User id of the bot. Required."},
        {"matrix", "token_command", OPTION_TEXT, IN(matrix.token.command),
                .example = "pass show matrix/bot-token",
                .help = "Where the access token comes from: the first line that this command\n"
                        "prints, or else the first line of token_file, or else systemd's\n"
                        "credential \"token\". `matrix-telemetry-bot login` makes one."},
        {"matrix", "token_file", OPTION_PATH, IN(matrix.token.file), .example = "token",
                .help = "A file that only its owner can read (0600); `login` writes it."},
        {"matrix", "device_name", OPTION_TEXT, IN(matrix.device_name),
                .fallback = "matrix-telemetry-bot",
                .help = "Name of the bot's session in the account's list of devices."},
        {"matrix", "invite_from", OPTION_USERS, IN(matrix.invite_from), .fallback = "",
                .example = "@admin:example.org",
                .help = "Users whose invitations to rooms are accepted. Default: nobody's."},
        {"matrix", "proxy", OPTION_TEXT, IN(matrix.proxy),
                .example = "http://proxy.example.org:3128",
                .help = "Proxy for the homeserver. Default: that of the environment."},
        {"matrix", "ca_file", OPTION_PATH, IN(matrix.ca_file),
                .example = "/etc/ssl/certs/our-own-ca.pem",
                .help = "Certificates to trust instead of the system's."},

        {"encryption", "pickle_key_command", OPTION_TEXT, IN(encryption.pickle_key.command),
                .example = "pass show matrix/bot-pickle-key",
                .help = "Where the key comes from under which all other keys are stored: as with "
                        "the\n"
                        "token, a command, a file, or systemd's credential \"pickle_key\"."},
        {"encryption", "pickle_key_file", OPTION_PATH, IN(encryption.pickle_key.file),
                .example = "pickle-key", .help = "A file that only its owner can read (0600)."},
        {"encryption", "password_command", OPTION_TEXT, IN(encryption.password.command),
                .example = "pass show matrix/bot",
                .help = "The account's password, wanted once to sign the bot's own device, and to "
                        "log\n"
                        "in again when the homeserver ended the session."},
        {"encryption", "recovery_key_command", OPTION_TEXT, IN(encryption.recovery_key.command),
                .example = "pass show matrix/bot-recovery-key",
                .help = "The account's recovery key or passphrase, if it has cross-signing keys "
                        "already."},
        {"encryption", "trust", OPTION_CHOICE, IN(encryption.trust), .fallback = "cross-signed",
                .choices = "cross-signed|verified|all",
                .help = "Devices that can read and command: those their owner has signed, those of "
                        "users\n"
                        "verified by emoji (matrix-telemetry-bot verify), or all. One of "
                        "cross-signed,\n"
                        "verified, all."},

        {"route", "critical", OPTION_ROOM, IN(route[SEVERITY_CRITICAL]), .example = "ops",
                .help = "The name of a room in [rooms] for each severity."},
        {"route", "warning", OPTION_ROOM, IN(route[SEVERITY_WARNING]), .example = "dev"},
        {"route", "info", OPTION_ROOM, IN(route[SEVERITY_INFO]), .example = "dev"},

        {"severity *", "emoji", OPTION_TEXT, LOOK(emoji), .example = "🚨",
                .help = "What a message begins with. Default: 🚨, ⚠️ and ℹ️."},
        {"severity *", "msgtype", OPTION_CHOICE, LOOK(msgtype), .example = "m.text",
                .choices = "m.text|m.notice",
                .help = "m.text rings, m.notice does not (by Matrix' default rules). Default: "
                        "m.notice\n"
                        "for info, m.text for the others."},
        {"severity *", "mention", OPTION_MENTION, LOOK(mention), .example = "room",
                .help = "Who is mentioned: \"room\" for everyone, or user ids, by comma or "
                        "space.\n"
                        "Default: nobody."},

        {"app *", "dashboard", OPTION_LINK, APP(dashboard),
                .example = "https://factory.example.org/runs/{run_id}",
                .help = "Link of its messages; values are percent-encoded."},
        {"app *", "critical", OPTION_ROOM, APP(route[SEVERITY_CRITICAL]), .example = "ops",
                .help = "Rooms instead of those of [route]."},
        {"app *", "warning", OPTION_ROOM, APP(route[SEVERITY_WARNING]), .example = "dev"},
        {"app *", "info", OPTION_ROOM, APP(route[SEVERITY_INFO]), .example = "dev"},
        {"app *", "throttle", OPTION_DURATION, APP(throttle_ms), .min = 0, .max = CLOCK_DAY_MS,
                .example = "60s", .help = "Instead of that of [delivery]."},
        {"app *", "resolve_after", OPTION_DURATION, APP(resolve_after_ms), .min = 0, .max = YEAR_MS,
                .example = "1d",
                .help = "What fires for longer without happening again is resolved. 0 = never. "
                        "Default: that\n"
                        "of the kind."},
        {"app *", "quiet", OPTION_BOOL, APP(quiet), .fallback = "no",
                .help = "Sent as m.notice, whatever the severity: rings nowhere."},

        {"kind *", "severity", OPTION_ENUM, KIND(severity), .choices = SEVERITIES,
                .help = "Of alerts that bring none: critical, warning or info. Default: warning."},
        {"kind *", "resolve_after", OPTION_DURATION, KIND(resolve_after_ms), .fallback = "0",
                .min = 0, .max = YEAR_MS,
                .help = "What fires for longer without happening again is resolved, such as 1d. 0 "
                        "= never."},
        {"kind *", "emoji", OPTION_TEXT, KIND(emoji), .help = "Default: that of the severity."},
        {"kind *", "identity", OPTION_WORDS, KIND(identity),
                .help = "The fields that say what failed: alerts with equal values are the same\n"
                        "failure again. Default: title."},
        {"kind *", "text", OPTION_TEMPLATE, KIND(text),
                .help = "The message's text. Default: its title and its fields."},
        {"kind *", "html", OPTION_TEMPLATE, KIND(html),
                .help = "The same as HTML. Default: made from text."},

        {"socket", "path", OPTION_PATH, IN(socket.path),
                .fallback = "/run/matrix-telemetry-bot/socket",
                .help = "Path of the socket, at most 107 bytes."},
        {"socket", "group", OPTION_GROUP, IN(socket.group), .example = "telemetry",
                .help = "Group of the socket file. Default: the daemon's own."},
        {"socket", "mode", OPTION_MODE, IN(socket.mode), .fallback = "0660",
                .help = "Permissions of the socket file, octal."},
        {"socket", "allow_uid", OPTION_UIDS, IN(socket.allow_uid), .example = "data_factory, 1001",
                .help = "Users, then groups, by name or number, that may hand in alerts, of those "
                        "that\n"
                        "the permissions let in. Default: all of them."},
        {"socket", "allow_gid", OPTION_GIDS, IN(socket.allow_gid), .example = "telemetry"},
        {"socket", "admin_uid", OPTION_UIDS, IN(socket.admin_uid), .example = "1000",
                .help = "Users, then groups, that may acknowledge, silence, resolve, retry and "
                        "discard, beside\n"
                        "root and the daemon's user. Default: all who may hand in alerts."},
        {"socket", "admin_gid", OPTION_GIDS, IN(socket.admin_gid), .example = "1000"},
        {"socket", "max_clients", OPTION_UINT, IN(socket.max_clients), .fallback = "64", .min = 1,
                .max = 4096, .help = "Connections at the same time, 1 to 4096."},

        {"storage", "database", OPTION_PATH, IN(storage.database), .fallback = "operations.db",
                .help = "SQLite database. Relative paths begin at the folder of this file."},
        {"storage", "spool", OPTION_PATH, IN(storage.spool), .example = "spool",
                .help = "Folder where alerts wait while the daemon is down. Default: the folder "
                        "spool\n"
                        "beside the database."},
        {"storage", "retention", OPTION_DURATION, IN(storage.retention_ms), .fallback = "90d",
                .min = CLOCK_HOUR_MS, .max = 20 * YEAR_MS,
                .help = "Delivered alerts older than this are deleted. At least 1h."},

        {"delivery", "throttle", OPTION_DURATION, IN(delivery.throttle_ms), .fallback = "60s",
                .min = 0, .max = CLOCK_DAY_MS,
                .help = "At most one new message in this time for each app and room; more alerts "
                        "join\n"
                        "it by editing it."},
        {"delivery", "edit_interval", OPTION_DURATION, IN(delivery.edit_interval_ms),
                .fallback = "1s", .min = 100, .max = CLOCK_MINUTE_MS,
                .help = "At most one edit of a message in this time, 100ms to 1m."},
        {"delivery", "storm", OPTION_UINT, IN(delivery.storm), .fallback = "20", .min = 0,
                .max = 100000,
                .help = "With more new messages a minute than this over all apps, one message sums "
                        "up\n"
                        "until it is over. 0 = never."},
        {"delivery", "ring_on_close", OPTION_BOOL, IN(delivery.ring_on_close), .fallback = "yes",
                .help = "When other critical failures joined a message by edits, which ring no "
                        "phone,\n"
                        "a short message at the end of its time says so."},
        {"delivery", "inhibit", OPTION_BOOL, IN(delivery.inhibit), .fallback = "no",
                .help = "A critical failure mutes warnings of the same app about the same thing, "
                        "as\n"
                        "an inhibition of Alertmanager does. When it is resolved and such a "
                        "warning\n"
                        "fires still, the warning is delivered then."},

        {"commands", "prefix", OPTION_TEXT, IN(commands.prefix), .fallback = "!",
                .help = "What a command begins with."},
        {"commands", "rooms", OPTION_ROOMS, IN(commands.rooms), .fallback = "", .example = "ops",
                .help = "Rooms where commands are accepted. Default: all of [rooms]."},
        {"commands", "users", OPTION_USERS, IN(commands.users), .fallback = "",
                .example = "@admin:example.org",
                .help = "Users who may use commands, whatever their power level."},
        {"commands", "power_level", OPTION_INT, IN(commands.power_level), .fallback = "50",
                .min = 0, .max = 100,
                .help = "Members with at least this power level may use commands too."},
        {"commands", "answers", OPTION_CHOICE, IN(commands.answers), .fallback = "thread",
                .choices = "thread|reply",
                .help = "Answers begin a thread, or are replies. What was asked in a thread is "
                        "answered there."},
        {"commands", "remind", OPTION_DURATION, IN(commands.remind_ms), .fallback = "30m", .min = 0,
                .max = YEAR_MS,
                .help = "Critical failures that nobody acknowledged are reminded of. 0 = "
                        "never."},
        {"commands", "ack_timeout", OPTION_DURATION, IN(commands.ack_timeout_ms), .fallback = "24h",
                .min = 0, .max = YEAR_MS,
                .help = "An acknowledgement expires after this. 0 = never."},
        {"commands", "silence_max", OPTION_DURATION, IN(commands.silence_max_ms), .fallback = "7d",
                .min = 1, .max = YEAR_MS, .help = "The longest that a silence may last."},

        {"escalate *", "after", OPTION_DURATION, ESCALATE(after_ms), .fallback = "15m",
                .min = CLOCK_SECOND_MS, .max = YEAR_MS,
                .help = "Time since it is in the room unacknowledged."},
        {"escalate *", "mention", OPTION_MENTION, ESCALATE(mention), .fallback = "",
                .example = "@lead:example.org",
                .help = "Whom the message mentions: user ids, room, or oncall:NAME. Default: "
                        "nobody."},
        {"escalate *", "room", OPTION_ROOM, ESCALATE(room), .example = "ops",
                .help = "Default: the room of the alert."},

        {"oncall *", "users", OPTION_USERS, ONCALL(users), .fallback = "",
                .example = "@ana:example.org, @ben:example.org",
                .help = "Required. In the order of their turns."},
        {"oncall *", "rotate", OPTION_WORDS, ONCALL(rotate), .fallback = "",
                .example = "weekly mon 09:00",
                .help = "When the next one's turn begins: weekly DAY HH:MM, or daily HH:MM. "
                        "Default: never."},
        {"oncall *", "from", OPTION_TEXT, ONCALL(from), .example = "2026-12-07",
                .help = "Required with rotate: the date from which the first one's first turn "
                        "counts."},
        {"oncall *", "room", OPTION_ROOM, ONCALL(room), .example = "ops",
                .help = "Hears of each change. Default: the room for critical alerts."},

        {"quiet *", "what", OPTION_TEXT, QUIET(what), .example = "app=etl, severity!=info",
                .help = "An app, or matchers as in !silence. Default: everything."},
        {"quiet *", "days", OPTION_WORDS, QUIET(days), .fallback = "mon-sun",
                .help = "The days on which it begins: mon-fri, or sat, sun."},
        {"quiet *", "from", OPTION_TIME, QUIET(from), .example = "23:00", .help = "Required."},
        {"quiet *", "to", OPTION_TIME, QUIET(to), .example = "07:00",
                .help = "Required. When it is not after `from`: on the next day."},
        {"quiet *", "critical", OPTION_BOOL, QUIET(critical), .fallback = "no",
                .help = "Silence critical alerts too."},

        {"heartbeat", "room", OPTION_ROOM, IN(heartbeat.room), .example = "ops",
                .help = "Default: the room for critical alerts."},
        {"heartbeat", "at", OPTION_TIME, IN(heartbeat.at), .fallback = "09:00",
                .help = "Time of day."},
        {"heartbeat", "timezone", OPTION_ZONE, IN(heartbeat.timezone), .fallback = "UTC",
                .example = "Europe/Madrid",
                .help = "Time zone of `at` and of apps' schedules. Default: UTC."},
        {"heartbeat", "sender", OPTION_USER, IN(heartbeat.sender),
                .example = "@telemetry:example.org",
                .help = "For `matrix-telemetry-bot watch` alone: the bot whose heartbeat is "
                        "watched in\n"
                        "`room`. The watcher has a config, an account and a database of its own; "
                        "`at`,\n"
                        "`timezone` and `grace` as with the bot."},
        {"heartbeat", "grace", OPTION_DURATION, IN(heartbeat.grace_ms), .fallback = "5m", .min = 0,
                .max = CLOCK_DAY_MS,
                .help = "When the homeserver has not confirmed it after this, it counts as "
                        "missing.\n"
                        "At least 10s."},
        {"heartbeat", "chart", OPTION_BOOL, IN(heartbeat.chart), .fallback = "yes",
                .help = "On Mondays, the week before it as a picture."},

        {"meta", "room", OPTION_ROOM, IN(meta.room), .example = "ops",
                .help = "A room, by the bot itself."},
        {"meta", "exec", OPTION_ARGV, IN(meta.exec), .example = "mail -s 'the bot is silent' root",
                .help = "A command; the text is on its standard input. It is split into words by\n"
                        "quotes, no shell reads it, and it is ended after 30s."},
        {"meta", "homeserver", OPTION_SERVER, IN(meta.homeserver), .example = "example.com",
                .help = "A second account, on another homeserver at best: as in [matrix]."},
        {"meta", "user", OPTION_USER, IN(meta.user), .example = "@watcher:example.com"},
        {"meta", "token_command", OPTION_TEXT, IN(meta.token.command),
                .example = "pass show matrix/watcher-token"},
        {"meta", "token_file", OPTION_PATH, IN(meta.token.file), .example = "watcher-token"},
        {"meta", "second_room", OPTION_ADDRESS, IN(meta.second_room),
                .example = "#fn-registry-ops:example.com",
                .help = "Where the second account writes: alias or room id, not encrypted.\n"
                        "Default: the address of `room` above, or that of the heartbeat's room."},
        {"meta", "ca_file", OPTION_PATH, IN(meta.ca_file),
                .example = "/etc/ssl/certs/our-own-ca.pem",
                .help = "Certificates to trust there and for ping_url, in place of the system's."},
        {"meta", "undelivered", OPTION_DURATION, IN(meta.undelivered_ms), .fallback = "5m",
                .min = 0, .max = CLOCK_DAY_MS,
                .help = "A critical alert that is not in its room after this is told by these "
                        "channels, once;\n"
                        "that it arrived after all is told too. 0s: never."},
        {"meta", "ping_url", OPTION_URL, IN(meta.ping_url),
                .example = "https://ping.example.com/bot",
                .help = "Fetched after each heartbeat that was confirmed: for a dead man's "
                        "switch."},

        {"call_monitor", "database", OPTION_PATH, IN(call_monitor.database),
                .example = "/var/lib/call_monitor/operations.db", .help = "Its SQLite database."},
        {"call_monitor", "violations_threshold", OPTION_REAL, IN(call_monitor.violations_threshold),
                .fallback = "50", .min = 0, .max = 1e12,
                .help = "More violations than this in 24 hours are an alert."},
        {"call_monitor", "error_rate_threshold", OPTION_REAL, IN(call_monitor.error_rate_threshold),
                .fallback = "0.1", .min = 0, .max = 1,
                .help = "So is a function with a greater share of errors in 7 days, 0 to 1: each "
                        "of the\n"
                        "20 that are called most."},
        {"call_monitor", "violations_sql", OPTION_LINES, IN(call_monitor.violations_sql),
                .fallback = VIOLATIONS_SQL,
                .help = "The queries themselves, to be adapted to other tables and columns; off = "
                        "not\n"
                        "looked at. :threshold is that above, :since_ms the beginning of the 24 "
                        "hours\n"
                        "or 7 days in ms since 1970 (:since_s in seconds)."},
        {"call_monitor", "error_rate_sql", OPTION_LINES, IN(call_monitor.error_rate_sql),
                .fallback = ERROR_RATE_SQL},
        {"call_monitor", "every", OPTION_DURATION, IN(call_monitor.every_ms), .fallback = "1h",
                .min = CLOCK_SECOND_MS, .max = YEAR_MS, .help = "How often the queries run."},
        {"call_monitor", "repeat", OPTION_DURATION, IN(call_monitor.repeat_ms), .fallback = "24h",
                .min = 0, .max = YEAR_MS, .help = REPEAT_HELP},
        {"call_monitor", "calls_table", OPTION_TABLE, IN(call_monitor.calls_table),
                .example = "calls",
                .help = "Table that gets a row for each message sent. Default: none is written."},
        {"call_monitor", "calls_columns", OPTION_COLUMNS, IN(call_monitor.calls_columns),
                .fallback = "at, what, room, duration_ms, result, error",
                .example = "at=called_at, what=function, duration_ms=duration_ms, error=error",
                .help = "What goes into which of its columns, as OURS=THEIRS; OURS alone is a "
                        "column of\n"
                        "that name. OURS are at (RFC 3339), at_ms (since 1970), what, room,\n"
                        "duration_ms, result, error, event_id.\n"
                        "Default: at, what, room, duration_ms, result, error"},

        {"watch *", "database", OPTION_PATH, WATCH(database), .example = "/var/lib/shop/shop.db",
                .help = "Required."},
        {"watch *", "sql", OPTION_LINES, WATCH(sql),
                .example = "SELECT name AS title, stock FROM goods WHERE stock < 5",
                .help = "Required. One SELECT; may go on in indented lines. At most 100 rows are "
                        "looked "
                        "at,\n"
                        "and 5 seconds spent."},
        {"watch *", "every", OPTION_DURATION, WATCH(every_ms), .fallback = "1h",
                .min = CLOCK_SECOND_MS, .max = YEAR_MS, .help = "How often, from 1s."},
        {"watch *", "repeat", OPTION_DURATION, WATCH(repeat_ms), .fallback = "24h", .min = 0,
                .max = YEAR_MS, .help = REPEAT_HELP},
        {"watch *", "kind", OPTION_TEXT, WATCH(kind), .fallback = "message",
                .help = "Kind of its alerts: built-in, or of a section [kind NAME]."},
        {"watch *", "severity", OPTION_ENUM, WATCH(severity), .fallback = "warning",
                .choices = SEVERITIES, .help = "critical, warning or info."},

        {"http", "listen", OPTION_LISTEN, IN(http.listen), .example = "127.0.0.1:9400",
                .help = "ADDRESS:PORT; [::1]:PORT for IPv6. Other than loopback needs a token."},
        {"http", "token_file", OPTION_PATH, IN(http.token.file), .example = "http-token",
                .help = "File with the bearer token that is asked for over TCP; it has all "
                        "rights.\nDefault: none, and then this host may send and read."},
        {"http", "tokens", OPTION_PATH, IN(http.tokens), .example = "http-tokens",
                .help = "File with more tokens, one a line: NAME RIGHTS TOKEN, where RIGHTS are "
                        "of\nsend, read and command, with commas between."},

        {"http", "timeout", OPTION_DURATION, IN(http.timeout_ms), .fallback = "30s",
                .min = CLOCK_SECOND_MS, .max = CLOCK_HOUR_MS,
                .help = "In which a peer must have sent its headers, then its body, then have "
                        "read the\nanswer; else its connection is closed."},

        {"labels", "app", OPTION_WORDS, IN(labels.app), .fallback = "app, service, job",
                .help = "Labels that name the app; the first that an alert has counts."},
        {"labels", "title", OPTION_WORDS, IN(labels.title), .fallback = "alertname",
                .help = "Labels for the title of an alert without a summary."},
        {"labels", "severity", OPTION_WORDS, IN(labels.severity), .fallback = "severity",
                .help = "Labels for the severity; without one it is that of [kind message]."},
        {"labels", "critical", OPTION_WORDS, IN(labels.severities[SEVERITY_CRITICAL]),
                .fallback = "critical, page, error",
                .help = "Their values, as severities of ours; others are taken as on the socket."},
        {"labels", "warning", OPTION_WORDS, IN(labels.severities[SEVERITY_WARNING]),
                .fallback = "warning"},
        {"labels", "info", OPTION_WORDS, IN(labels.severities[SEVERITY_INFO]),
                .fallback = "info, none"},

        {"webhook *", "title", OPTION_TEXT, WEBHOOK(title), .example = "{/job/name} {/job/result}"},
        {"webhook *", "text", OPTION_TEXT, WEBHOOK(text), .example = "{/job/log}"},
        {"webhook *", "app", OPTION_TEXT, WEBHOOK(app), .example = "{/job/app}",
                .help = "Default: the webhook's name."},
        {"webhook *", "kind", OPTION_TEXT, WEBHOOK(kind), .fallback = "message"},
        {"webhook *", "severity", OPTION_TEXT, WEBHOOK(severity), .example = "{/level}",
                .help = "Default: by kind."},
        {"webhook *", "key", OPTION_TEXT, WEBHOOK(key), .example = "{/job/name}",
                .help = "What failed, for grouping."},
        {"webhook *", "run_id", OPTION_TEXT, WEBHOOK(run_id), .example = "{/job/id}"},
        {"webhook *", "url", OPTION_TEXT, WEBHOOK(url), .example = "{/job/url}"},
        {"webhook *", "at", OPTION_TEXT, WEBHOOK(at), .example = "{/job/finished}"},
        {"webhook *", "status", OPTION_TEXT, WEBHOOK(status), .example = "{/job/result}",
                .help = "Firing, unless it is one of `resolved`. Default: firing."},
        {"webhook *", "resolved", OPTION_TEXT, WEBHOOK(resolved), .fallback = "resolved, ok, up"},
        {"webhook *", "fields", OPTION_WORDS, WEBHOOK(fields),
                .example = "host={/job/host}, branch={/git/0}"},

        {"log", "level", OPTION_ENUM, IN(log.level), .fallback = "info",
                .choices = "error|warning|info|debug", .help = "error, warning, info or debug."},
        {"log", "format", OPTION_ENUM, IN(log.format), .fallback = "text", .choices = "text|json",
                .help = "text, or json: an object a line."},
};

const size_t config_options_len = sizeof(config_options) / sizeof(config_options[0]);

const struct option *option_find(const char *pattern, const char *key)
{
	for (size_t i = 0; i < config_options_len; i++)
		if (strcmp(config_options[i].section, pattern) == 0 &&
		        strcmp(config_options[i].key, key) == 0)
			return &config_options[i];
	return NULL;
}

const struct builtin_kind config_builtin_kinds[] = {
        {"node_failed", NULL,
                "{emoji} **{app} · {node_id} FAILED** in {duration_ms}ms\\nerror: {error:200}",
                SEVERITY_CRITICAL, "node_id"},
        {"dag_failed", "❌",
                "{emoji} **{app} · DAG {dag_name} run {run_id} FAILED**\\nstep {step_name} exit "
                "{exit_code}",
                SEVERITY_CRITICAL, "dag_name, step_name"},
        {"violations", "⚠️",
                "{emoji} **{app} · violations_24h = {count}** (threshold {threshold}) — top rules: "
                "{rules}",
                SEVERITY_WARNING, ""},
        {"error_rate", "⚠️",
                "{emoji} **{app} · {function} error_rate_7d = {rate}** (threshold {threshold})",
                SEVERITY_WARNING, "function"},
        {"heartbeat_missed", NULL,
                "{emoji} **{app} · {heartbeat} missed** (last seen {last_seen}, {every})",
                SEVERITY_CRITICAL, "heartbeat"},
        {"command_failed", NULL, "{emoji} **{app} · {title} FAILED** after {duration}\\n{text}",
                SEVERITY_CRITICAL, "title"},
        {"message", NULL, "{emoji} **{app} · {title}**\\n{text}", SEVERITY_WARNING, "title"},
};

const size_t config_builtin_kinds_len =
        sizeof(config_builtin_kinds) / sizeof(config_builtin_kinds[0]);

const struct builtin_severity config_builtin_severities[SEVERITY_COUNT] = {
        [SEVERITY_INFO] = {"ℹ️", "m.notice"},
        [SEVERITY_WARNING] = {"⚠️", "m.text"},
        [SEVERITY_CRITICAL] = {"🚨", "m.text"},
};
