/*
 * synthetic.c - see synthetic.h. The identity includes the run id, so that every test has its own
 * fingerprint and is never counted as a repetition of an earlier one.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "bot/base/synthetic.h"

static json_t *make_node(const char *run)
{
	return json_pack("{s:s, s:s, s:s, s:{s:s, s:i, s:s}}", "app", "data_factory", "kind",
	        "node_failed", "severity", "critical", "fields", "node_id", run, "duration_ms",
	        5321, "error", "this is a test: nothing failed");
}

static json_t *make_dag(const char *run)
{
	return json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:i}}", "app", "dag_engine", "kind",
	        "dag_failed", "severity", "critical", "fields", "dag_name", run, "step_name",
	        "this is a test: nothing failed", "exit_code", 1);
}

static json_t *make_violation(const char *run)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:{s:i, s:i, s:s}}", "app", "call_monitor", "kind",
	        "violations", "severity", "warning", "key", run, "fields", "count", 51, "threshold",
	        50, "rules", "this is a test: nothing is violated");
}

static const struct {
	const char *name;
	json_t *(*make)(const char *run);
} kinds[] = {
        {"node", make_node},
        {"dag", make_dag},
        {"violation", make_violation},
};

#define KINDS_LEN (sizeof(kinds) / sizeof(*kinds))

const char *synthetic_name(size_t index)
{
	return index < KINDS_LEN ? kinds[index].name : NULL;
}

bool synthetic_known(const char *name)
{
	for (size_t i = 0; i < KINDS_LEN; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return true;
	return strcmp(name, "all") == 0;
}

json_t *synthetic_alert(const char *name)
{
	uint32_t random;
	char run[16];

	while (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		;
	snprintf(run, sizeof(run), "test-%08x", random);
	for (size_t i = 0; i < KINDS_LEN; i++) {
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		json_t *alert = kinds[i].make(run);
		json_object_set_new(json_object_get(alert, "fields"), "test", json_true());
		json_object_set_new(alert, "op", json_string("alert"));
		json_object_set_new(alert, "run_id", json_string(run));
		json_object_set_new(alert, "id", json_string(run));
		return alert;
	}
	return NULL;
}
