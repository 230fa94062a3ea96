/*
 * web_metrics.c - GET /metrics: OpenMetrics, or the older text form of Prometheus.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bot/http/web_internal.h"

#define PREFIX "matrix_telemetry_bot_"

/* A number of op "metrics". A counter's name is written with _total at its end. */
static const struct {
	const char *key, *name, *type, *help;
	double scale;
} rows[] = {
        {"uptime_ms", "uptime_seconds", "gauge", "Time since the daemon started.", 1e-3},
        {"online", "homeserver_online", "gauge", "Whether the homeserver takes requests.", 1},
        {"last_sync_age_ms", "sync_age_seconds", "gauge",
                "Time since the last answer to /sync; absent before the first.", 1e-3},
        {"events_sent", "events_sent", "counter", "Events that the homeserver confirmed.", 1},
        {"sends_retried", "sends_retried", "counter", "Sends that had to be tried again.", 1},
        {"outbox_waiting", "queue_length", "gauge", "Events that wait to be sent.", 1},
        {"oldest_age_ms", "queue_oldest_seconds", "gauge",
                "Age of the oldest event that waits to be sent.", 1e-3},
        {"outbox_undeliverable", "undeliverable", "gauge", "Messages that cannot be delivered.", 1},
        {"alerts_unacked", "alerts_unacknowledged", "gauge",
                "Critical alerts that nobody acknowledged.", 1},
        {"silences", "silences", "gauge", "Silences that hold.", 1},
        {"app_heartbeats", "app_heartbeats", "gauge", "Heartbeats that apps registered.", 1},
        {"app_heartbeats_missed", "app_heartbeats_missed", "gauge", "Of these, those missed.", 1},
        {"watches", "watches", "gauge", "SQL watches.", 1},
        {"watches_firing", "watch_alerts_firing", "gauge", "What SQL watches found.", 1},
        {"watches_failing", "watches_failing", "gauge", "SQL watches whose query fails.", 1},
        {"latency_p95_ms", "delivery_p95_seconds", "gauge",
                "95th percentile of the time until an event is confirmed, of the last day.", 1e-3},
        {"clients", "clients", "gauge", "Connections of the socket.", 1},
        {"spool_bad", "spool_rejected_files", "gauge", "Files of the spool that were rejected.", 1},
};

static const char *const severities[] = {"critical", "warning", "info"};

static void add_head(
        struct buf *out, const char *name, const char *type, const char *help, bool open)
{
	const char *total = strcmp(type, "counter") == 0 && !open ? "_total" : "";

	buf_printf(out, "# HELP " PREFIX "%s%s %s\n# TYPE " PREFIX "%s%s %s\n", name, total, help,
	        name, total, type);
}

static void add_numbers(struct buf *out, const json_t *answer, bool open)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const json_t *value = json_object_get(answer, rows[i].key);
		double number = json_is_true(value) ? 1 : json_number_value(value);

		if (!value || json_is_null(value) || number < 0)
			continue;
		add_head(out, rows[i].name, rows[i].type, rows[i].help, open);
		buf_printf(out, PREFIX "%s%s %.15g\n", rows[i].name,
		        strcmp(rows[i].type, "counter") == 0 ? "_total" : "",
		        number * rows[i].scale);
	}
}

static void add_alerts(struct buf *out, const json_t *answer, bool open)
{
	const json_t *counts = json_object_get(answer, "alerts_24h_by_severity");

	if (!counts)
		return;
	add_head(out, "alerts_last_day", "gauge", "Alerts taken in within the last 24 h.", open);
	for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++)
		buf_printf(out, PREFIX "alerts_last_day{severity=\"%s\"} %lld\n", severities[i],
		        (long long)json_integer_value(json_object_get(counts, severities[i])));
}

static void add_problems(struct buf *out, const json_t *answer, bool open)
{
	json_t *problems = json_object_get(answer, "problems"), *count;
	const char *cause;

	add_head(out, "problems", "gauge",
	        "What keeps alerts from being read by a person, as status tells it, by cause.",
	        open);
	json_object_foreach(problems, cause, count)
	{
		buf_printf(out, PREFIX "problems{cause=\"%s\"} %lld\n", cause,
		        (long long)json_integer_value(count));
	}
}

static unsigned count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count > 3 ? count - 3 : 0; /* . and .. and the folder's own */
}

/* Of the process, under the names that Prometheus' own clients use. */
static void add_process(struct buf *out)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long size = 0, resident = 0;

	if (file && fscanf(file, "%lu %lu", &size, &resident) == 2)
		buf_printf(out,
		        "# HELP process_resident_memory_bytes Resident memory.\n"
		        "# TYPE process_resident_memory_bytes gauge\n"
		        "process_resident_memory_bytes %lu\n",
		        resident * (unsigned long)sysconf(_SC_PAGESIZE));
	if (file)
		fclose(file);
	buf_printf(out,
	        "# HELP process_open_fds Open file descriptors.\n"
	        "# TYPE process_open_fds gauge\nprocess_open_fds %u\n",
	        count_descriptors());
}

void metrics_run(struct web_call *call)
{
	call_request(call, json_pack("{s:s}", "op", "metrics"));
}

void metrics_finish(struct web_call *call)
{
	const json_t *answer = json_array_get(call->answers, 0);
	bool open = strstr(call_header(call, "Accept"), "application/openmetrics-text");

	if (call_status_of(answer) != MHD_HTTP_OK) {
		call_finish_op(call);
		return;
	}
	call_text(call, MHD_HTTP_OK,
	        open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
	             : "text/plain; version=0.0.4; charset=utf-8",
	        "");
	buf_printf(&call->text,
	        "# HELP " PREFIX "build_info The version.\n# TYPE " PREFIX
	        "build_info gauge\n" PREFIX "build_info{version=\"%s\"} 1\n",
	        BOT_VERSION);
	add_numbers(&call->text, answer, open);
	add_alerts(&call->text, answer, open);
	add_problems(&call->text, answer, open);
	add_process(&call->text);
	if (open)
		buf_add_str(&call->text, "# EOF\n");
}
