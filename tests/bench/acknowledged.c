/*
 * acknowledged.c - the two sides of tests/bench/acknowledged: SQLite alone, and clients of the
 * daemon's socket.
 *
 *   acknowledged limit DATABASE ROWS PER_COMMIT
 *       Inserts rows like the alert with the smallest id into the same table with its indexes.
 *   acknowledged clients SOCKET CLIENTS ALERTS WINDOW ORIGINS
 *       Each client hands in its alerts, at most WINDOW unanswered, from ORIGINS apps in turn.
 *
 * Each prints how many a second.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "acknowledged: %s: %s\n", what, why);
	exit(1);
}

/* --- SQLite alone ------------------------------------------------------------------------- */

static void exec(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sql, sqlite3_errmsg(db));
}

/* Into all columns but the id, with what the stored alert with the smallest id has there, and no
 * ext_id; *run_id: the parameter of that. */
static sqlite3_stmt *prepare_insert(sqlite3 *db, int *run_id)
{
	char names[2048] = "", values[2048] = "", sql[5000];
	sqlite3_stmt *row, *insert;

	if (sqlite3_prepare_v2(db, "SELECT * FROM alerts ORDER BY id LIMIT 1", -1, &row, NULL) !=
	                SQLITE_OK ||
	        sqlite3_step(row) != SQLITE_ROW)
		die("an alert to copy", sqlite3_errmsg(db));
	for (int i = 1; i < sqlite3_column_count(row); i++) {
		const char *comma = i > 1 ? ", " : "";

		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", comma,
		        sqlite3_column_name(row, i));
		snprintf(values + strlen(values), sizeof(values) - strlen(values), "%s?", comma);
	}
	snprintf(sql, sizeof(sql), "INSERT INTO alerts (%s) VALUES (%s)", names, values);
	if (sqlite3_prepare_v2(db, sql, -1, &insert, NULL) != SQLITE_OK)
		die(sql, sqlite3_errmsg(db));
	for (int i = 1; i < sqlite3_column_count(row); i++) {
		if (strcmp(sqlite3_column_name(row, i), "run_id") == 0)
			*run_id = i;
		if (strcmp(sqlite3_column_name(row, i), "ext_id") != 0)
			sqlite3_bind_value(insert, i, sqlite3_column_value(row, i));
	}
	sqlite3_finalize(row);
	return insert;
}

static void run_limit(const char *path, int rows, int per_commit)
{
	sqlite3_stmt *insert;
	double start_s;
	sqlite3 *db;
	char run_id[32];
	int parameter = 0;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		die(path, sqlite3_errmsg(db));
	exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -512");
	insert = prepare_insert(db, &parameter);
	start_s = now_s();
	for (int i = 0; i < rows; i++) {
		if (i % per_commit == 0)
			exec(db, "BEGIN IMMEDIATE");
		snprintf(run_id, sizeof(run_id), "l-%d-%d", (int)getpid(), i);
		sqlite3_bind_text(insert, parameter, run_id, -1, SQLITE_STATIC);
		if (sqlite3_step(insert) != SQLITE_DONE)
			die("insert", sqlite3_errmsg(db));
		sqlite3_reset(insert);
		if ((i + 1) % per_commit == 0 || i + 1 == rows)
			exec(db, "COMMIT");
	}
	printf("%.1f\n", rows / (now_s() - start_s));
	sqlite3_finalize(insert);
	sqlite3_close(db);
}

/* --- clients ------------------------------------------------------------------------------ */

struct client {
	const char *path;
	int number, alerts, window, origins;
};

static int make_alert(char *out, size_t size, const struct client *c, int i)
{
	return snprintf(out, size,
	        "{\"op\":\"alert\",\"app\":\"app%d\",\"kind\":\"node_failed\",\"severity\":"
	        "\"critical\","
	        "\"run_id\":\"r-%d-%d-%d\",\"fields\":{\"node_id\":\"etl_users\",\"duration_ms\":"
	        "5321,"
	        "\"error\":\"connection refused\"}}\n",
	        (c->number + i) % c->origins, (int)getpid(), c->number, i);
}

static void *client_run(void *arg)
{
	const struct client *c = arg;
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), sent = 0, answered = 0;
	static __thread char out[65536], in[65536];

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", c->path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die(c->path, "cannot connect");
	while (answered < c->alerts) {
		size_t len = 0;
		ssize_t got;

		while (sent < c->alerts && sent - answered < c->window && len < sizeof(out) - 1024)
			len += (size_t)make_alert(out + len, sizeof(out) - len, c, sent++);
		for (size_t at = 0; at < len;) {
			ssize_t put = send(fd, out + at, len - at, 0);

			if (put <= 0)
				die("send", "failed");
			at += (size_t)put;
		}
		got = recv(fd, in, sizeof(in) - 1, 0);
		if (got <= 0)
			die("recv", "closed");
		in[got] = '\0';
		if (strstr(in, "\"ok\":false"))
			die("refused", in);
		for (ssize_t i = 0; i < got; i++)
			answered += in[i] == '\n';
	}
	close(fd);
	return NULL;
}

static void run_clients(const char *path, int clients, int alerts, int window, int origins)
{
	pthread_t threads[64];
	struct client c[64];
	double start_s = now_s();

	for (int i = 0; i < clients; i++) {
		c[i] = (struct client){path, i, alerts, window, origins};
		pthread_create(&threads[i], NULL, client_run, &c[i]);
	}
	for (int i = 0; i < clients; i++)
		pthread_join(threads[i], NULL);
	printf("%.1f\n", clients * alerts / (now_s() - start_s));
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "limit") == 0)
		run_limit(argv[2], atoi(argv[3]), atoi(argv[4]));
	else if (argc == 7 && strcmp(argv[1], "clients") == 0 && atoi(argv[3]) <= 64)
		run_clients(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), atoi(argv[6]));
	else
		die("arguments", "see the file");
	return 0;
}
