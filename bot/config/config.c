/*
 * config.c - see config.h: reading files, look-ups and reference counting. Lines are read in
 * read.c, single values in value.c, and the whole is validated in validate.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "bot/config/config.h"
#include "bot/config/options.h"
#include "bot/config/read.h"
#include "bot/config/source.h"
#include "bot/config/validate.h"
#include "bot/config/value.h"

#define CONFIG_FILE_MAX (1024 * 1024)

/* A config with its reference count; callers get a pointer to `config`. */
struct config_holder {
	struct config config;
	unsigned refs;
};

/* --- reading -------------------------------------------------------------------------------- */

/* The folder of a file, absolute where possible; owned by the caller. */
static char *folder_of(const char *path)
{
	char *copy = x_strdup(path);
	char *folder = x_strdup(dirname(copy));
	char *full = realpath(folder, NULL);

	free(copy);
	if (!full)
		return folder;
	free(folder);
	return full;
}

enum err config_parse(const char *text, const char *path, struct config **out, struct buf *report)
{
	struct config_holder *holder = x_calloc(1, sizeof(*holder));
	struct source source = {.path = path, .report = report};
	char *folder = folder_of(path);
	unsigned faults;

	holder->refs = 1;
	holder->config.path = x_strdup(path);
	read_config(&holder->config, &source, text, folder);
	validate_config(&holder->config, &source);
	faults = source.faults;
	source_finish(&source);
	free(folder);
	*out = NULL;
	if (faults > 0) {
		config_unref(&holder->config);
		return ERR_CONFIG;
	}
	*out = &holder->config;
	return OK;
}

/* Reads a whole regular file into a buffer; on failure *fault has the reason. */
static enum err config_read_file(const char *path, struct buf *text, struct fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char chunk[4096];
	ssize_t len;

	if (fd < 0)
		return fault_set(fault, ERR_IO, "%s", strerror(errno));
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		close(fd);
		return fault_set(fault, ERR_IO, "is not a regular file");
	}
	while ((len = read(fd, chunk, sizeof(chunk))) > 0 || (len < 0 && errno == EINTR))
		if (len > 0)
			buf_add(text, chunk, (size_t)len);
	if (len < 0)
		fault_set(fault, ERR_IO, "%s", strerror(errno));
	close(fd);
	if (len < 0)
		return ERR_IO;
	if (text->overflow)
		return fault_set(fault, ERR_CONFIG, "is over 1 MiB");
	return OK;
}

/* The line of the first invalid byte; 0 when the text is valid UTF-8. */
static unsigned config_bad_line(const char *text, size_t len)
{
	unsigned line = 1;

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t here = end ? (size_t)(end - text) : len;

		if (memchr(text, '\0', here) || !text_is_utf8(text, here))
			return line;
		line++;
		here += end != NULL;
		text += here;
		len -= here;
	}
	return 0;
}

enum err config_load(const char *path, struct config **out, struct buf *report)
{
	struct source source = {.path = path, .report = report};
	struct fault fault = {0};
	struct buf text;
	unsigned line;
	enum err err;

	*out = NULL;
	buf_init(&text, CONFIG_FILE_MAX);
	err = config_read_file(path, &text, &fault);
	line = err == OK ? config_bad_line(buf_str(&text), text.len) : 0;
	if (err != OK) {
		source_fault(&source, 0, "%s", fault.text);
	} else if (line > 0) {
		source_fault(&source, line, "is not UTF-8 text");
		err = ERR_CONFIG;
	} else {
		err = config_parse(buf_str(&text), path, out, report);
	}
	buf_finish(&text);
	return err;
}

const char *config_find(const char *given)
{
	const char *path = given ? given : getenv("MATRIX_TELEMETRY_BOT_CONFIG");

	if (path && *path)
		return path;
	return access("bot.conf", F_OK) == 0 ? "bot.conf" : "/etc/matrix-telemetry-bot/bot.conf";
}

/* --- reference counting --------------------------------------------------------------------- */

struct config *config_ref(struct config *config)
{
	((struct config_holder *)config)->refs++;
	return config;
}

static void free_section(const char *pattern, void *base)
{
	for (size_t i = 0; i < config_options_len; i++)
		if (strcmp(config_options[i].section, pattern) == 0)
			value_free(&config_options[i], base);
}

