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

#define REPEAT_HELP                                                                                \
	"An alert that keeps firing is sent again after this; until then its message is updated\n" \
	"silently. 0 = never."

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
        {"matrix", "matrix", "The bot's account."},
        {"encryption", "encryption", "Rooms with end-to-end encryption."},
        {"rooms", "rooms",
                "The rooms: NAME = alias or room id, as many as needed. The other sections refer "
                "to these\n"
                "names. If an alias moves to another room, the bot follows it."},
        {"route", "route",
                "The room for each severity. Default: ops for critical and dev for the rest, if "
                "there are\n"
                "rooms of these names; if there is only one room, that one."},
        {"severity *", "severity critical",
                "How a severity looks: [severity critical], [severity warning], [severity info]. "
                "The\n"
                "values below are for critical."},
        {"app *", "app data_factory",
                "Settings of one app, named as in its alerts; one section for each app."},
        {"kind *", "kind NAME",
                "The text of a kind of alert. A new NAME adds a kind; the built-in ones below can "
                "be\n"
                "changed, also single keys of them. {field} stands for a field of the alert, or "
                "for one of\n"
                "{app} {kind} {severity} {emoji} {run_id} {title} {text}; {error:200} for 200 "
                "characters\n"
                "of it at most; {{ and }} for braces; \\n for a line break; ** begins and ends "
                "bold text in\n"
                "the first line. A line whose fields all have no value is left out. A kind without "
                "a text\n"
                "shows its fields."},
        {"socket", "socket", "The Unix socket that receives alerts."},
        {"storage", "storage", "The database and the spool."},
        {"delivery", "delivery", "How alerts are collected into messages."},
        {"commands", "commands", "Commands in the rooms (!status, !ack, …)."},
        {"escalate *", "escalate lead",
                "An escalation step: whom to mention when a critical alert has not been "
                "acknowledged for\n"
                "some time. As many as needed. Each step is taken once for an alert, unless that "
                "has been\n"
                "acknowledged, silenced or resolved."},
        {"oncall *", "oncall main",
                "An on-call schedule, for mention = oncall:main in a severity or an escalation "
                "step. Each\n"
                "change is announced in the room. Times are in the time zone of [heartbeat]."},
        {"quiet *", "quiet nightly",
                "A quiet time: a recurring time in which alerts are silenced. At its end the room "
                "is told\n"
                "how many. Times are in the time zone of [heartbeat]."},
        {"heartbeat", "heartbeat", "The bot's daily heartbeat."},
        {"meta", "meta",
                "Where a missing heartbeat, and a critical alert that does not reach its room, "
                "are\n"
                "reported: through every channel named here."},
        {"call_monitor", "call_monitor",
                "The database of call_monitor. Naming it switches two watches on, which read the "
                "tables\n"
                "violations (at, rule) and calls (at, function, error). `at` is a time as text "
                "(UTC), in\n"
                "seconds or in milliseconds; a call has failed if error is not NULL, empty or 0."},
        {"watch *", "watch NAME",
                "A read-only query on another app's SQLite database. Each row that it returns is "
                "an alert,\n"
                "its columns are the fields; app, kind, severity, run_id, title, text, key and url "
                "have the\n"
                "same meaning as in any alert. An alert whose row is no longer returned is "
                "resolved."},
        {"webhook *", "webhook NAME",
                "How JSON that is posted to /webhook/NAME over HTTP becomes an alert. The values "
                "are\n"
                "templates with JSON pointers in braces, such as {/job/name}."},
        {"labels", "labels",
                "How labels of Prometheus and Alertmanager become an alert: names and values of "
                "labels,\n"
                "separated by commas. All labels are kept as fields as well."},
        {"http", "http",
                "HTTP over TCP, off unless `listen` is set. The Unix socket always accepts HTTP."},
        {"log", "log", "The log, on standard error."},
};

const size_t config_sections_len = sizeof(config_sections) / sizeof(config_sections[0]);

