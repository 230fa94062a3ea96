/*
 * bare.c - what a message costs at least: libcurl, one warm connection, and nothing else.
 *
 * bare URL TOKEN: each line of standard input "ROOM_ID TYPE CONTENT" is sent as an event and
 * answered with the homeserver's answer as a line; "SYNC MILLISECONDS" is a long poll, answered
 * with "{}".
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t on_body(char *data, size_t size, size_t count, void *quiet)
{
	if (!quiet)
		fwrite(data, size, count, stdout);
	return size * count;
}

int main(int argc, char **argv)
{
	char *line = NULL, url[1024], *room, *type, *content, *rest;
	size_t cap = 0;
	unsigned count = 0;
	struct curl_slist *headers;
	CURL *curl = curl_easy_init();

	if (argc != 3)
		return 64;
	snprintf(url, sizeof(url), "Authorization: Bearer %s", argv[2]);
	headers = curl_slist_append(NULL, url);
	headers = curl_slist_append(headers, "Content-Type: application/json");
	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	while (getline(&line, &cap, stdin) > 0) {
		int sync = strncmp(line, "SYNC ", 5) == 0;

		line[strcspn(line, "\n")] = '\0';
		room = strtok_r(line, " ", &rest);
		type = strtok_r(NULL, " ", &rest);
		content = rest;
		if (sync) {
			snprintf(url, sizeof(url), "%s/_matrix/client/v3/sync?timeout=%s", argv[1],
			        type);
			curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
			curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);
		} else {
			snprintf(url, sizeof(url),
			        "%s/_matrix/client/v3/rooms/%s/send/%s/bare-%d-%u", argv[1], room,
			        type, (int)getpid(), count++);
			curl_easy_setopt(curl, CURLOPT_POSTFIELDS, content);
			curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "PUT");
		}
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, sync ? curl : NULL);
		curl_easy_setopt(curl, CURLOPT_URL, url);
		if (curl_easy_perform(curl) != CURLE_OK)
			return 1;
		puts(sync ? "{}" : "");
		fflush(stdout);
	}
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	free(line);
	return 0;
}
