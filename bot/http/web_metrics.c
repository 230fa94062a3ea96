/*
 * web_metrics.c - GET /metrics: OpenMetrics, or the older text form of Prometheus.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bot/base/clock.h"
#include "bot/base/histogram.h"
#include "bot/http/web_internal.h"

#define PREFIX "matrix_telemetry_bot_"

/* Metrics read from numbers of op "metrics". For a counter, _total is appended to the name. */
static const struct {
	const char *key, *name, *type, *help;
	double scale;
} rows[] = {
        {"uptime_ms", "uptime_seconds", "gauge", "Time since the daemon started.", 1e-3},
        {"online", "homeserver_online", "gauge", "Whether the homeserver accepts requests.", 1},
        {"last_sync_age_ms", "sync_age_seconds", "gauge",
                "Time since the last answer to /sync; absent before the first.", 1e-3},
        {"events_sent", "events_sent", "counter", "Events that the homeserver confirmed.", 1},
        {"sends_retried", "sends_retried", "counter", "Sends that had to be retried.", 1},
        {"outbox_waiting", "queue_length", "gauge", "Events that wait to be sent.", 1},
        {"oldest_age_ms", "queue_oldest_seconds", "gauge",
                "Age of the oldest event that waits to be sent.", 1e-3},
        {"outbox_undeliverable", "undeliverable", "gauge", "Messages that cannot be delivered.", 1},
        {"alerts_unacked", "alerts_unacknowledged", "gauge",
                "Critical alerts that nobody acknowledged.", 1},
        {"silences", "silences", "gauge", "Active silences.", 1},
        {"app_heartbeats", "app_heartbeats", "gauge", "Heartbeats that apps registered.", 1},
        {"app_heartbeats_missed", "app_heartbeats_missed", "gauge",
                "Registered heartbeats that are missing.", 1},
        {"watches", "watches", "gauge", "SQL watches.", 1},
        {"watches_firing", "watch_alerts_firing", "gauge", "Firing alerts of SQL watches.", 1},
        {"watches_failing", "watches_failing", "gauge", "SQL watches whose query fails.", 1},
        {"latency_p95_ms", "delivery_p95_seconds", "gauge",
                "95th percentile of the time until an event is confirmed, over the last day.",
                1e-3},
        {"clients", "clients", "gauge", "Connections to the socket.", 1},
        {"rate_limited", "rate_limited", "counter", "Sends that the homeserver answered with 429.",
                1},
        {"rate_limit_waits_ms", "rate_limit_wait_seconds", "counter",
                "Time that the homeserver asked to wait.", 1e-3},
        {"events_encrypted", "events_encrypted", "counter", "Events sent encrypted.", 1},
        {"rooms_encrypted", "rooms_encrypted", "gauge", "Encrypted rooms.", 1},
        {"undecrypted", "undecrypted_events", "gauge",
                "Events of encrypted rooms that wait for a key.", 1},
        {"encryption_refusals", "encryption_refusals", "gauge",
                "Devices and identities that are not trusted, as in status.", 1},
        {"spool_bad", "spool_rejected_files", "gauge", "Rejected files in the spool.", 1},
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
	add_head(out, "alerts_last_day", "gauge", "Alerts received in the last 24 h.", open);
	for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++)
		buf_printf(out, PREFIX "alerts_last_day{severity=\"%s\"} %lld\n", severities[i],
		        (long long)json_integer_value(json_object_get(counts, severities[i])));
}

static void add_problems(struct buf *out, const json_t *answer, bool open)
{
	json_t *problems = json_object_get(answer, "problems"), *count;
	const char *cause;

	add_head(out, "problems", "gauge",
	        "Problems that keep alerts from being read, as in status, by cause.", open);
	json_object_foreach(problems, cause, count)
	{
		buf_printf(out, PREFIX "problems{cause=\"%s\"} %lld\n", cause,
		        (long long)json_integer_value(count));
	}
}

/* A label value, escaped: names of apps need no escaping, others may. */
static void web_metrics_label(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_add_char(out, '\\');
		if (*text == '\n')
			buf_add_str(out, "\\n");
		else
			buf_add_char(out, *text);
	}
}

static void web_metrics_firing(struct buf *out, const json_t *answer, bool open)
{
	json_t *apps = json_object_get(answer, "firing_by_app"), *counts, *count;
	const char *app, *severity;

	add_head(out, "alerts_firing", "gauge",
	        "Failures that are firing; of the 100 apps with the most.", open);
	json_object_foreach(apps, app, counts)
	{
		json_object_foreach(counts, severity, count)
		{
			buf_add_str(out, PREFIX "alerts_firing{app=\"");
			web_metrics_label(out, app);
			buf_printf(out, "\",severity=\"%s\"} %lld\n", severity,
			        (long long)json_integer_value(count));
		}
	}
}

