/*
 * cmd_setup.c - see cmd_setup.h: the order of the steps, and the config.
 *
 * The config is written once, as a whole, after all questions; before that only the token, the
 * database and the rooms are created, and another run of setup finds them.
 */
#include "bot/setup/cmd_setup.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/setup/credentials.h"
#include "bot/setup/question.h"
#include "bot/setup/replace_file.h"
#include "bot/setup/setup.h"

#define REPORT_MAX (64 * 1024)
#define CONFIG_MAX (1024 * 1024)
#define EXAMPLE_SERVER "example.org" /* reserved, so it is nobody's homeserver */
#define SKELETON                                                                       \
	"# Made by `matrix-telemetry-bot setup`; every other key is in bot.conf(5).\n" \
	"[matrix]\nhomeserver = example.org\nuser = @telemetry:example.org\n\n"        \
	"[rooms]\nops = #fn-registry-ops:example.org\n"                                \
	"dev = #fn-registry-dev:example.org\n"

static const char *const examples[] = {"/usr/share/matrix-telemetry-bot/bot.conf.example",
        "/usr/local/share/matrix-telemetry-bot/bot.conf.example"};
static const char *const known_apps[] = {"data_factory", "dag_engine", "call_monitor"};

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

int setup_fail(int code, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("setup: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

bool setup_is_example(const char *value)
{
	size_t len = strlen(value), tail = strlen(EXAMPLE_SERVER);

	return len >= tail && strcmp(value + len - tail, EXAMPLE_SERVER) == 0;
}

int setup_pick(const struct setup *setup, const char *option, const char *name,
        const char *question, const char *fallback, char **out)
{
	struct fault fault = {0};

	*out = NULL;
	if (option) {
		*out = x_strdup(option);
		return EX_OK;
	}
	if (setup->asks) {
		if (question_text(question, fallback, out, &fault) == OK)
			return EX_OK;
		return setup_fail(EX_NOINPUT, "%s", fault.text);
	}
	if (!fallback)
		return setup_fail(EX_USAGE, "--%s is missing%s", name,
		        setup->options.yes ? "" : ", and standard input is not a terminal");
	*out = x_strdup(fallback);
	return EX_OK;
}

/* ---- changes ---- */

void setup_change(struct setup *setup, const char *section, const char *key, const char *value)
{
	const struct config_change change = {section, key, value};
	char *now = config_edit_value(setup->text, section, key);
	struct buf text;

	if (now && value ? strcmp(now, value) != 0 : now || value) {
		buf_init(&text, CONFIG_MAX);
		config_edit(setup->text, &change, 1, &text);
		free(setup->text);
		setup->text = buf_take(&text);
		buf_printf(&setup->told, "  [%s] %s%s%s\n", section, key,
		        value ? " = " : " removed", value ? value : "");
	}
	free(now);
}

static void setup_keep(char **place, const char *text)
{
	char *copy = x_strdup(text);

	free(*place);
	*place = copy;
}

/* What is wrong with an answer; on a terminal without file and line, which the user did not write.
 */
static void setup_print_report(const struct setup *setup, const char *report)
{
	size_t path = strlen(setup->path);

	fflush(stdout);
	for (size_t len; *report; report += len) {
		const char *text = report;

		len = strcspn(report, "\n");
		len += report[len] == '\n';
		if (setup->asks && setup->config && strncmp(report, setup->path, path) == 0)
			text += path + strspn(report + path, ":0123456789 ");
		fprintf(stderr, "%.*s", (int)(report + len - text), text);
	}
}

int setup_apply(struct setup *setup)
{
	struct config *config;
	struct buf report;
	enum err err;

	buf_init(&report, REPORT_MAX);
	err = config_parse(setup->text, setup->path, &config, &report);
	if (err == OK) {
		config_unref(setup->config);
		setup->config = config;
		setup_keep(&setup->good, setup->text);
		setup->good_told = setup->told.len;
	} else {
		setup_print_report(setup, buf_str(&report));
		setup_keep(&setup->text, setup->good);
		setup->told.len = setup->good_told;
	}
	buf_finish(&report);
	return err == OK ? EX_OK : EX_CONFIG;
}

int setup_set(struct setup *setup, const char *section, const char *key, const char *value)
{
	setup_change(setup, section, key, value);
	return setup_apply(setup);
}

/* ---- the existing config ---- */

/* The absolute path. A symbolic link is followed; for a file that does not exist, its folder is
 * resolved. Owned by the caller. */
static char *setup_absolute(const char *path)
{
	char *full = realpath(path, NULL), *copy, *name, *folder;

	if (full)
		return full;
	copy = x_strdup(path);
	name = x_strdup(basename(copy));
	folder = realpath(dirname(copy), NULL);
	full = folder ? x_asprintf("%s/%s", folder, name) : x_strdup(path);
	free(folder);
	free(name);
	free(copy);
	return full;
}

static enum err setup_read(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "re");
	char chunk[4096];
	size_t len;

	if (!file)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	while ((len = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(text, chunk, len);
	fclose(file);
	return OK;
}

/* Reads the text of the config, or of the template for a new one. */
static int setup_begin(struct setup *setup)
{
	struct buf text;
	enum err err;

	buf_init(&text, CONFIG_MAX);
	err = setup_read(setup->path, &text);
	setup->exists = err == OK;
	for (size_t i = 0; i < LEN(examples) && err == ERR_NOT_FOUND; i++)
		err = setup_read(examples[i], &text);
	if (err == ERR_NOT_FOUND)
		buf_add_str(&text, SKELETON);
	setup->before = x_strdup(buf_str(&text));
	setup->good = x_strdup(setup->before);
	setup->text = x_strdup(setup->before);
	buf_finish(&text);
	if (err == ERR_IO)
		return setup_fail(EX_NOINPUT, "%s: %s", setup->path, strerror(errno));
	if (setup_apply(setup) != EX_OK)
		return setup_fail(EX_CONFIG, "correct %s first", setup->path);
	return EX_OK;
}

/* Sets the paths that a new config needs: those that the units and apps expect, or beside the
 * config if it is not the installed one. */
static int setup_places(struct setup *setup)
{
	static const struct config_change installed[] = {
	        {"storage", "database", "/var/lib/matrix-telemetry-bot/operations.db"},
	        {"storage", "spool", "/var/spool/matrix-telemetry-bot"},
	        {"socket", "group", "telemetry"},
	};
	bool is_installed = strcmp(setup->path, SETUP_INSTALLED) == 0;
	char *folder, *socket, *value;

	for (size_t i = 0; i < LEN(installed) && is_installed; i++) {
		value = config_edit_value(setup->text, installed[i].section, installed[i].key);
		if (!value && (i < 2 || getgrnam(installed[i].value)))
			setup_change(
			        setup, installed[i].section, installed[i].key, installed[i].value);
		free(value);
	}
	if (!is_installed && !setup->exists) {
		folder = x_strdup(setup->path);
		socket = x_asprintf("%s/socket", dirname(folder));
		setup_change(setup, "socket", "path", socket);
		free(socket);
		free(folder);
	}
	return setup_apply(setup);
}

/* Creates the database's folder for the daemon's user. */
static int setup_folder(struct setup *setup)
{
	char *copy = x_strdup(setup->config->storage.database), *folder = dirname(copy);
	struct fault fault = {0};
	int code = EX_OK;

	daemon_user_find(&setup->daemon, setup->config);
	if (mkdir(folder, 0700) == 0) {
		if (daemon_user_give(&setup->daemon, folder, &fault) != OK)
			code = setup_fail(EX_CANTCREAT, "%s", fault.text);
	} else if (errno != EEXIST) {
		code = setup_fail(EX_CANTCREAT, "%s: %s", folder, strerror(errno));
	}
	free(copy);
	return code;
}

static void setup_show(const struct setup *setup)
{
	const struct config *config = setup->config;

	printf("%s%s\n", setup->path, setup->exists ? "" : " (new)");
	if (setup_is_example(config->matrix.homeserver))
		return;
	printf("  homeserver  %s\n  account     %s\n", config->matrix.homeserver,
	        config->matrix.user);
	for (size_t i = 0; i < config->rooms_len; i++)
		printf("  room %-6s %s\n", config->rooms[i].name, config->rooms[i].address);
	for (char **user = config->commands.users; *user; user++)
		printf("  operator    %s\n", *user);
	for (size_t i = 0; i < config->apps_len; i++)
		if (config->apps[i].dashboard)
			printf("  dashboard   %s %s\n", config->apps[i].name,
			        config->apps[i].dashboard);
	printf("\n");
}

/* ---- dashboards ---- */

static int setup_dashboard(struct setup *setup, const char *app, const char *url)
{
	char *section = x_asprintf("app %s", app);
	int code = setup_set(setup, section, "dashboard", url);

	free(section);
	return code;
}

static int setup_ask_dashboard(struct setup *setup, const char *app)
{
	const struct config_app *known = config_app(setup->config, app);
	char *now = x_strdup_opt(known ? known->dashboard : NULL), *url = NULL;
	char *question =
	        x_asprintf("Link to a run of %s, with {run_id} in it (empty: no link)", app);
	int code;

	do {
		code = setup_pick(setup, NULL, "dashboard", question, now, &url);
		if (code == EX_OK && url && *url)
			code = setup_dashboard(setup, app, url);
		free(url);
	} while (code == EX_CONFIG);
	free(question);
	free(now);
	return code;
}

static int setup_dashboards(struct setup *setup)
{
	const struct setup_list *given = &setup->options.dashboards;
	int code = EX_OK;

	for (size_t i = 0; i < given->len && code == EX_OK; i++) {
		char *app = x_strndup(given->items[i], strcspn(given->items[i], "="));

		code = setup_dashboard(setup, app, given->items[i] + strlen(app) + 1);
		free(app);
	}
	for (size_t i = 0; i < LEN(known_apps) && code == EX_OK && setup->asks && given->len == 0;
	        i++)
		code = setup_ask_dashboard(setup, known_apps[i]);
	return code;
}

/* ---- writing the file ---- */

/* Writes the config: owner and mode are kept; a new file belongs to root and is readable by the
 * daemon's user. */
static int setup_write(struct setup *setup)
{
	struct file_owner owner = {.uid = geteuid(), .gid = setup->daemon.gid, .mode = 0640};
	char *copy = x_strdup(setup->path);
	struct fault fault = {0};
	struct stat st;
	enum err err;

	if (!setup->daemon.name[0])
		owner = (struct file_owner){geteuid(), getegid(), 0600};
	if (stat(setup->path, &st) == 0)
		owner = (struct file_owner){st.st_uid, st.st_gid, st.st_mode & 07777};
	else
		mkdir(dirname(copy), 0755); /* if this fails, so does creating the file */
	free(copy);
	err = replace_file(setup->path, setup->good, &owner, &fault);
	if (err != OK)
		return setup_fail(EX_CANTCREAT, "%s", fault.text);
	printf("%s … written\n", setup->path);
	return EX_OK;
}

/* Prints the lines of setup_change(): of several for one key, after wrong answers, the last. */
static void setup_print_changes(const char *told)
{
	for (const char *line = told, *end; *line; line = end) {
		const char *equals = strstr(line, " = ");
		size_t name;
		bool again = false;

		end = line + strcspn(line, "\n") + 1;
		name = (size_t)((equals && equals < end ? equals : end - strlen(" removed\n")) -
		                line);
		for (const char *next = end; *next && !again; next += strcspn(next, "\n") + 1)
			again = strncmp(next, line, name) == 0 && next[name] == ' ';
		if (!again)
			printf("%.*s", (int)(end - line), line);
	}
}

static int setup_save(struct setup *setup, bool *changed)
{
	struct fault fault = {0};
	bool yes = true;

	*changed = !setup->exists || strcmp(setup->before, setup->good) != 0;
	if (!*changed) {
		printf("%s … unchanged\n", setup->path);
		return EX_OK;
	}
	printf("\nChanges to %s:\n", setup->path);
	setup_print_changes(buf_str(&setup->told));
	if (setup->asks && question_yes("Write them?", true, &yes, &fault) != OK)
		return setup_fail(EX_NOINPUT, "%s", fault.text);
	return yes ? setup_write(setup) : setup_fail(EX_NOINPUT, "the config is unchanged");
}

/* ---- all steps ---- */

static int setup_run(struct setup *setup)
{
	static int (*const steps[])(struct setup * setup) = {setup_begin, setup_places,
	        setup_homeserver, setup_folder, setup_account, setup_keys, setup_operators,
	        setup_rooms, setup_dashboards};
	bool changed = false;
	int code = EX_OK, checked;

	for (size_t i = 0; i < LEN(steps) && code == EX_OK; i++) {
		code = steps[i](setup);
		if (steps[i] == setup_begin && code == EX_OK)
			setup_show(setup);
	}
	if (code == EX_OK)
		code = setup_save(setup, &changed);
	if (code == EX_OK)
		code = setup_units(setup, changed || setup->fresh_token);
	if (code == EX_OK)
		code = setup_await_operators(setup);
	if (code != EX_OK)
		return code;
	checked = setup_check(setup);
	if (!setup->options.no_test)
		code = setup_test(setup);
	return code == EX_OK ? checked : code;
}

int cmd_setup(const char *config_path, int argc, char **argv)
{
	struct setup setup = {.options.config = config_path};
	struct fault fault = {0};
	int code;

	if (setup_options_parse(&setup.options, argc, argv, &fault) != OK)
		return setup_fail(EX_USAGE, "%s; setup --help lists the options", fault.text);
	if (setup.options.help) {
		setup_options_help(stdout);
		return EX_OK;
	}
	setup.path = setup_absolute(config_find(setup.options.config));
	if (geteuid() != 0 && strcmp(setup.path, SETUP_INSTALLED) == 0) {
		free(setup.path);
		return setup_fail(EX_NOPERM, "run it as root, or name another config with -c");
	}
	setup.asks = !setup.options.yes && question_possible();
	buf_init(&setup.told, CONFIG_MAX);
	code = setup_run(&setup);
	ask_close(setup.ask);
	config_unref(setup.config);
	credentials_forget();
	setup_forget_password(&setup);
	x_wipe_free_str(setup.token);
	free(setup.device_id);
	buf_finish(&setup.told);
	free(setup.text);
	free(setup.good);
	free(setup.before);
	free(setup.path);
	return code;
}
