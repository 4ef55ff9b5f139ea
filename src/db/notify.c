/* Notifications: the public calls, and the bounded queue of a subscription.
 *
 * A queue that is full keeps what it has, which is the oldest, and counts what comes: the count stands where the
 * missing ones would. */
#include "db/notify.h"

#include "db/db.h"
#include <stdlib.h>

enum { QUEUE_DEFAULT = 1000, QUEUE_MAX = 1000000, QUEUE_FIRST = 8 };

/* --- messages and queues --- */

cv__notice *cv__notice_new(int sender, cv_str payload)
{
    cv__notice *message = malloc(sizeof *message + payload.len + 1);
    if (!message)
        return NULL;
    message->refs = 1;
    message->sender = sender;
    message->len = payload.len;
    if (payload.len > 0)
        memcpy(message->payload, payload.ptr, payload.len);
    message->payload[payload.len] = '\0';
    return message;
}

void cv__notice_release(cv__notice *message)
{
    if (message && --message->refs == 0)
        free(message);
}

static void wake_reader(cv_subscription *s, int result)
{
    cv__waiter *reader = s->reader;
    s->reader = NULL;
    if (reader)
        cv__wake(reader, result);
}

static bool grow(cv_subscription *s)
{
    size_t capacity = s->capacity ? s->capacity * 2 : QUEUE_FIRST;
    capacity = capacity < s->max ? capacity : s->max;
    cv__queued *queue = capacity > s->count ? malloc(capacity * sizeof *queue) : NULL;
    if (!queue)
        return false;
    for (size_t i = 0; i < s->count; i++)
        queue[i] = s->queue[(s->first + i) % s->capacity];
    free(s->queue);
    s->queue = queue;
    s->capacity = capacity;
    s->first = 0;
    return true;
}

void cv__subscription_push(cv_subscription *s, cv__notice *message)
{
    if (s->count == s->capacity && !grow(s)) {
        s->gap.dropped++;
        return;
    }
    message->refs++;
    s->queue[(s->first + s->count++) % s->capacity] = (cv__queued){message, s->gap};
    s->gap = (cv__gap){0};
    wake_reader(s, 0);
}

void cv__subscription_dropped(cv_subscription *s)
{
    s->gap.dropped++;
    wake_reader(s, 0);
}

void cv__subscription_reconnected(cv_subscription *s)
{
    s->gap.reconnected = true;
    wake_reader(s, 0);
}

void cv__subscription_close(cv_subscription *s)
{
    s->closed = true;
    s->shared = NULL;
    wake_reader(s, 0);
}

static void free_subscription(cv_subscription *s)
{
    for (size_t i = 0; i < s->count; i++)
        cv__notice_release(s->queue[(s->first + i) % s->capacity].message);
    cv__notice_release(s->current);
    free(s->queue);
    free(s);
}

/* --- listening --- */

static int need_database(cv_ctx *cx, cv_db *db, const char *what, cv_db **ret_db)
{
    if (!db)
        db = cv__db_need(cx);
    if (!db)
        return CV_E_NO_DATABASE;
    *ret_db = db;
    if (db->driver->notify)
        return 0;
    cv_fail(cx, CV_E_UNSUPPORTED, "cannot %s: the engine \"%s\" has no notifications", what, cv_db_engine(db));
    cv_error_hint(cx,
                  "PostgreSQL has them; elsewhere read a table at intervals, or, within one program, use cv_channel");
    return CV_E_UNSUPPORTED;
}

static int check_channel(cv_ctx *cx, const char *channel)
{
    cv_str name = cv_str_of(channel ? channel : "");
    if (name.len == 0)
        return cv_fail(cx, CV_E_INVALID, "the name of a channel is empty");
    if (name.len > CV_NOTIFY_CHANNEL_MAX_BYTES)
        return cv_fail(cx, CV_E_LIMIT, "the name of channel \"%s\" has %zu bytes, more than %d", channel, name.len,
                       CV_NOTIFY_CHANNEL_MAX_BYTES);
    return cv_utf8_valid(name) ? 0 : cv_fail(cx, CV_E_INVALID, "the name of a channel is not UTF-8");
}

static int check_queue(cv_ctx *cx, const cv_listen_options *options, size_t *ret_length)
{
    size_t length = options ? options->queue_length : 0;
    *ret_length = length ? length : QUEUE_DEFAULT;
    return length <= QUEUE_MAX
               ? 0
               : cv_fail(cx, CV_E_LIMIT, "a queue of %zu notifications is longer than %d", length, QUEUE_MAX);
}

