/*
 * test_command_body.c - what clients, keyboards and phones make of a command is read as it was
 * meant, and what is none is left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "handlers/commands/command_body.h"
#include "handlers/commands/command_text.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define PILL "<a href=\"https://matrix.to/#/@bot:x.org\">Alert Bot</a>"
#define OTHER "<a href=\"https://matrix.to/#/@bot:y.org\">Alert Bot</a>"
#define MENTION "{\"user_ids\":[\"@bot:x.org\"]}"

static struct config config = {
        .matrix = {.user = (char *)"@bot:x.org"},
        .commands = {.prefix = (char *)"!"},
};

static char *read_body(const char *body, const char *html, const char *mentions)
{
	json_t *content = json_pack("{s:s, s:s, s:s*, s:o*}", "msgtype", "m.text", "body", body,
	        "formatted_body", html, "m.mentions",
	        mentions ? json_loads(mentions, 0, NULL) : NULL);
	const struct room_event event = {.type = "m.room.message", .content = content};
	char *text = command_body(&config, &event);

	json_decref(content);
	return text;
}

static void bodies_are_read_as_they_were_meant(void **state)
{
	static const struct {
		const char *body, *meant; /* NULL: no command */
	} cases[] = {
	        {"!help", "help"},
	        {" !help", "help"},
	        {"\n!help", "help"},
	        {"\r\n\t!help", "help"},
	        {"\u00a0!help", "help"},
	        {"\ufeff!help", "help"},
	        {"\u200e!help\u200b", "help"},
	        {"\u2060\u202f!he\u00adlp", "help"},
	        {"\uff01help", "help"},
	        {"!he\u200dlp\ufe0f", "help"}, /* not the parts of an emoji */
	        {"!ack r-1 \U0001f44d\ufe0f", "ack r-1 \U0001f44d\ufe0f"},
	        {"bots: !help", NULL},
	        {"bot2 !help", NULL},
	        {"bot!help", NULL},
	        {"\\!help", "help"},
	        {"!ack r\\-81", "ack r-81"},
	        {"!silence data\\_factory 1h", "silence data_factory 1h"},
	        {"!silence app=\\*", "silence app=*"},
	        {"!ack\u00a0r-81", "ack r-81"},
	        {"!ack `r-81`", "ack r-81"},
	        {"!ack \\`r-81\\` on it", "ack r-81 on it"},
	        {"!ack \"a`b\"", "ack \"a`b\""},
	        {"`!ack r-81`", NULL},
	        {"  ```\n!ack r-81\n```", NULL},
	        {"!ack r-81\u3001r-82\uff0cr-83", "ack r-81,r-82,r-83"},
	        {"!ack r-81\u00a0on it", "ack r-81 on it"},
	        {"!ack\u3000r-81", "ack r-81"},
	        {"!ack\u2009r-81\u2028x", "ack r-81\nx"},
	        {"!ack r\u201181", "ack r-81"},
	        {"!silence etl 2h \u2014 deploy", "silence etl 2h -- deploy"},
	        {"!silence etl 2h \u2013 deploy", "silence etl 2h - deploy"},
	        {"!silence app=\u201cetl\u201d", "silence app=\"etl\""},
	        {"!silence app=\u00abetl\u00bb", "silence app=\"etl\""},
	        {"!silence app=\u2018etl\u2019", "silence app='etl'"},
	        {"!silence app=\u201eetl\u201c", "silence app=\"etl\""},
	        {"!ack r-1 don\u2019t", "ack r-1 don't"},
	        {"!ack \u201cweekly \u2014 full\u201d", "ack \"weekly \u2014 full\""},
	        /* regular expressions keep their backslashes */
	        {"!silence node_id=~\"etl\\.\\d+\\_x\" 1h", "silence node_id=~\"etl\\.\\d+_x\" 1h"},
	        {"!silence node_id=~etl\\.x 1h a\\.b", "silence node_id=~etl\\.x 1h a.b"},
	        {"!silence title=\"say \\\"hi\\\"\" 1h\\!", "silence title=\"say \\\"hi\\\"\" 1h!"},
	        /* an emoji stays whole */
	        {"!ack r-1 \U0001f469\u200d\U0001f4bb \u26a0\ufe0f",
	                "ack r-1 \U0001f469\u200d\U0001f4bb \u26a0\ufe0f"},
	        /* replies */
	        {"> <@op:x.org> the alert\n\n!ack r-81", "ack r-81"},
	        {"> <@op:x.org> the alert\n> more\n>\n\n!ack", "ack"},
	        {">quoted\n!ack", "ack"},
	        {"> * <@op:x.org> waves\r\n\r\n!ack", "ack"},
	        {"> !help", NULL},
	        {"> a\n\nno\n!help", NULL},
	        /* addressed by name */
	        {"bot: !help", "help"},
	        {"Bot !help", "help"},
	        {"bot, !help", "help"},
	        {"@bot !help", "help"},
	        {"@bot:x.org !help", "help"},
	        {"@bot:x.org: !help", "help"},
	        {"@bot:x.org,!help", "help"},
	        {"[Alert Bot](https://matrix.to/#/@bot:x.org): !help", "help"},
	        {"https://matrix.to/#/@bot:x.org !help", "help"},
	        {"> <@op:x.org> q\n\nbot: !ack r-1", "ack r-1"},
	        {"[Alert Bot](https://matrix.to/#/%40bot%3Ax.org): !help", "help"},
	        {"https://matrix.to/#/%40bot%3Ax.org !help", "help"},
	        {"<https://matrix.to/#/@bot:x.org> !help", "help"},
	        {"matrix:u/bot:x.org !help", "help"},
	        {"[Alert Bot](https://matrix.to/#/%40bot%3Ay.org): !help", NULL},
	        {"[Alert Bot](https://matrix.to/#/@bot:x.org", NULL},
	        {"<https://matrix.to/#/@bot:x.org", NULL},
	        {"@[Alert Bot] !help", NULL}, /* nobody says that this is the bot */
	        {"!silence etl \u0662h", "silence etl 2h"},
	        {"!silence etl \u06f1\u06f5m", "silence etl 15m"},
	        {"!alerts \u096b", "alerts 5"},
	        {"robot: !help", NULL},
	        {"bots: !help", NULL},
	        {"@bot:y.org !help", NULL},
	        {"Alert Bot: !help", NULL}, /* nobody says that this is the bot */
	        {"bot help", NULL},
	        {"what is !help", NULL},
	        {"", NULL},
	        {"\xff\xfe", NULL},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		char *text = read_body(cases[i].body, NULL, NULL);

		if (strcmp(text ? text : "-", cases[i].meant ? cases[i].meant : "-") != 0)
			fail_msg("%s: %s", cases[i].body, text ? text : "no command");
		free(text);
	}
}

