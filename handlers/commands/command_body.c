/*
 * command_body.c - see command_body.h.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/text.h"
#include "handlers/commands/arguments.h"
#include "handlers/commands/command_body.h"

#define NAME_MAX_BYTES 64 /* bytes of a name that addresses the bot */
#define LINK "https://matrix.to/#/"
#define URI "matrix:u/" /* goes on without the @ */
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* ---- characters ---- */

struct range {
	unsigned first, last;
};

static bool is_in(unsigned point, const struct range *ranges, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	return false;
}

static bool command_body_is_blank(unsigned point)
{
	static const struct range ranges[] = {{'\t', '\t'}, {'\v', '\f'}, {' ', ' '}, {0xA0, 0xA0},
	        {0x1680, 0x1680}, {0x2000, 0x200A}, {0x202F, 0x202F}, {0x205F, 0x205F},
	        {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164}, {0xFFA0, 0xFFA0}};

	return is_in(point, ranges, LEN(ranges));
}

static bool is_newline(unsigned point)
{
	return point == '\n' || point == '\r' || point == 0x85 || point == 0x2028 ||
	       point == 0x2029;
}

/* Joiners and variation selectors belong to an emoji before them. */
static bool is_invisible(unsigned point, bool after_ascii)
{
	static const struct range always[] = {{0, 8}, {0xE, 0x1F}, {0x7F, 0x9F}, {0xAD, 0xAD},
	        {0x34F, 0x34F}, {0x61C, 0x61C}, {0x115F, 0x1160}, {0x17B4, 0x17B5},
	        {0x180B, 0x180F}, {0x200B, 0x200C}, {0x200E, 0x200F}, {0x202A, 0x202E},
	        {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFC}, {0x1D173, 0x1D17A},
	        {0xE0000, 0xE007F}};
	static const struct range joiners[] = {
	        {0x200D, 0x200D}, {0xFE00, 0xFE0F}, {0xE0100, 0xE01EF}};

	return is_in(point, always, LEN(always)) ||
	       (after_ascii && is_in(point, joiners, LEN(joiners)));
}

/* The ASCII that a keyboard replaced with a character of its own (' " - , 0 to 9); NULL: keep the
 * character. */
static const char *typed_as(unsigned point, char ascii[2])
{
	static const struct range double_quotes[] = {{0xAB, 0xAB}, {0xBB, 0xBB}, {0x201C, 0x201F},
	        {0x2033, 0x2033}, {0x300C, 0x300F}, {0x301D, 0x301F}};
	static const struct range single_quotes[] = {
	        {0x2018, 0x201B}, {0x2032, 0x2032}, {0x2039, 0x203A}, {0x2BC, 0x2BC}};
	static const struct range hyphens[] = {
	        {0x2010, 0x2013}, {0x2212, 0x2212}, {0xFE63, 0xFE63}};
	static const struct range dashes[] = {{0x2014, 0x2015}, {0x2E3A, 0x2E3B}};
	/* of decimal digits: Arabic, Persian, Devanagari, Bengali, Tamil, Thai, … */
	static const unsigned zeros[] = {0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66,
	        0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xF20, 0x1040, 0x17E0, 0x1810};

	if (is_in(point, double_quotes, LEN(double_quotes)))
		return "\"";
	if (is_in(point, single_quotes, LEN(single_quotes)))
		return "'";
	if (is_in(point, hyphens, LEN(hyphens)))
		return "-";
	if (is_in(point, dashes, LEN(dashes)))
		return "--";
	if (point == 0x3001)
		return ",";
	for (size_t i = 0; i < LEN(zeros); i++)
		if (point >= zeros[i] && point <= zeros[i] + 9) {
			ascii[0] = (char)('0' + point - zeros[i]);
			ascii[1] = '\0';
			return ascii;
		}
	if (point < 0xFF01 || point > 0xFF5E)
		return NULL;
	ascii[0] = (char)(point - 0xFEE0);
	ascii[1] = '\0';
	return ascii;
}

/* ---- normalizing the text ---- */

struct cleaner {
	struct buf out;
	bool quoted; /* between " " */
	bool coded;  /* begins with `: a command that is quoted, not given */
	bool regex;  /* after =~ or !~, up to a blank */
};

static bool is_escape(const struct cleaner *c, const char *at)
{
	/* characters without a meaning in regular expressions */
	const char *safe = c->quoted || c->regex ? "_-!~#=:;,%&@'/<>`" : NULL;

	return at[0] == '\\' && ispunct((unsigned char)at[1]) && (!safe || strchr(safe, at[1]));
}

static void add_char(struct cleaner *c, char character)
{
	const char *out = buf_str(&c->out);
	size_t len = c->out.len;

	if (character == '"')
		c->quoted = !c->quoted;
	if (character == ' ' || character == '\n')
		c->regex = false;
	else if (character == '~' && len > 0 && strchr("=!", out[len - 1]) && !c->quoted)
		c->regex = true;
	buf_add_char(&c->out, character);
}

