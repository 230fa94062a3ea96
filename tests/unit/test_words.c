/*
 * The builder of messages: both forms of each piece, hostile values in each place, lists that are
 * short, and a budget that never costs the headline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/text.h"
#include "bot/base/zone.h"
#include "handlers/message/words.h"
#include "tests/unit/snapshot.h"

#define NOON INT64_C(1795521600000) /* 2026-11-24 12:00 UTC */

static const char *const hostile[] = {
        "",
        " ",
        "plain_name-1 x",
        "Año nuevo",
        "a.b",
        "<b>bold</b><script>alert(1)</script>",
        "\"onmouseover=\"x",
        "</code></ul></a>",
        "&amp; &#39;",
        "**bold** _it_ `code` [link](https://evil.example)",
        "https://evil.example/x?a=1&b=2",
        "evil.example",
        "@room",
        "@op1:example.org",
        "#room:example.org",
        "!room:example.org",
        "mailto:a@example.org",
        ("\xE2\x80\xAE"
         "evil\xE2\x80\xAC"),
        "two\nlines\r\nthree",
        "\x1b[31mred",
        "broken \xFF\xC3 end",
        "🚨 other · FAILED",
        "a / b / c.d",
        "{\"json\":true}",
        "%s%n%1000000s",
};

#define HOSTILE_LEN (sizeof(hostile) / sizeof(hostile[0]))

/* Everything that takes a value, with this one. */
static void say_all(struct words *w, const char *value)
{
	char *const users[] = {(char *)"@op1:example.org", (char *)"room", NULL};
	json_t *runs = json_pack("[s, s, s%]", "r-1", "r-2", value, strlen(value));

	words_say(w, "🚨 ");
	words_bold(w, true);
	words_name(w, value, WORDS_NAME_POINTS);
	words_say(w, " · ");
	words_what(w, value);
	words_say(w, " <FAILED>");
	words_bold(w, false);
	words_break(w);
	words_say(w, "error: ");
	words_error(w, value, WORDS_ERROR_POINTS);
	words_break(w);
	words_say(w, "by ");
	words_user(w, value, "@bot:example.org");
	words_say(w, " · ");
	words_runs(w, runs, 3, 2);
	words_break(w);
	words_text(w, value, 2000);
	words_break(w);
	words_command(w, "!ack %s", value);
	words_list(w, WORDS_LIST_MAX, "!alerts <app>");
	words_item(w);
	words_permalink(w, value, value);
	words_code(w, value, WORDS_NAME_POINTS);
	words_link_end(w);
	words_list_end(w);
	words_struck(w, true);
	words_name(w, value, WORDS_NAME_POINTS);
	words_struck(w, false);
	words_say(w, " · ");
	words_mention(w, users);
	json_decref(runs);
}

static void each_piece_with_each_value(void **state)
{
	struct snapshot snapshot;

	snapshot_init(&snapshot, "words");
	for (size_t i = 0; i < HOSTILE_LEN; i++) {
		struct words w;
		char *name = x_asprintf("value %zu", i + 1);

		/* json_pack() refuses what is no UTF-8; nothing else of the builder does */
		if (text_is_utf8(hostile[i], strlen(hostile[i]))) {
			words_init(&w);
			say_all(&w, hostile[i]);
			snapshot_add_words(&snapshot, name, &w);
			words_finish(&w);
		}
		free(name);
	}
	snapshot_check(&snapshot);
}

static void broken_text_becomes_utf8(void **state)
{
	struct words w;
	char *body, *html;

	words_init(&w);
	words_name(&w, "a\xFF", 64);
	words_what(&w, "b\xC3 / \xED\xA0\x80");
	words_error(&w, "c\xF5", 200);
	words_text(&w, "d\x80\ne\xC0", 200);
	body = words_body(&w);
	html = words_html(&w);
	assert_true(text_is_utf8(body, strlen(body)));
	assert_true(text_is_utf8(html, strlen(html)));
	words_finish(&w);
	free(body);
	free(html);
}

/* No text of an app makes a tag, and every tag that is opened is closed in order. */
static void tags_are_ours_alone(void **state)
{
	static const char *const known[] = {"b", "del", "code", "ul", "li", "a", "br", "/b", "/del",
	        "/code", "/ul", "/li", "/a"};

	for (size_t i = 0; i < HOSTILE_LEN; i++) {
		const char *open[16];
		struct words w;
		size_t depth = 0;
		char *html;

		if (!text_is_utf8(hostile[i], strlen(hostile[i])))
			continue;
		words_init(&w);
		say_all(&w, hostile[i]);
		html = words_html(&w);
		for (const char *p = strchr(html, '<'); p; p = strchr(p + 1, '<')) {
			size_t len = strcspn(p + 1, " >"), k = 0;

			while (k < 13 && (strlen(known[k]) != len || strncmp(known[k], p + 1, len)))
				k++;
			if (k == 13)
				fail_msg("%s", html);
			if (k < 6) {
				assert_true(depth < 16);
				open[depth++] = known[k];
			} else if (k > 6) {
				assert_true(depth > 0);
				assert_string_equal(open[--depth], known[k] + 1);
			}
		}
		assert_int_equal(depth, 0);
		words_finish(&w);
		free(html);
	}
}