/* A reply in a thread carries the quote too, whether or not it names an event of the thread. */
static void a_reply_in_a_thread_is_read_without_its_quote(void **state)
{
	static const struct {
		const char *body, *html, *meant;
	} cases[] = {
	        {"> <@bot:x.org> the alert\n> more\n\n!ack r-81", NULL, "ack r-81"},
	        {"> * <@bot:x.org> waves\n!ack taken", NULL, "ack taken"},
	        {"> <@op:x.org> !ack r-1\n\nno", NULL, NULL},
	        {"In reply to bot\nthe alert\n!ack",
	                "<mx-reply><blockquote>the alert</blockquote></mx-reply>!ack", "ack"},
	};

	for (size_t i = 0; i < 2 * LEN(cases); i++) {
		json_t *content = json_pack("{s:s, s:s, s:s*, s:{s:s, s:s, s:b, s:{s:s}}}",
		        "msgtype", "m.text", "body", cases[i / 2].body, "formatted_body",
		        cases[i / 2].html, "m.relates_to", "rel_type", "m.thread", "event_id",
		        "$root", "is_falling_back", (int)(i % 2), "m.in_reply_to", "event_id",
		        "$last");
		const struct room_event event = {.type = "m.room.message", .content = content};
		char *text = command_body(&config, &event);

		if (strcmp(text ? text : "-", cases[i / 2].meant ? cases[i / 2].meant : "-") != 0)
			fail_msg("%s: %s", cases[i / 2].body, text ? text : "no command");
		free(text);
		json_decref(content);
	}
}