static void add_point(struct cleaner *c, const char *at, size_t used, unsigned point)
{
	bool after_ascii =
	        c->out.len == 0 || (unsigned char)buf_str(&c->out)[c->out.len - 1] < 0x80;
	char ascii[2];
	const char *as = typed_as(point, ascii), *before = buf_str(&c->out);

	c->coded = c->coded || (point == '`' && strspn(before, " \n") == c->out.len);
	if (is_newline(point))
		add_char(c, '\n');
	else if (command_body_is_blank(point))
		add_char(c, ' ');
	else if (is_invisible(point, after_ascii))
		return;
	else if (point == '`' && !c->quoted && !c->regex && !c->coded)
		return; /* around a run id, as clients write text copied from a message */
	else if (as && (!c->quoted || *as == '"'))
		for (; *as; as++)
			add_char(c, *as);
	else if (used == 1)
		add_char(c, *at);
	else
		buf_add(&c->out, at, used);
}

static char *command_body_clean(const char *text)
{
	struct cleaner c = {0};

	buf_init(&c.out, ARGUMENTS_MAX);
	for (size_t left = strlen(text); left > 0 && !c.out.overflow;) {
		unsigned point;
		size_t used;

		if (is_escape(&c, text)) {
			text++;
			left--;
		} else if (c.quoted && text[0] == '\\' && left > 1) {
			buf_add(&c.out, text, 2); /* an escaped quote does not end the text */
			text += 2;
			left -= 2;
			continue;
		}
		used = text_decode(text, left, &point);
		add_point(&c, text, used, point);
		text += used;
		left -= used;
	}
	return buf_take(&c.out);
}

/* ---- HTML, where the plain text is not enough ---- */

static char *html_text(const char *html, size_t len)
{
	static const struct {
		const char *name;
		char character;
	} entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''},
	        {"&nbsp;", ' '}, {"&amp;", '&'}};
	const char *end = html + len;
	struct buf out;

	buf_init(&out, ARGUMENTS_MAX);
	while (html < end) {
		const char *close = *html == '<' ? memchr(html, '>', (size_t)(end - html)) : NULL;
		size_t i = 0;

		while (*html == '&' && i < LEN(entities) &&
		        strncmp(html, entities[i].name, strlen(entities[i].name)) != 0)
			i++;
		if (close) {
			if (strncasecmp(html, "<br", 3) == 0)
				buf_add_char(&out, '\n');
			html = close + 1;
		} else if (*html == '&' && i < LEN(entities)) {
			buf_add_char(&out, entities[i].character);
			html += strlen(entities[i].name);
		} else {
			buf_add_char(&out, *html++);
		}
	}
	return buf_take(&out);
}

/* ---- before the command ---- */

/* Skips quoted lines, which old clients put before a reply, with or without an empty line after
 * them. */
static const char *skip_quoted(const char *text)
{
	for (;;) {
		text += strspn(text, " \n");
		if (*text != '>')
			return text;
		text += strcspn(text, "\n");
	}
}

/* The text after a name at the beginning, in any case; NULL: it does not begin with the name. */
static const char *skip_name(const char *text, const char *name)
{
	size_t len = name ? strlen(name) : 0;

	return len > 0 && strncasecmp(text, name, len) == 0 ? text + len : NULL;
}

static const char *skip_colon(const char *text)
{
	text += strspn(text, " \n");
	text += *text == ':' || *text == ',';
	return text + strspn(text, " \n");
}

/* The text after a user id at the beginning, with @ and : as they are or percent-encoded; NULL: it
 * begins with another one. */
static const char *skip_user(const char *link, const char *user)
{
	for (; *user; user++) {
		bool encoded = (*user == '@' && strncasecmp(link, "%40", 3) == 0) ||
		               (*user == ':' && strncasecmp(link, "%3a", 3) == 0);

		if (!encoded && *link != *user)
			return NULL;
		link += encoded ? 3 : 1;
	}
	return link;
}

/* The text after a link to the user at the beginning; NULL: there is none. */
static const char *skip_link(const char *text, const char *user)
{
	if (strncasecmp(text, LINK, strlen(LINK)) == 0)
		return skip_user(text + strlen(LINK), user);
	return strncasecmp(text, URI, strlen(URI)) == 0 ? skip_user(text + strlen(URI), user + 1)
	                                                : NULL;
}