static void numbers_times_and_links(void **state)
{
	struct snapshot snapshot;
	struct words w;

	zone_use("Europe/Madrid");
	snapshot_init(&snapshot, "words_small");
	words_init(&w);
	words_count(&w, 0, "alert", "alerts");
	words_say(&w, ", ");
	words_count(&w, 1, "alert", "alerts");
	words_say(&w, ", ");
	words_count(&w, 2, "alert", "alerts");
	words_break(&w);
	words_when(&w, NOON, NOON + 1000);
	words_say(&w, ", ");
	words_when(&w, NOON - INT64_C(86400000), NOON);
	words_say(&w, ", ");
	words_when(&w, NOON, 0);
	words_break(&w);
	words_duration(&w, 400);
	words_say(&w, ", ");
	words_duration(&w, 5321);
	words_say(&w, ", ");
	words_duration(&w, 467000);
	words_break(&w);
	words_user(&w, "@op1:example.org", "@bot:example.org");
	words_say(&w, ", ");
	words_user(&w, "@op1:evil.example", "@bot:example.org");
	words_break(&w);
	words_link(&w, "https://dash.example/runs/a%20b?x=1&y=2");
	words_say(&w, "dashboard");
	words_link_end(&w);
	words_say(&w, " · ");
	words_permalink(&w, "!room:example.org", "$event_id-1");
	words_say(&w, "see the message");
	words_link_end(&w);
	words_say(&w, " · ");
	words_permalink(&w, "!room:example.org", NULL);
	words_say(&w, "nothing to see");
	words_link_end(&w);
	snapshot_add_words(&snapshot, "numbers, times and links", &w);
	words_finish(&w);
	snapshot_check(&snapshot);
	zone_use(NULL);
}

static void fill_list(struct words *w, size_t max, size_t entries)
{
	words_list(w, max, "!alerts");
	for (size_t i = 0; i < entries; i++) {
		words_item(w);
		words_say(w, "entry %zu", i + 1);
	}
	words_list_end(w);
}

static void lists_are_short(void **state)
{
	static const size_t lengths[] = {0, 1, 10, 11, 250};
	struct snapshot snapshot;

	snapshot_init(&snapshot, "words_lists");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char *name = x_asprintf("%zu entries", lengths[i]);
		struct words w;

		words_init(&w);
		words_say(&w, "before");
		fill_list(&w, WORDS_LIST_MAX, lengths[i]);
		words_say(&w, "after");
		snapshot_add_words(&snapshot, name, &w);
		words_finish(&w);
		free(name);
	}
	snapshot_check(&snapshot);
}

static void a_budget_costs_lists_first_and_the_headline_never(void **state)
{
	struct words w;

	/* every budget from plenty to nothing */
	for (size_t max = 2000; max<2001; max -= max> 40 ? 20 : 1) {
		char *body, *html;

		words_init(&w);
		words_bold(&w, true);
		words_say(&w, "headline");
		words_bold(&w, false);
		words_break(&w);
		words_say(&w, "a second line");
		fill_list(&w, 20, 30);
		fill_list(&w, 5, 4);
		words_say(&w, "the last line");
		words_fit(&w, max, true);
		body = words_body(&w);
		html = words_html(&w);
		assert_int_equal(strncmp(html, "<b>headline</b>", 15), 0);
		if (w.len > 1)
			assert_true(words_size(&w, true) <= max);
		/* lines go only when each list is down to one entry */
		if (w.cut)
			for (size_t i = 0; i < w.lists_len; i++)
				assert_true(w.lists[i].shown < 2);
		else
			assert_non_null(strstr(body, "the last line"));
		if (w.lists[0].shown)
			assert_non_null(strstr(body, "more: !alerts"));
		free(body);
		free(html);
		words_finish(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_piece_with_each_value),
	        cmocka_unit_test(broken_text_becomes_utf8),
	        cmocka_unit_test(tags_are_ours_alone),
	        cmocka_unit_test(numbers_times_and_links),
	        cmocka_unit_test(lists_are_short),
	        cmocka_unit_test(a_budget_costs_lists_first_and_the_headline_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