static void pills_and_mentions_are_the_bots_name(void **state)
{
	static const struct {
		const char *body, *html, *mentions, *meant;
	} cases[] = {
	        {"Alert Bot: !help", PILL ": !help", MENTION, "help"},
	        {"Alert Bot !help", PILL " !help", NULL, "help"},
	        {"Alert Bot, !ack r-1", NULL, MENTION, "ack r-1"},
	        {"Alert Bot: !help",
	                "<a href='https://matrix.to/#/%40bot%3Ax.org'>Alert Bot</a>: !help", NULL,
	                "help"},
	        {"@[Alert Bot] !help", PILL " !help", NULL, "help"},
	        {"@[Alert Bot#123]: !help", NULL, MENTION, "help"},
	        {"@Alert Bot !help", PILL " !help", MENTION, "help"},
	        {"@Alert !help", NULL, MENTION, "help"},
	        {"Alert Bot: !help", "<a href=\"matrix:u/bot:x.org\">Alert Bot</a>: !help", NULL,
	                "help"},
	        {"@[Alert Bot] !help", OTHER " !help", NULL, NULL},
	        {"@[Alert Bot\n!help", NULL, MENTION, NULL},
	        {"Alert Bot: !help", OTHER ": !help", NULL, NULL},
	        {"Alert Bot: !help", NULL, "{\"user_ids\":[\"@op:x.org\", 7]}", NULL},
	        {"hey Alert Bot, please: !ack r-1", NULL, MENTION, NULL},
	        {"what does !ack do, Alert Bot?", NULL, MENTION, NULL},
	        /* a quote that the plain text shows in another way */
	        {"In reply to op\nthe alert\n!ack r-1 &",
	                "<mx-reply><blockquote>the alert</blockquote></mx-reply>!ack r-1 &amp;",
	                NULL, "ack r-1 &"},
	        {"In reply to op\nthe alert\n!ack r-1\non it",
	                "<mx-reply>the alert</mx-reply>!ack r-1<br/>on it", NULL, "ack r-1\non it"},
	        {"x", "<mx-reply>!help", NULL, NULL},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		char *text = read_body(cases[i].body, cases[i].html, cases[i].mentions);

		if (strcmp(text ? text : "-", cases[i].meant ? cases[i].meant : "-") != 0)
			fail_msg("%s: %s", cases[i].body, text ? text : "no command");
		free(text);
	}
}

static void too_long_ones_are_cut(void **state)
{
	char *body = calloc(1, 3 * ARGUMENTS_MAX), *text;

	strcpy(body, "!ack r-1 ");
	while (strlen(body) < 2 * ARGUMENTS_MAX)
		strcat(body, "é");
	text = read_body(body, NULL, NULL);
	assert_true(strlen(text) <= ARGUMENTS_MAX);
	assert_int_equal(strncmp(text, "ack r-1 é", 10), 0);
	free(text);
	free(body);
}

static void reactions_are_the_same_in_any_skin(void **state)
{
	assert_true(command_same_emoji("👍", "👍"));
	assert_true(command_same_emoji("👍\U0001f3fd", "👍"));
	assert_true(command_same_emoji("👍\U0001f3ff\ufe0f", "👍"));
	assert_true(command_same_emoji("✅\ufe0f", "✅"));
	assert_true(command_same_emoji("☑", "☑️"));
	assert_true(command_same_emoji("☑\ufe0e", "☑️"));
	assert_false(command_same_emoji("👎", "👍"));
	assert_false(command_same_emoji("👍👍", "👍"));
	assert_false(command_same_emoji("", "👍"));
	assert_false(command_same_emoji("👍 yes", "👍"));
	assert_false(command_same_emoji("\U0001f3fd", "👍"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bodies_are_read_as_they_were_meant),
	        cmocka_unit_test(a_reply_in_a_thread_is_read_without_its_quote),
	        cmocka_unit_test(pills_and_mentions_are_the_bots_name),
	        cmocka_unit_test(too_long_ones_are_cut),
	        cmocka_unit_test(reactions_are_the_same_in_any_skin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
