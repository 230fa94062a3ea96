/*
 * loop_fixture.h - what tests of the loop layer stand on: a loop, a real store in a folder of its
 * own with a writer, a config, and a scripted homeserver (scripted_http.h). At its end it asserts
 * that the loop closes empty. Include it after cmocka.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "bot/config/config.h"
#include "bot/loop/writer.h"
#include "bot/matrix/client.h"
#include "storage/store.h"
#include "tests/unit/scripted_http.h"

#define FIXTURE_USER "@bot:fake.local"
#define FIXTURE_OPS "!ops:fake.local"
#define FIXTURE_SEND_OPS "/v3/rooms/%21ops%3Afake.local/send/"

struct looped {
	char folder[64];
	char config_path[128];
	uv_loop_t loop;
	struct store *store;
	struct writer *writer; /* closed by looped_end() unless the test set it to NULL */
	struct config *config;
	struct http *http; /* the test's own, with the client below */
	struct mx *mx;     /* with a token, or NULL before looped_client() */
};

/* more: what stands in the config after [matrix], [encryption] and [rooms] ops (plain), dev. */
struct looped *looped_begin(const char *more);
/* Closes writer, client and loop; whatever the test opened besides must be closed before. */
void looped_end(struct looped *l);

/* Another config of this fixture, written to its file; the caller's. */
struct config *looped_config(struct looped *l, const char *more);
/* The file alone. */
void looped_write_config(struct looped *l, const char *more);
/* l->mx with a token. */
void looped_client(struct looped *l);

/* Turns the loop until *flag, with a guard. */
void looped_until(struct looped *l, const bool *flag);
/* The same until what() says so. */
void looped_wait(struct looped *l, bool (*what)(void *arg), void *arg);
/* Turns the loop n times without waiting. */
void looped_turn(struct looped *l, unsigned n);

/* Takes an alert in, in a writer job of its own, and waits until it is stored. */
void looped_alert(struct looped *l, const char *json);
/* Runs a piece of work in a writer job and waits for its end. */
enum err looped_work(struct looped *l, writer_work_fn work, void *arg);

/* Rules for a homeserver on which all goes well: rooms ops and dev are there and plain, whoami
 * knows FIXTURE_USER and the device DEV1, keys are taken, sync waits for the test. */
void looped_good_homeserver(void);
