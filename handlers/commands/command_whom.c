/*
 * command_whom.c - see command_whom.h.
 */
#include "handlers/commands/command_whom.h"

#include <ctype.h>
#include <string.h>
#include "bot/base/alloc.h"

#define RUNS_MAX 20
#define RUN_COMMAS ",;"
#define RUN_ENDS ",;.:!?" /* after a run id in a list or a sentence */
#define RUN_JOINTS "-_.:/#"
#define HASH_MIN 6 /* characters */

static void whom_cut_end(char *word)
{
	size_t len = strlen(word);

	while (len > 0 && strchr(RUN_ENDS, word[len - 1]))
		word[--len] = '\0';
}

static bool has_digit(const char *word)
{
	return strpbrk(word, "0123456789");
}

/* True when a word that is no known run was probably meant as one like `run`: "r-9" and "r-x" are
 * like "r-81", "batch6" like "batch5", "82" like "81", and a hash like one of the same length. */
static bool is_like_run(const char *word, const char *run)
{
	size_t begin = strcspn(run, RUN_JOINTS "0123456789");

	if (begin > 0 && run[begin] && strncmp(word, run, begin) == 0)
		return isdigit((unsigned char)run[begin])
		               ? isdigit((unsigned char)word[begin])
		               : word[begin] == run[begin] && word[begin + 1];
	return strlen(word) == strlen(run) && has_digit(word) && has_digit(run) &&
	       (strlen(word) >= HASH_MIN || strspn(word, "0123456789") == strlen(word));
}

static const char *last_run(const json_t *runs)
{
	return json_string_value(json_array_get(runs, json_array_size(runs) - 1));
}

/* Adds the runs in a word: one, or several with commas between. listed: it stands behind a comma.
 * *known: all of them are runs, or like one. */
static enum err add_runs(
        struct command_call *call, const char *text, bool listed, json_t *runs, bool *known)
{
	char *copy = arguments_unquoted(text), *at = NULL;
	json_t *all = json_copy(runs);
	enum err err = command_is_run(call, copy, known);

	if (err == OK && *known)
		json_array_append_new(all, json_string(copy));
	for (char *run = *known ? NULL : strtok_r(copy, RUN_COMMAS, &at); run && err == OK;
	        run = *known ? strtok_r(NULL, RUN_COMMAS, &at) : NULL) {
		whom_cut_end(run);
		err = command_is_run(call, run, known);
		*known = *known ||
		         (listed && json_array_size(all) > 0 && is_like_run(run, last_run(all)));
		json_array_append_new(all, json_string(run));
		listed = true;
	}
	for (size_t i = json_array_size(runs); *known && i < json_array_size(all); i++)
		json_array_append(runs, json_array_get(all, i));
	json_decref(all);
	free(copy);
	return err;
}

/* Words are run ids up to the first one that is neither a run nor like one, or a dash; the rest is
 * the note. All words together may also be one run id with blanks. */
static enum err read_runs(struct command_call *call, struct input *words, json_t *runs)
{
	struct input all = *words;
	bool known = true, listed = false;
	char *whole;
	enum err err = OK;

	while (err == OK && known && input_left(words) && json_array_size(runs) < RUNS_MAX) {
		/* "r-81 , r-82", "r-81 and r-82" */
		bool between = json_array_size(runs) > 0 && input_is_joint(input_peek(words, 0));
		const char *word = input_peek(words, between);

		err = add_runs(call, word, listed || between, runs, &known);
		listed = *word && strchr(RUN_COMMAS, word[strlen(word) - 1]);
		if (err == OK && known)
			words->at += between + 1;
		else if (err == OK && input_is_dash(input_peek(words, 0)))
			input_next(words);
	}
	if (err == OK && json_array_size(runs) == 0 && input_left(words)) {
		whole = input_rest(&all);
		err = add_runs(call, whole, false, runs, &known);
		if (err == OK && known)
			*words = all;
		free(whole);
		whole = x_strdup(input_peek(words, 0));
		whom_cut_end(whole);
		if (err == OK && !known && !call->target)
			err = command_fail_name(call, *whole ? whole : input_peek(words, 0));
		free(whole);
	}
	return err;
}

/* Reads "all" or an app as the first word, unless a run has that name. */
static enum err read_many(struct command_call *call, struct input *words, struct whom *whom)
{
	char *word = arguments_unquoted(input_peek(words, 0));
	bool run, app = false;
	enum err err = command_is_run(call, word, &run);

	if (err == OK && !run && *word)
		err = command_is_app(call, word, &app);
	whom->all = !run && !app && strcmp(word, "all") == 0;
	if (app)
		whom->app = x_strdup(word);
	if (whom->all || app) {
		input_next(words);
		words->at += input_is_dash(input_peek(words, 0));
	}
	free(word);
	return err;
}

enum err whom_read(struct command_call *call, struct input *words, bool many, struct whom *whom)
{
	enum err err = OK;

	whom->runs = json_array();
	if (many && input_left(words))
		err = read_many(call, words, whom);
	if (err == OK && !whom->all && !whom->app)
		err = read_runs(call, words, whom->runs);
	whom->note = input_rest(words);
	return err;
}

void whom_finish(struct whom *whom)
{
	json_decref(whom->runs);
	free(whom->app);
	free(whom->note);
	*whom = (struct whom){0};
}
