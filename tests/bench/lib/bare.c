/*
 * bare.c - what a message costs at least: libcurl, one warm connection, and nothing else.
 *
 * bare URL TOKEN [sync|since=POSITION [DATABASE SQL]]: each line of standard input "ROOM_ID TYPE
 * CONTENT" is sent as an event and answered with the homeserver's answer as a line. With `sync` it
 * also keeps a long poll of /sync, as every bot that listens must; its answers are read for
 * `next_batch` and otherwise ignored. With `since=` it goes on from there, and sends nothing before
 * the first answer, as every bot must that knows whether a room was encrypted or left meanwhile.
 * With a database the SQL is committed durably before each event, with another text as ?1, as every
 * bot must that loses nothing.
 */
#include <curl/curl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEXT "\"next_batch\":\""
#define LINE_MAX_BYTES (256 * 1024)

/* {"presence":{"not_types":["*"]},"account_data":{"not_types":["*"]},"room":{"ephemeral":
 * {"not_types":["*"]},"timeline":{"limit":1}}} */
static const char filter[] = "%7B%22presence%22:%7B%22not_types%22:%5B%22*%22%5D%7D,"
                             "%22account_data%22:%7B%22not_types%22:%5B%22*%22%5D%7D,"
                             "%22room%22:%7B%22ephemeral%22:%7B%22not_types%22:%5B%22*%22%5D%7D,"
                             "%22timeline%22:%7B%22limit%22:1%7D%7D%7D";
static char answer[1 << 20], since[1024];
static size_t answer_len;

static size_t on_sent(char *data, size_t size, size_t count, void *arg)
{
	(void)arg;
	return fwrite(data, size, count, stdout);
}

static size_t on_synced(char *data, size_t size, size_t count, void *arg)
{
	size_t len = size * count;

	(void)arg;
	if (answer_len + len >= sizeof(answer))
		return 0;
	memcpy(answer + answer_len, data, len);
	answer_len += len;
	return len;
}

static void sync_start(CURLM *multi, CURL *easy, const char *base, bool first)
{
	char url[2048];

	snprintf(url, sizeof(url), "%s/_matrix/client/v3/sync?timeout=%d&filter=%s%s%s", base,
	        since[0] && !first ? 30000 : 0, filter, since[0] ? "&since=" : "", since);
	answer_len = 0;
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_multi_add_handle(multi, easy);
}

static bool sync_ended(void)
{
	const char *at;

	answer[answer_len] = '\0';
	at = strstr(answer, NEXT);
	if (!at)
		return false;
	at += strlen(NEXT);
	snprintf(since, sizeof(since), "%.*s", (int)strcspn(at, "\""), at);
	return true;
}

static sqlite3_stmt *store_open(const char *path, const char *sql)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK ||
	        sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL,
	                NULL) != SQLITE_OK ||
	        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		exit(1);
	return stmt;
}

static void store_commit(sqlite3_stmt *stmt)
{
	static unsigned count;
	char text[32];

	snprintf(text, sizeof(text), "bare-%d-%u", (int)getpid(), count++);
	sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
	if (sqlite3_step(stmt) != SQLITE_DONE)
		exit(1);
	sqlite3_reset(stmt);
}

static void send_start(CURLM *multi, CURL *easy, const char *base, char *line)
{
	static unsigned count;
	char url[1024], *rest, *room = strtok_r(line, " ", &rest),
	                       *type = strtok_r(NULL, " ", &rest);

	snprintf(url, sizeof(url), "%s/_matrix/client/v3/rooms/%s/send/%s/bare-%d-%u", base, room,
	        type, (int)getpid(), count++);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, rest);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT");
	curl_multi_add_handle(multi, easy);
}

static CURL *handle(struct curl_slist *headers, curl_write_callback on_body)
{
	CURL *easy = curl_easy_init();

	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	return easy;
}

/* One line at a time; the next is read when the homeserver has answered. */
static bool line_read(char *line, size_t *len)
{
	ssize_t more = read(STDIN_FILENO, line + *len, LINE_MAX_BYTES - *len - 1);

	if (more <= 0)
		exit(0);
	*len += (size_t)more;
	return true;
}

int main(int argc, char **argv)
{
	static char line[LINE_MAX_BYTES];
	char header[1024], *end;
	size_t len = 0, used = 0;
	bool sending = false, waits = false;
	struct curl_slist *headers;
	CURLM *multi = curl_multi_init();
	sqlite3_stmt *store = NULL;
	CURL *put, *sync;

	if (argc < 3)
		return 64;
	snprintf(header, sizeof(header), "Authorization: Bearer %s", argv[2]);
	headers = curl_slist_append(NULL, header);
	headers = curl_slist_append(headers, "Content-Type: application/json");
	headers = curl_slist_append(headers, "Expect:");
	put = handle(headers, on_sent);
	sync = handle(headers, on_synced);
	if (argc > 3) {
		waits = sscanf(argv[3], "since=%1023s", since) == 1;
		sync_start(multi, sync, argv[1], true);
	}
	if (argc > 5)
		store = store_open(argv[4], argv[5]);
	for (;;) {
		struct curl_waitfd in = {.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN};
		CURLMsg *message;
		int running, left;

		curl_multi_perform(multi, &running);
		while ((message = curl_multi_info_read(multi, &left))) {
			CURL *easy = message->easy_handle;

			if (message->data.result != CURLE_OK)
				return 1;
			curl_multi_remove_handle(multi, easy);
			if (easy == sync) {
				if (!sync_ended())
					return 1;
				waits = false;
				sync_start(multi, sync, argv[1], false);
				continue;
			}
			puts("");
			fflush(stdout);
			sending = false;
			memmove(line, line + used, len -= used);
		}
		end = sending || waits ? NULL : memchr(line, '\n', len);
		if (end) {
			*end = '\0';
			used = (size_t)(end - line) + 1;
			sending = true;
			if (store)
				store_commit(store);
			send_start(multi, put, argv[1], line);
			continue;
		}
		curl_multi_poll(multi, &in, sending ? 0 : 1, 60000, NULL);
		if (in.revents)
			line_read(line, &len);
	}
}
