/*
 * command_chart.c - !chart: alerts over time as a picture. bot/charts draws and uploads it later;
 * the command only stores the request. On the host the answer is the figures as text.
 */
#include "handlers/charts/chart_post.h"
#include "handlers/commands/command.h"

#define WAITING_MAX 10

static enum err chart_in_words(struct command_call *call, enum chart_span span, const char *app)
{
	struct figures figures;
	enum err err = figures_collect(call->env->store, span, call->env->now_ms, app, &figures);

	if (err == OK) {
		figures_say(&figures, &call->text);
		json_decref(call->data);
		call->data = figures_json(&figures);
	}
	figures_finish(&figures);
	return err;
}

static enum err chart_ask_for(struct command_call *call, enum chart_span span, const char *app)
{
	struct chart_row row = {
	        .span = (int)span,
	        .created_ms = call->env->now_ms,
	        .until_ms = call->env->now_ms,
	        .room = (char *)call->room,
	        .app = (char *)app,
	        .root = (char *)call->root,
	        .reply_to = (char *)call->event_id,
	};
	int64_t waiting;
	enum err err = charts_count(call->env->store, &waiting);

	if (err == OK && waiting >= WAITING_MAX)
		return command_fail(
		        call, "%d charts are waiting already; ask again later", WAITING_MAX);
	call->later = true;
	return err == OK ? chart_ask(call->env->store, &row, call->env->happened) : err;
}

/* The two arguments are accepted in any order, and each may be omitted. */
static bool chart_read(struct command_call *call, const char **app, enum chart_span *span)
{
	const char *word = command_arg(call, "span");
	int64_t ms;

	*app = command_arg(call, "app");
	*span = CHART_WEEK;
	if (*app && figures_span(*app, span)) {
		*app = word;
		return true;
	}
	if (!word && *app && clock_parse_duration(*app, &ms))
		return false; /* a span that is not offered rather than an app */
	return !word || figures_span(word, span);
}

static enum err run_chart(struct command_call *call)
{
	enum chart_span span;
	const char *app;
	bool known = true;
	enum err err;

	if (!chart_read(call, &app, &span)) {
		call->field = "span";
		return command_fail(call, "A chart covers 24h, 7d or 30d.");
	}
	err = app ? command_is_app(call, app, &known) : OK;
	if (err != OK)
		return err;
	if (!known)
		return command_say_no_app(call, app);
	return call->room ? chart_ask_for(call, span, app) : chart_in_words(call, span, app);
}

const struct command command_chart = {
        .name = "chart",
        .help = "alerts over time as a picture\n"
                "By severity and app, with the time to acknowledge; on the command line as text. "
                "Default: 7d.",
        .usage = "[app] [24h|7d|30d]",
        .example = "chart etl 24h",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .run = run_chart,
        .members = {{"app", MEMBER_WORD}, {"span", MEMBER_WORD}},
};
