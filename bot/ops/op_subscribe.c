/*
 * op_subscribe.c - op "subscribe": sends a line for each event until the peer disconnects.
 */
#include "bot/base/alloc.h"
#include "bot/ops/ops_internal.h"

struct op_subscriber {
	struct ops *ops;
	struct reply *reply;
	struct op_subscriber *next;
};

static void subscriber_remove(struct op_subscriber *gone)
{
	struct op_subscriber **at;

	for (at = &gone->ops->subscribers; *at != gone; at = &(*at)->next)
		;
	*at = gone->next;
	gone->ops->subscribers_len--;
	free(gone);
}

static void op_subscribe_on_gone(void *arg)
{
	struct op_subscriber *subscriber = arg;
	struct reply *reply = subscriber->reply;

	subscriber_remove(subscriber);
	reply_error(reply, "gone", NULL, "the client closed the connection", false);
}

void op_subscribe(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	struct op_subscriber *subscriber;

	if (ops->subscribers_len >= OPS_SUBSCRIBERS_MAX) {
		reply_error(reply, "busy", NULL, "too many subscribers", true);
		return;
	}
	if (!reply_stream(reply, json_pack("{s:b, s:s}", "ok", 1, "event", "subscribed"))) {
		reply_error(reply, "gone", NULL, "the client closed the connection", false);
		return;
	}
	subscriber = x_calloc(1, sizeof(*subscriber));
	subscriber->ops = ops;
	subscriber->reply = reply;
	subscriber->next = ops->subscribers;
	ops->subscribers = subscriber;
	ops->subscribers_len++;
	reply_on_gone(reply, op_subscribe_on_gone, subscriber);
}

void ops_publish(struct ops *ops, json_t *event)
{
	struct op_subscriber *subscriber, *next;

	if (ops->env.on_published)
		ops->env.on_published(ops->env.arg);
	for (subscriber = ops->subscribers; subscriber; subscriber = next) {
		next = subscriber->next;
		if (!reply_stream(subscriber->reply, json_incref(event))) {
			struct reply *reply = subscriber->reply;

			reply_on_gone(reply, NULL, NULL);
			subscriber_remove(subscriber);
			reply_error(reply, "slow", NULL,
			        "the client did not read its lines in time", true);
		}
	}
	json_decref(event);
}

void ops_subscribers_end(struct ops *ops)
{
	while (ops->subscribers) {
		struct reply *reply = ops->subscribers->reply;

		reply_on_gone(reply, NULL, NULL);
		subscriber_remove(ops->subscribers);
		reply_error(reply, "stopping", NULL, "the daemon is stopping", true);
	}
}