const struct option config_options[] = {
        {"matrix", "homeserver", OPTION_SERVER, IN(matrix.homeserver), .shown = true,
                .example = "example.org",
                .help = "Server name (looked up by .well-known) or URL: https://…, or http:// on "
                        "this machine.\n"
                        "Required."},
        {"matrix", "user", OPTION_USER, IN(matrix.user), .shown = true,
                .example = "@telemetry:example.org", .help = "The bot's user id. Required."},
        {"matrix", "token_command", OPTION_TEXT, IN(matrix.token.command),
                .example = "pass show matrix/bot-token",
                .help = "The access token: the first line that this command prints, else the first "
                        "line of\n"
                        "token_file, else systemd's credential \"token\". `matrix-telemetry-bot "
                        "login` creates one."},
        {"matrix", "token_file", OPTION_PATH, IN(matrix.token.file), .example = "token",
                .help = "A file that only its owner can read (0600); `login` writes it."},
        {"matrix", "device_name", OPTION_TEXT, IN(matrix.device_name),
                .fallback = "matrix-telemetry-bot",
                .help = "Name of the bot's session in the account's list of devices."},
        {"matrix", "invite_from", OPTION_USERS, IN(matrix.invite_from), .fallback = "",
                .example = "@admin:example.org",
                .help = "Users whose invitations to other rooms are accepted; those of [rooms] are "
                        "joined\n"
                        "whoever invites. Default: nobody."},
        {"matrix", "proxy", OPTION_TEXT, IN(matrix.proxy),
                .example = "http://proxy.example.org:3128",
                .help = "Proxy for the homeserver. Default: the one set in the environment."},
        {"matrix", "ca_file", OPTION_PATH, IN(matrix.ca_file),
                .example = "/etc/ssl/certs/our-own-ca.pem",
                .help = "Certificates to trust instead of the system's."},

        {"encryption", "pickle_key_command", OPTION_TEXT, IN(encryption.pickle_key.command),
                .example = "pass show matrix/bot-pickle-key",
                .help = "The key that encrypts all other keys in the database: as with the token, "
                        "a command, a\n"
                        "file, or systemd's credential \"pickle_key\". Default: a file that the "
                        "bot creates beside\n"
                        "the database."},
        {"encryption", "pickle_key_file", OPTION_PATH, IN(encryption.pickle_key.file),
                .example = "pickle-key", .help = "A file that only its owner can read (0600)."},
        {"encryption", "password_command", OPTION_TEXT, IN(encryption.password.command),
                .example = "pass show matrix/bot",
                .help = "The account's password, used once to sign the bot's own device, and to "
                        "log in again if\n"
                        "the homeserver has ended the session."},
        {"encryption", "recovery_key_command", OPTION_TEXT, IN(encryption.recovery_key.command),
                .example = "pass show matrix/bot-recovery-key",
                .help = "The account's recovery key or passphrase, if it has cross-signing keys "
                        "already."},
        {"encryption", "trust", OPTION_CHOICE, IN(encryption.trust), .fallback = "cross-signed",
                .choices = "cross-signed|verified|all",
                .help = "Devices that can read and use commands: cross-signed (signed by their "
                        "owner), verified\n"
                        "(of users verified by emoji, see `matrix-telemetry-bot verify`), or all."},

        {"route", "critical", OPTION_ROOM, IN(route[SEVERITY_CRITICAL]), .example = "ops",
                .help = "The name of a room in [rooms]."},
        {"route", "warning", OPTION_ROOM, IN(route[SEVERITY_WARNING]), .example = "dev"},
        {"route", "info", OPTION_ROOM, IN(route[SEVERITY_INFO]), .example = "dev"},

        {"severity *", "emoji", OPTION_TEXT, LOOK(emoji), .example = "🚨",
                .help = "What a message begins with. Default: 🚨, ⚠️ and ℹ️."},
        {"severity *", "msgtype", OPTION_CHOICE, LOOK(msgtype), .example = "m.text",
                .choices = "m.text|m.notice",
                .help = "m.text notifies, m.notice does not (by Matrix's default push rules). "
                        "Default: m.notice\n"
                        "for info, m.text for the others."},
        {"severity *", "mention", OPTION_MENTION, LOOK(mention), .example = "room",
                .help = "Who is mentioned: room for everybody, user ids separated by commas or "
                        "blanks, or\n"
                        "oncall:NAME. Default: nobody."},

        {"app *", "dashboard", OPTION_LINK, APP(dashboard),
                .example = "https://factory.example.org/runs/{run_id}",
                .help = "Link in its messages; values are percent-encoded."},
        {"app *", "critical", OPTION_ROOM, APP(route[SEVERITY_CRITICAL]), .example = "ops",
                .help = "Rooms instead of those in [route]."},
        {"app *", "warning", OPTION_ROOM, APP(route[SEVERITY_WARNING]), .example = "dev"},
        {"app *", "info", OPTION_ROOM, APP(route[SEVERITY_INFO]), .example = "dev"},
        {"app *", "throttle", OPTION_DURATION, APP(throttle_ms), .min = 0, .max = CLOCK_DAY_MS,
                .example = "60s", .help = "Instead of the throttle in [delivery]."},
        {"app *", "resolve_after", OPTION_DURATION, APP(resolve_after_ms), .min = 0, .max = YEAR_MS,
                .example = "1d",
                .help = "An alert that has fired for longer than this without being repeated is "
                        "resolved.\n"
                        "0 = never. Default: that of its kind."},
        {"app *", "quiet", OPTION_BOOL, APP(quiet), .fallback = "no",
                .help = "Send its messages as m.notice, whatever their severity: they notify "
                        "nobody."},

        {"kind *", "severity", OPTION_ENUM, KIND(severity), .choices = SEVERITIES,
                .help = "Of alerts that name none: critical, warning or info. Default: warning."},
        {"kind *", "resolve_after", OPTION_DURATION, KIND(resolve_after_ms), .fallback = "0",
                .min = 0, .max = YEAR_MS,
                .help = "An alert that has fired for longer than this, such as 1d, without\n"
                        "being repeated is resolved. Default: 0, never."},
        {"kind *", "emoji", OPTION_TEXT, KIND(emoji), .help = "Default: that of the severity."},
        {"kind *", "identity", OPTION_WORDS, KIND(identity),
                .help = "The fields that say what failed: alerts with equal values are the same\n"
                        "failure. Default: title."},
        {"kind *", "text", OPTION_TEMPLATE, KIND(text),
                .help = "The message's text. Default: its title and its fields."},
        {"kind *", "html", OPTION_TEMPLATE, KIND(html),
                .help = "The same as HTML. Default: made from text."},

        {"socket", "path", OPTION_PATH, IN(socket.path),
                .fallback = "/run/matrix-telemetry-bot/socket",
                .help = "Path of the socket, at most 107 bytes."},
        {"socket", "group", OPTION_GROUP, IN(socket.group), .example = "telemetry",
                .help = "Group of the socket file. Default: that of the daemon."},
        {"socket", "mode", OPTION_MODE, IN(socket.mode), .fallback = "0660",
                .help = "Permissions of the socket file, in octal."},
        {"socket", "allow_uid", OPTION_UIDS, IN(socket.allow_uid), .example = "data_factory, 1001",
                .help = "Users, and groups, by name or number, that may send alerts, if the "
                        "permissions let them\n"
                        "in. Default: all."},
        {"socket", "allow_gid", OPTION_GIDS, IN(socket.allow_gid), .example = "telemetry"},
        {"socket", "admin_uid", OPTION_UIDS, IN(socket.admin_uid), .example = "1000",
                .help = "Users, and groups, that may acknowledge, silence, resolve, retry and "
                        "discard, besides root\n"
                        "and the daemon's user. Default: all who may send alerts."},
        {"socket", "admin_gid", OPTION_GIDS, IN(socket.admin_gid), .example = "1000"},
        {"socket", "max_clients", OPTION_UINT, IN(socket.max_clients), .fallback = "64", .min = 1,
                .max = 4096, .help = "Connections at the same time, 1 to 4096."},

        {"storage", "database", OPTION_PATH, IN(storage.database), .fallback = "operations.db",
                .help = "The SQLite database."},
        {"storage", "spool", OPTION_PATH, IN(storage.spool), .example = "spool",
                .help = "Folder in which alerts wait while the daemon is down. Default: spool, "
                        "beside the database."},
        {"storage", "retention", OPTION_DURATION, IN(storage.retention_ms), .fallback = "90d",
                .min = CLOCK_HOUR_MS, .max = 20 * YEAR_MS,
                .help = "Delivered alerts are deleted when they are older than this. At least 1h."},

        {"delivery", "throttle", OPTION_DURATION, IN(delivery.throttle_ms), .fallback = "60s",
                .min = 0, .max = CLOCK_DAY_MS,
                .help = "At most one new message in this time for each app and room; further "
                        "alerts join it by\n"
                        "edits."},
        {"delivery", "edit_interval", OPTION_DURATION, IN(delivery.edit_interval_ms),
                .fallback = "1s", .min = 100, .max = CLOCK_MINUTE_MS,
                .help = "At most one edit of a message in this time, 100ms to 1m."},
        {"delivery", "storm", OPTION_UINT, IN(delivery.storm), .fallback = "20", .min = 0,
                .max = 100000,
                .help = "If there are more new messages a minute than this, over all apps, one "
                        "message sums them\n"
                        "up until the storm is over. 0 = never."},
        {"delivery", "ring_on_close", OPTION_BOOL, IN(delivery.ring_on_close), .fallback = "yes",
                .help = "Further critical failures that joined a message by edits, which notify "
                        "nobody, are\n"
                        "announced by one short message when its time is over."},
        {"delivery", "inhibit", OPTION_BOOL, IN(delivery.inhibit), .fallback = "no",
                .help = "A critical failure inhibits warnings of the same app about the same "
                        "thing, like an\n"
                        "inhibition of Alertmanager. When it is resolved, a warning that still "
                        "fires is sent."},

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
                .help = "How often the room is reminded of unacknowledged critical alerts. 0 = "
                        "never."},
        {"commands", "ack_timeout", OPTION_DURATION, IN(commands.ack_timeout_ms), .fallback = "24h",
                .min = 0, .max = YEAR_MS,
                .help = "An acknowledgement expires after this. 0 = never."},
        {"commands", "silence_max", OPTION_DURATION, IN(commands.silence_max_ms), .fallback = "7d",
                .min = 1, .max = YEAR_MS, .help = "The longest duration of a silence."},

        {"escalate *", "after", OPTION_DURATION, ESCALATE(after_ms), .fallback = "15m",
                .min = CLOCK_SECOND_MS, .max = YEAR_MS,
                .help = "How long the alert has been unacknowledged in its room. Others for "
                        "which the step is due\nwithin a minute are included."},
        {"escalate *", "mention", OPTION_MENTION, ESCALATE(mention), .fallback = "",
                .example = "@lead:example.org",
                .help = "Who is mentioned: user ids, room, or oncall:NAME. Default: nobody."},
        {"escalate *", "room", OPTION_ROOM, ESCALATE(room), .example = "ops",
                .help = "Default: the room of the alert."},

        {"oncall *", "users", OPTION_USERS, ONCALL(users), .fallback = "",
                .example = "@ana:example.org, @ben:example.org",
                .help = "Required. In the order of their turns."},
        {"oncall *", "rotate", OPTION_WORDS, ONCALL(rotate), .fallback = "",
                .example = "weekly mon 09:00",
                .help = "When the next turn begins: weekly DAY HH:MM, or daily HH:MM. Default: "
                        "never."},
        {"oncall *", "from", OPTION_TEXT, ONCALL(from), .example = "2026-12-07",
                .help = "Required with rotate: the first user's first turn begins on this date, or "
                        "on the first\n"
                        "matching day after it."},
        {"oncall *", "room", OPTION_ROOM, ONCALL(room), .example = "ops",
                .help = "Where changes are announced. Default: the room for critical alerts."},

        {"quiet *", "what", OPTION_TEXT, QUIET(what), .example = "app=etl, severity!=info",
                .help = "An app, or matchers as in !silence. Default: everything."},
        {"quiet *", "days", OPTION_WORDS, QUIET(days), .fallback = "mon-sun",
                .help = "The days on which it begins, such as mon-fri, or sat, sun."},
        {"quiet *", "from", OPTION_TIME, QUIET(from), .example = "23:00", .help = "Required."},
        {"quiet *", "to", OPTION_TIME, QUIET(to), .example = "07:00",
                .help = "Required. If it is not after `from`, it is on the next day."},
        {"quiet *", "critical", OPTION_BOOL, QUIET(critical), .fallback = "no",
                .help = "Silence critical alerts as well."},

        {"heartbeat", "room", OPTION_ROOM, IN(heartbeat.room), .example = "ops",
                .help = "Default: the room for critical alerts."},
        {"heartbeat", "at", OPTION_TIME, IN(heartbeat.at), .fallback = "09:00",
                .help = "Time of day."},
        {"heartbeat", "timezone", OPTION_ZONE, IN(heartbeat.timezone), .fallback = "UTC",
                .example = "Europe/Madrid",
                .help = "Time zone of `at`, of schedules, and of all times that are shown. "
                        "Default: UTC."},
        {"heartbeat", "sender", OPTION_USER, IN(heartbeat.sender),
                .example = "@telemetry:example.org",
                .help = "Only for `matrix-telemetry-bot watch`: the bot whose heartbeat is watched "
                        "in `room`. The\n"
                        "watcher has a config, an account and a database of its own; its `at`, "
                        "`timezone` and\n"
                        "`grace` are the same as the bot's."},
        {"heartbeat", "grace", OPTION_DURATION, IN(heartbeat.grace_ms), .fallback = "5m", .min = 0,
                .max = CLOCK_DAY_MS,
                .help = "If the homeserver has not confirmed the heartbeat by then, it is missing. "
                        "At least 10s."},
        {"heartbeat", "chart", OPTION_BOOL, IN(heartbeat.chart), .fallback = "yes",
                .help = "On Mondays, send a chart of the week before it as well."},

        {"meta", "room", OPTION_ROOM, IN(meta.room), .example = "ops",
                .help = "A room, by the bot itself."},
        {"meta", "exec", OPTION_ARGV, IN(meta.exec), .example = "mail -s 'the bot is silent' root",
                .help = "A command, which gets the text on its standard input. It is split into "
                        "words, quotes are\n"
                        "respected, but no shell runs it; it is terminated after 30s."},
        {"meta", "homeserver", OPTION_SERVER, IN(meta.homeserver), .example = "example.com",
                .help = "A second account, preferably on another homeserver; the keys are those of "
                        "[matrix]."},
        {"meta", "user", OPTION_USER, IN(meta.user), .example = "@watcher:example.com"},
        {"meta", "token_command", OPTION_TEXT, IN(meta.token.command),
                .example = "pass show matrix/watcher-token"},
        {"meta", "token_file", OPTION_PATH, IN(meta.token.file), .example = "watcher-token"},
        {"meta", "second_room", OPTION_ADDRESS, IN(meta.second_room),
                .example = "#fn-registry-ops:example.com",
                .help = "Where the second account writes: alias or id of a room that is not "
                        "encrypted. Default: the\n"
                        "address of `room` above, or of the heartbeat's room."},
        {"meta", "ca_file", OPTION_PATH, IN(meta.ca_file),
                .example = "/etc/ssl/certs/our-own-ca.pem",
                .help = "Certificates to trust there, and for ping_url, instead of the system's."},
        {"meta", "undelivered", OPTION_DURATION, IN(meta.undelivered_ms), .fallback = "5m",
                .min = 0, .max = CLOCK_DAY_MS,
                .help = "A critical alert that is not in its room by then is reported once, and "
                        "again when it has\n"
                        "arrived. 0 = never."},
        {"meta", "ping_url", OPTION_URL, IN(meta.ping_url),
                .example = "https://ping.example.com/bot",
                .help = "Fetched after each confirmed heartbeat, for a dead man's switch."},

        {"call_monitor", "database", OPTION_PATH, IN(call_monitor.database),
                .example = "/var/lib/call_monitor/operations.db", .help = "Its SQLite database."},
        {"call_monitor", "violations_threshold", OPTION_REAL, IN(call_monitor.violations_threshold),
                .fallback = "50", .min = 0, .max = 1e12,
                .help = "More violations than this in 24 hours raise an alert."},
        {"call_monitor", "error_rate_threshold", OPTION_REAL, IN(call_monitor.error_rate_threshold),
                .fallback = "0.1", .min = 0, .max = 1,
                .help = "A function with a greater share of errors in 7 days, 0 to 1, raises an "
                        "alert. Only the 20\n"
                        "functions called most often are looked at."},
        {"call_monitor", "violations_sql", OPTION_LINES, IN(call_monitor.violations_sql),
                .fallback = VIOLATIONS_SQL,
                .help = "The queries, to be adapted to other tables and columns; off = none. "
                        ":threshold is the\n"
                        "threshold above, :since_ms the beginning of the 24 hours or 7 days in "
                        "milliseconds since\n"
                        "1970 (:since_s in seconds)."},
        {"call_monitor", "error_rate_sql", OPTION_LINES, IN(call_monitor.error_rate_sql),
                .fallback = ERROR_RATE_SQL},
        {"call_monitor", "every", OPTION_DURATION, IN(call_monitor.every_ms), .fallback = "1h",
                .min = CLOCK_SECOND_MS, .max = YEAR_MS, .help = "How often the queries run."},
        {"call_monitor", "repeat", OPTION_DURATION, IN(call_monitor.repeat_ms), .fallback = "24h",
                .min = 0, .max = YEAR_MS, .help = REPEAT_HELP},
        {"call_monitor", "calls_table", OPTION_TABLE, IN(call_monitor.calls_table),
                .example = "calls",
                .help = "Table that gets a row for each message sent. Default: none."},
        {"call_monitor", "calls_columns", OPTION_COLUMNS, IN(call_monitor.calls_columns),
                .fallback = "at, what, room, duration_ms, result, error",
                .example = "at=called_at, what=function, duration_ms=duration_ms, error=error",
                .help = "What is written to which of its columns, as OURS=THEIRS, or OURS alone "
                        "for a column of the\n"
                        "same name. OURS are at (RFC 3339), at_ms (since 1970), what, room, "
                        "duration_ms, result,\n"
                        "error and event_id. Default: at, what, room, duration_ms, result, error"},

        {"watch *", "database", OPTION_PATH, WATCH(database), .example = "/var/lib/shop/shop.db",
                .help = "Required."},
        {"watch *", "sql", OPTION_LINES, WATCH(sql),
                .example = "SELECT name AS title, stock FROM goods WHERE stock < 5",
                .help = "Required. One SELECT, which may continue on indented lines; limited to "
                        "100 rows and 5\n"
                        "seconds."},
        {"watch *", "every", OPTION_DURATION, WATCH(every_ms), .fallback = "1h",
                .min = CLOCK_SECOND_MS, .max = YEAR_MS, .help = "How often, at least 1s."},
        {"watch *", "repeat", OPTION_DURATION, WATCH(repeat_ms), .fallback = "24h", .min = 0,
                .max = YEAR_MS, .help = REPEAT_HELP},
        {"watch *", "kind", OPTION_TEXT, WATCH(kind), .fallback = "message",
                .help = "Kind of its alerts: a built-in one, or that of a section [kind NAME]."},
        {"watch *", "severity", OPTION_ENUM, WATCH(severity), .fallback = "warning",
                .choices = SEVERITIES, .help = "critical, warning or info."},

        {"http", "listen", OPTION_LISTEN, IN(http.listen), .example = "127.0.0.1:9400",
                .help = "ADDRESS:PORT, or [::1]:PORT for IPv6. Addresses other than loopback "
                        "require a token."},
        {"http", "token_file", OPTION_PATH, IN(http.token.file), .example = "http-token",
                .help = "File with the bearer token required over TCP; it has all rights. The "
                        "daemon's user must be\n"
                        "able to read it, other users must not: root:matrix-telemetry-bot, 0640. "
                        "Default: none, and\n"
                        "then programs on this machine may send and read."},
        {"http", "tokens", OPTION_PATH, IN(http.tokens), .example = "http-tokens",
                .help = "File with further tokens, one a line: NAME RIGHTS TOKEN. RIGHTS are one "
                        "or more of send,\n"
                        "read and command, separated by commas. Owner and permissions as above."},

        {"http", "timeout", OPTION_DURATION, IN(http.timeout_ms), .fallback = "30s",
                .min = CLOCK_SECOND_MS, .max = CLOCK_HOUR_MS,
                .help = "Time for a client to send its headers, then its body, then to read the "
                        "answer; after it,\n"
                        "the connection is closed."},

        {"labels", "app", OPTION_WORDS, IN(labels.app), .fallback = "app, service, job",
                .help = "Labels that name the app; the first one that an alert has is used."},
        {"labels", "title", OPTION_WORDS, IN(labels.title), .fallback = "alertname",
                .help = "Labels for the title of an alert without a summary."},
        {"labels", "severity", OPTION_WORDS, IN(labels.severity), .fallback = "severity",
                .help = "Labels for the severity; without one, it is that of [kind message]."},
        {"labels", "critical", OPTION_WORDS, IN(labels.severities[SEVERITY_CRITICAL]),
                .fallback = "critical, page, error",
                .help = "Values of that label for each of our severities; others are read as on "
                        "the socket."},
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
                .help = "Default: that of the kind."},
        {"webhook *", "key", OPTION_TEXT, WEBHOOK(key), .example = "{/job/name}",
                .help = "What failed, for grouping."},
        {"webhook *", "run_id", OPTION_TEXT, WEBHOOK(run_id), .example = "{/job/id}"},
        {"webhook *", "url", OPTION_TEXT, WEBHOOK(url), .example = "{/job/url}"},
        {"webhook *", "at", OPTION_TEXT, WEBHOOK(at), .example = "{/job/finished}"},
        {"webhook *", "status", OPTION_TEXT, WEBHOOK(status), .example = "{/job/result}",
                .help = "The alert is resolved if this is one of `resolved`, else it fires. "
                        "Default: firing."},
        {"webhook *", "resolved", OPTION_TEXT, WEBHOOK(resolved), .fallback = "resolved, ok, up"},
        {"webhook *", "firing", OPTION_TEXT, WEBHOOK(firing), .example = "failed, timed_out",
                .help = "If set: only these fire, and what is neither is ignored. Default: any "
                        "other."},
        {"webhook *", "fields", OPTION_WORDS, WEBHOOK(fields),
                .example = "host={/job/host}, branch={/git/0}"},

        {"log", "level", OPTION_ENUM, IN(log.level), .fallback = "info",
                .choices = "error|warning|info|debug", .help = "error, warning, info or debug."},
        {"log", "format", OPTION_ENUM, IN(log.format), .fallback = "text", .choices = "text|json",
                .help = "text, or json: one object a line."},
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
        {"heartbeat_failed", NULL, "{emoji} **{app} · {heartbeat} FAILED**\\n{text}",
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
