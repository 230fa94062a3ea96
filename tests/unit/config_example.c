/*
 * config_example.c - see config_example.h.
 */
#include "config_example.h"

#include <string.h>
#include "bot/config/options.h"

static const char top[] =
        "# Configuration of matrix-telemetry-bot. Every key is listed with its default (or, if it\n"
        "# has none, an example) behind a \"#\"; what has no \"#\" must be set.\n"
        "#\n"
        "# The programs use $MATRIX_TELEMETRY_BOT_CONFIG, else ./bot.conf, else\n"
        "# /etc/matrix-telemetry-bot/bot.conf. `matrix-telemetry-bot setup` fills it in, `check` "
        "reports\n"
        "# errors in it; SIGHUP (systemctl reload) applies it, or rejects it as a whole. A restart "
        "is\n"
        "# needed for homeserver, user, proxy, ca_file and trust, all of [socket] but its users "
        "and\n"
        "# max_clients, all of [storage] but retention, and [http] listen.\n"
        "#\n"
        "# Comments begin with # or ; at the start of a line, or with ; after a blank. Durations "
        "are\n"
        "# written as 30s, 5m or 1d12h; relative paths are relative to the folder of this file.\n";

static void add_help(struct buf *out, const char *help)
{
	while (*help) {
		size_t len = strcspn(help, "\n");

		buf_printf(out, "# %.*s\n", (int)len, help);
		help += len + (help[len] == '\n');
	}
}

/* Rooms have no table: their keys are the operator's. */
static void add_rooms(struct buf *out)
{
	buf_add_str(out, "ops = #fn-registry-ops:example.org\n");
	buf_add_str(out, "dev = #fn-registry-dev:example.org\n");
}

static void add_option(struct buf *out, const struct option *option)
{
	const char *value = option->example ? option->example : option->fallback;

	if (option->help) {
		buf_add_char(out, '\n');
		add_help(out, option->help);
	}
	buf_printf(
	        out, "%s%s =%s", option->shown ? "" : "#", option->key, value && *value ? " " : "");
	for (; value && *value; value++) { /* a value may go on in indented lines */
		buf_add_char(out, *value);
		if (*value == '\n')
			buf_add_str(out, option->shown ? "" : "#");
	}
	buf_add_char(out, '\n');
}

static void add_kind_help(struct buf *out)
{
	buf_add_str(out, "#\n");
	for (size_t i = 0; i < config_options_len; i++) {
		const char *help = config_options[i].help;
		size_t len;

		if (strcmp(config_options[i].section, "kind *") != 0)
			continue;
		buf_printf(out, "#   %-13s ", config_options[i].key);
		for (; *help; help += len + (help[len] == '\n')) {
			len = strcspn(help, "\n");
			buf_printf(out, "%.*s\n", (int)len, help);
			if (help[len])
				buf_printf(out, "#   %-13s ", "");
		}
	}
}

static void add_kinds(struct buf *out)
{
	add_kind_help(out);
	for (size_t i = 0; i < config_builtin_kinds_len; i++) {
		const struct builtin_kind *kind = &config_builtin_kinds[i];

		buf_printf(out, "\n#[kind %s]\n", kind->name);
		buf_printf(out, "#severity = %s\n", severity_name(kind->severity));
		if (kind->emoji)
			buf_printf(out, "#emoji = %s\n", kind->emoji);
		buf_printf(out, "#identity =%s%s\n", *kind->identity ? " " : "", kind->identity);
		buf_printf(out, "#text = %s\n", kind->text);
	}
}

void config_example(struct buf *out)
{
	buf_add_str(out, top);
	for (size_t i = 0; i < config_sections_len; i++) {
		const struct option_section *section = &config_sections[i];
		bool named = strchr(section->pattern, '*');

		buf_add_str(out, "\n\n");
		add_help(out, section->help);
		if (strcmp(section->pattern, "kind *") == 0) {
			add_kinds(out);
			continue;
		}
		buf_printf(out, "%s[%s]\n", named ? "#" : "", section->example);
		if (strcmp(section->pattern, "rooms") == 0)
			add_rooms(out);
		for (size_t k = 0; k < config_options_len; k++)
			if (strcmp(config_options[k].section, section->pattern) == 0)
				add_option(out, &config_options[k]);
	}
}