/* Alerts by app and severity, and resolved notices by app. */
static void web_metrics_apps(struct buf *out, const json_t *answer, bool open)
{
	json_t *apps = json_object_get(answer, "alerts_by_app"), *counts, *count;
	const char *app, *severity;

	add_head(out, "alerts", "counter", "Alerts received since the start, without duplicates.",
	        open);
	json_object_foreach(apps, app, counts)
	{
		json_object_foreach(counts, severity, count)
		{
			if (json_integer_value(count) == 0)
				continue;
			buf_add_str(out, PREFIX "alerts_total{app=\"");
			web_metrics_label(out, app);
			if (strcmp(severity, "resolved") == 0)
				buf_add_str(out, "\",severity=\"\",status=\"resolved\"}");
			else
				buf_printf(out, "\",severity=\"%s\",status=\"firing\"}", severity);
			buf_printf(out, " %lld\n", (long long)json_integer_value(count));
		}
	}
}

/* A counter with one value for each member of an object, by name. */
static void web_metrics_by(struct buf *out, const json_t *counts, const char *name,
        const char *label, const char *help, bool open)
{
	const char *value;
	json_t *count;

	add_head(out, name, "counter", help, open);
	json_object_foreach((json_t *)counts, value, count)
	{
		buf_printf(out, PREFIX "%s_total{%s=\"", name, label);
		web_metrics_label(out, value);
		buf_printf(out, "\"} %lld\n", (long long)json_integer_value(count));
	}
}

static void web_metrics_histogram(
        struct buf *out, const json_t *histogram, const char *name, const char *help, bool open)
{
	const json_t *buckets = json_object_get(histogram, "buckets");
	long long count = (long long)json_integer_value(json_object_get(histogram, "count"));

	add_head(out, name, "histogram", help, open);
	for (size_t i = 0; i < json_array_size(buckets) && i < HISTOGRAM_BOUNDS; i++)
		buf_printf(out, PREFIX "%s_bucket{le=\"%.15g\"} %lld\n", name,
		        (double)histogram_bounds_ms[i] / 1000,
		        (long long)json_integer_value(json_array_get(buckets, i)));
	buf_printf(out, PREFIX "%s_bucket{le=\"+Inf\"} %lld\n", name, count);
	buf_printf(out, PREFIX "%s_sum %.15g\n", name,
	        (double)json_integer_value(json_object_get(histogram, "sum_ms")) / 1000);
	buf_printf(out, PREFIX "%s_count %lld\n", name, count);
}

static void web_metrics_counted(struct buf *out, const json_t *answer, bool open)
{
	web_metrics_firing(out, answer, open);
	web_metrics_apps(out, answer, open);
	web_metrics_by(out, json_object_get(answer, "alerts_by_state"), "alert_states", "state",
	        "Alerts received, by result: queued, grouped, silenced, ignored, duplicate.", open);
	web_metrics_by(out, json_object_get(answer, "sends"), "sends", "result",
	        "Attempts to send, by result.", open);
	web_metrics_histogram(out, json_object_get(answer, "delivery"), "delivery_seconds",
	        "From receiving an alert until the homeserver confirmed its event.", open);
	web_metrics_histogram(out, json_object_get(answer, "commit"), "commit_seconds",
	        "From receiving an alert until its commit.", open);
}

static unsigned count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count > 3 ? count - 3
	                 : 0; /* without ., .. and the descriptor of the folder itself */
}

static void web_metrics_value(struct buf *out, const char *name, const char *type, const char *help,
        double value, bool open)
{
	bool counter = strcmp(type, "counter") == 0;

	buf_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n%s%s %.15g\n", name,
	        counter && !open ? "_total" : "", help, name, counter && !open ? "_total" : "",
	        type, name, counter ? "_total" : "", value);
}

/* Process metrics, under the names used by Prometheus' client libraries. */
static void web_metrics_process(struct buf *out, const json_t *answer, bool open)
{
	FILE *file = fopen("/proc/self/statm", "re");
	double page = (double)sysconf(_SC_PAGESIZE);
	unsigned long size = 0, resident = 0;
	struct rlimit files = {0};
	struct rusage usage = {0};

	if (file && fscanf(file, "%lu %lu", &size, &resident) == 2) {
		web_metrics_value(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
		        (double)resident * page, open);
		web_metrics_value(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.",
		        (double)size * page, open);
	}
	if (file)
		fclose(file);
	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &files);
	web_metrics_value(out, "process_cpu_seconds", "counter", "User and system time.",
	        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
	        open);
	web_metrics_value(out, "process_open_fds", "gauge", "Open file descriptors.",
	        count_descriptors(), open);
	web_metrics_value(out, "process_max_fds", "gauge", "Limit of open file descriptors.",
	        (double)files.rlim_cur, open);
	web_metrics_value(out, "process_start_time_seconds", "gauge", "Start time, since 1970.",
	        (double)(clock_now_ms() -
	                 json_integer_value(json_object_get(answer, "uptime_ms"))) /
	                1000,
	        open);
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
	        "# HELP " PREFIX "build_info Version of the bot.\n# TYPE " PREFIX
	        "build_info gauge\n" PREFIX "build_info{version=\"%s\"} 1\n",
	        BOT_VERSION);
	add_numbers(&call->text, answer, open);
	add_alerts(&call->text, answer, open);
	add_problems(&call->text, answer, open);
	web_metrics_counted(&call->text, answer, open);
	web_metrics_process(&call->text, answer, open);
	if (open)
		buf_add_str(&call->text, "# EOF\n");
}