static void config_destroy(struct config *config)
{
	for (size_t i = 0; i < config_sections_len; i++)
		if (!strchr(config_sections[i].pattern, '*'))
			free_section(config_sections[i].pattern, config);
	for (size_t i = 0; i < SEVERITY_COUNT; i++)
		free_section("severity *", &config->severity[i]);
	for (size_t i = 0; i < config->rooms_len; i++) {
		free(config->rooms[i].name);
		free(config->rooms[i].address);
	}
	for (size_t i = 0; i < config->apps_len; i++) {
		free(config->apps[i].name);
		free_section("app *", &config->apps[i]);
	}
	for (size_t i = 0; i < config->kinds_len; i++) {
		free(config->kinds[i].name);
		free_section("kind *", &config->kinds[i]);
	}
	for (size_t i = 0; i < config->escalates_len; i++) {
		free(config->escalates[i].name);
		free_section("escalate *", &config->escalates[i]);
	}
	for (size_t i = 0; i < config->oncalls_len; i++) {
		free(config->oncalls[i].name);
		free_section("oncall *", &config->oncalls[i]);
	}
	for (size_t i = 0; i < config->quiets_len; i++) {
		free(config->quiets[i].name);
		matchers_free(config->quiets[i].matchers);
		free_section("quiet *", &config->quiets[i]);
	}
	for (size_t i = 0; i < config->watches_len; i++) {
		free(config->watches[i].name);
		free_section("watch *", &config->watches[i]);
	}
	for (size_t i = 0; i < config->webhooks_len; i++) {
		free((char *)config->webhooks[i].name);
		free_section("webhook *", &config->webhooks[i]);
	}
	free(config->webhooks);
	free(config->rooms);
	free(config->apps);
	free(config->kinds);
	free(config->escalates);
	free(config->oncalls);
	free(config->quiets);
	free(config->watches);
	free(config->path);
	free((struct config_holder *)config);
}

void config_unref(struct config *config)
{
	if (config && --((struct config_holder *)config)->refs == 0)
		config_destroy(config);
}

void config_replace(struct config **place, struct config *config)
{
	config_ref(config); /* before the other is released: both may be the same */
	config_unref(*place);
	*place = config;
}

/* --- look-ups ------------------------------------------------------------------------------- */

const struct config_app *config_app(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->apps_len; i++)
		if (strcmp(config->apps[i].name, name) == 0)
			return &config->apps[i];
	return NULL;
}

const struct config_kind *config_kind(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->kinds_len; i++)
		if (strcmp(config->kinds[i].name, name) == 0)
			return &config->kinds[i];
	return NULL;
}

int64_t config_resolve_after_ms(const struct config *config, const char *app, const char *kind)
{
	const struct config_app *set = config_app(config, app);
	const struct config_kind *of_kind = config_kind(config, kind);

	if (set && set->resolve_after_ms >= 0)
		return set->resolve_after_ms;
	return of_kind ? of_kind->resolve_after_ms : 0;
}

const struct config_room *config_room(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->rooms_len; i++)
		if (strcmp(config->rooms[i].name, name) == 0)
			return &config->rooms[i];
	return NULL;
}

static bool config_differ(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

void config_name_restart_keys(const struct config *from, const struct config *to, struct buf *names)
{
	const struct {
		const char *name;
		bool differs;
	} keys[] = {
	        {"[matrix] homeserver",
	                config_differ(from->matrix.homeserver, to->matrix.homeserver)},
	        {"[matrix] user", config_differ(from->matrix.user, to->matrix.user)},
	        {"[matrix] proxy", config_differ(from->matrix.proxy, to->matrix.proxy)},
	        {"[matrix] ca_file", config_differ(from->matrix.ca_file, to->matrix.ca_file)},
	        {"[socket] path", config_differ(from->socket.path, to->socket.path)},
	        {"[socket] group", config_differ(from->socket.group, to->socket.group)},
	        {"[socket] mode", from->socket.mode != to->socket.mode},
	        {"[storage] database", config_differ(from->storage.database, to->storage.database)},
	        {"[http] listen", config_differ(from->http.listen, to->http.listen)},
	        {"[encryption] trust", config_differ(from->encryption.trust, to->encryption.trust)},
	        {"[meta] ca_file", config_differ(from->meta.ca_file, to->meta.ca_file)},
	        {"[storage] spool", config_differ(from->storage.spool, to->storage.spool)},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].differs)
			buf_printf(names, "%s%s", names->len ? ", " : "", keys[i].name);
}

const struct config_oncall *config_oncall(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->oncalls_len; i++)
		if (strcmp(config->oncalls[i].name, name) == 0)
			return &config->oncalls[i];
	return NULL;
}