/* The text of the pill that links to the bot; owned by the caller, or NULL. */
static char *pill_text(const char *html, const char *user)
{
	const char *at = html, *open, *close;

	while (at && (at = strcasestr(at, "href="))) {
		at += strlen("href=");
		at += *at == '"' || *at == '\'';
		open = skip_link(at, user);
		if (!open || !*open || !strchr("\"'?&", *open))
			continue;
		open = strchr(at, '>');
		close = open ? strcasestr(open, "</a>") : NULL;
		return close ? html_text(open + 1, (size_t)(close - open - 1)) : NULL;
	}
	return NULL;
}

static bool is_mentioned(const json_t *content, const char *user)
{
	const json_t *users = json_object_get(json_object_get(content, "m.mentions"), "user_ids");

	for (size_t i = 0; i < json_array_size(users); i++)
		if (json_is_string(json_array_get(users, i)) &&
		        strcmp(json_string_value(json_array_get(users, i)), user) == 0)
			return true;
	return false;
}

/* Skips "Alert Bot:" at the beginning of a message that mentions the bot; the caller has checked
 * the mention. */
static const char *skip_called(const char *text)
{
	size_t len = strcspn(text, ":,\n");

	return len > 0 && len <= NAME_MAX_BYTES && text[len] && text[len] != '\n' ? text + len
	                                                                          : text;
}

/* Skips the name that clients put between @[ and ], or behind @, for a user who is mentioned. */
static const char *skip_at_name(const char *text, const char *pill)
{
	const char *at = skip_name(text + 1, pill);

	if (*text != '@')
		return NULL;
	if (text[1] == '[') {
		at = text + strcspn(text, "]\n");
		return *at == ']' ? at + 1 : NULL;
	}
	return at ? at : text + strcspn(text, " \n:,");
}

/* Skips a link to the bot, also between < and >, or as [name](link), as markdown has them. */
static const char *skip_written_link(const char *text, const char *user)
{
	const char *name = *text == '[' ? strstr(text, "](") : NULL;
	const char *at = skip_link(name ? name + 2 : text + (*text == '<'), user);

	if (!name && *text != '<')
		return at;
	at = at ? at + strcspn(at, name ? ")\n" : ">\n") : NULL;
	return at && *at && *at != '\n' ? at + 1 : NULL;
}

/* Skips the bot's name, id or pill at the beginning of the text. */
static const char *skip_address(
        const struct config *config, const json_t *content, const char *text)
{
	const char *user = config->matrix.user, *at;
	const char *html = json_string_value(json_object_get(content, "formatted_body"));
	char *local = x_strndup(user, strcspn(user, ":")), *pill = pill_text(html, user);
	const char *const names[] = {user, local, local + 1, pill};
	bool mentioned = is_mentioned(content, user);

	for (size_t i = 0; i < LEN(names); i++) {
		at = skip_name(text, names[i]);
		if (at && strchr(" \n:,", *at))
			goto out;
	}
	at = skip_written_link(text, user);
	if (!at && (mentioned || pill))
		at = skip_at_name(text, pill);
	if (!at)
		at = mentioned ? skip_called(text) : text;
out:
	free(local);
	free(pill);
	return at == text ? text : skip_colon(at);
}

/* The text after the prefix, as a copy; NULL: there is no prefix. */
static char *behind_prefix(const struct config *config, const json_t *content, const char *raw)
{
	size_t prefix = strlen(config->commands.prefix);
	char *text = command_body_clean(raw), *out = NULL;
	const char *at = skip_quoted(text);

	if (strncmp(at, config->commands.prefix, prefix) != 0)
		at = skip_address(config, content, at);
	if (strncmp(at, config->commands.prefix, prefix) == 0)
		out = x_strdup(at + prefix);
	free(text);
	return out;
}

char *command_body(const struct config *config, const struct room_event *event)
{
	const char *body = json_string_value(json_object_get(event->content, "body"));
	const char *html = json_string_value(json_object_get(event->content, "formatted_body"));
	const char *reply = html ? strstr(html, "</mx-reply>") : NULL;
	char *out = body ? behind_prefix(config, event->content, body) : NULL, *text;

	if (out || !reply)
		return out;
	/* the plain text quotes in another form */
	reply += strlen("</mx-reply>");
	text = html_text(reply, strlen(reply));
	out = behind_prefix(config, event->content, text);
	free(text);
	return out;
}

/* ---- reactions ---- */

static bool is_modifier(unsigned point)
{
	return point == 0xFE0E || point == 0xFE0F || (point >= 0x1F3FB && point <= 0x1F3FF);
}

/* The next code point that is not a modifier; 0 = the end. */
static unsigned next_point(const char **text)
{
	unsigned point = 0;

	do {
		if (!**text)
			return 0;
		*text += text_decode(*text, strlen(*text), &point);
	} while (is_modifier(point));
	return point;
}

bool command_same_emoji(const char *key, const char *emoji)
{
	unsigned a, b;

	do {
		a = next_point(&key);
		b = next_point(&emoji);
	} while (a == b && a);
	return a == b;
}