int cv_listen(cv_ctx *cx, cv_db *db, const char *channel, const cv_listen_options *options,
              cv_subscription **ret_subscription)
{
    size_t max;
    CV_TRY(need_database(cx, db, "listen", &db));
    CV_TRY(check_channel(cx, channel));
    CV_TRY(check_queue(cx, options, &max));
    CV_TRY(cv__wait_check(cx, "listen"));
    cv_subscription *s = calloc(1, sizeof *s);
    if (!s)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a subscription");
    s->driver = db->driver->notify;
    s->shared = db->shared;
    s->max = max;
    cv_list_init(&s->link);
    memcpy(s->name, channel, strlen(channel) + 1);
    int rc = s->driver->listen(cx, s->shared, s);
    if (rc < 0)
        cv_listen_end(s);
    else
        *ret_subscription = s;
    return rc;
}

void cv_listen_end(cv_subscription *s)
{
    if (!s)
        return;
    if (s->shared)
        s->driver->unlisten(s->shared, s);
    s->shared = NULL;
    s->ended = s->waiting;
    if (s->ended)
        wake_reader(s, 0);
    else
        free_subscription(s);
}

/* --- reading --- */

static int fail_closed(cv_ctx *cx, const char *why)
{
    return cv_fail(cx, CV_E_CLOSED, "no more notifications come: %s", why);
}

/* 0 when there may be something; after cv_listen_end the subscription is gone. */
static int wait_for_more(cv_ctx *cx, cv_subscription *s)
{
    if (s->closed)
        return fail_closed(cx, "the database was closed");
    if (s->waiting)
        return cv_fail(cx, CV_E_STATE, "cannot wait for a notification of channel \"%s\": another fiber waits for it",
                       s->name);
    cv__waiter reader;
    cv__waiter_init(cx, &reader);
    reader.what = "wait for a notification";
    s->reader = &reader;
    s->waiting = true;
    int rc = cv__wait(cx, &reader);
    s->reader = NULL;
    s->waiting = false;
    if (!s->ended)
        return rc;
    free_subscription(s);
    return rc < 0 ? rc : fail_closed(cx, "the subscription was ended");
}

static cv_notification tell_gap(const cv_subscription *s, cv__gap *gap)
{
    cv_notification n = {.channel = s->name,
                         .gap = true,
                         .reconnected = gap->reconnected,
                         .dropped = gap->dropped,
                         .payload = CV_STR("")};
    *gap = (cv__gap){0};
    return n;
}

static cv_notification take_first(cv_subscription *s)
{
    cv__notice *message = s->queue[s->first].message;
    s->first = (s->first + 1) % s->capacity;
    s->count--;
    s->current = message;
    return (cv_notification){
        .channel = s->name, .payload = {message->payload, message->len}, .sender = message->sender};
}

static bool is_gap(const cv__gap *gap)
{
    return gap->reconnected || gap->dropped > 0;
}

int cv_notification_next(cv_ctx *cx, cv_subscription *s, cv_notification *ret_notification)
{
    CV_TRY(cv__wait_check(cx, "wait for a notification"));
    cv__notice_release(s->current);
    s->current = NULL;
    while (s->count == 0 && !is_gap(&s->gap))
        CV_TRY(wait_for_more(cx, s));
    cv__gap *gap = s->count > 0 ? &s->queue[s->first].before : &s->gap;
    *ret_notification = is_gap(gap) ? tell_gap(s, gap) : take_first(s);
    return 1;
}

/* --- sending --- */

int cv_notify(cv_ctx *cx, cv_db *db, const char *channel, cv_str payload)
{
    CV_TRY(need_database(cx, db, "notify", &db));
    CV_TRY(check_channel(cx, channel));
    if (payload.len > CV_NOTIFY_PAYLOAD_MAX_BYTES) {
        cv_fail(cx, CV_E_LIMIT, "the payload of a notification has %zu bytes, more than %d", payload.len,
                CV_NOTIFY_PAYLOAD_MAX_BYTES);
        cv_error_hint(cx, "store it in a table, and send the key of its row");
        return CV_E_LIMIT;
    }
    const cv_value values[] = {cv_value_text(channel), cv_value_str(payload.ptr ? payload : CV_STR(""))};
    const cv__statement statement = {
        .sql = cv_str_of(db->driver->notify->send_sql), .params = values, .param_count = 2};
    return cv__db_run(cx, db, CV__WRITER, &statement, NULL);
}
