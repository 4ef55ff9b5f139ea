/* Listening: one connection of a database for all channels, and the fiber that looks after it.
 *
 * A channel is in `changed` when what the subscribers want of it may not be what the server knows: LISTEN is missing,
 * or UNLISTEN. The fiber sends what is missing, many channels in one command, hands out what arrives, and asks a silent
 * server for a sign of life. When the connection is lost, all channels are `changed` again; the next one begins with
 * LISTEN for all of them, and subscribers from before are told of a gap then, when nothing is missed any more: what
 * they read anew afterwards is complete.
 *
 * States of the fiber:   none -> connecting -> serving -> none (nobody has listened for a while, or closed)
 *                                connecting, serving -> pausing (after a failure) -> connecting */
#include "db/postgres/connect.h"
#include "db/postgres/wire.h"

#include "base/ctx.h"
#include "db/notify.h"
#include "sql/dialect.h"
#include <covet/fiber.h>
#include <covet/log.h>
#include <covet/map.h>
#include <covet/runtime.h>
#include <covet/uuid.h>
#include <stdlib.h>

enum {
    FIRST_PAUSE_MS = 100,
    LONGEST_PAUSE_MS = 10000,
    LINGER_MS = 10000, /* without subscriptions the connection stays for so long */
    BATCH = 500,       /* channels in one command */
};

typedef struct channel {
    cv_link link; /* in `changed`, in the batch under way, or in none */
    cv_link subscribers;
    bool listened; /* the server told us so, on the present connection */
    bool asked;    /* a command about it is under way */
    char name[CV_NOTIFY_CHANNEL_MAX_BYTES + 1];
} channel;

struct cv__pg_listener {
    cv__pg_shared *shared;
    cv_ctx *main;
    cv_fiber *fiber;   /* once it runs; or NULL */
    cv__pg_conn *conn; /* NULL: none */
    cv_map *channels;
    cv_link changed;
    size_t subscriptions;
    cv__waiter *idle; /* the fiber, while it waits for news */
    bool running, closed, wished, readable;
    int64_t heard_ns;  /* of the server */
    int64_t lonely_ns; /* when the last subscriber left */
    unsigned failures; /* in a row */
};

/* --- channels --- */

static channel *channel_of(const cv_subscription *s)
{
    return s->channel;
}

static void mark_changed(cv__pg_listener *l, channel *ch)
{
    if (!cv_list_is_linked(&ch->link))
        cv_list_push_back(&l->changed, &ch->link);
}

static void free_channel(cv__pg_listener *l, channel *ch)
{
    (void)cv_map_remove(l->channels, cv_str_of(ch->name));
    cv_list_remove(&ch->link);
    free(ch);
}

static channel *need_channel(cv__pg_listener *l, const char *name)
{
    channel *ch = cv_map_get(l->channels, cv_str_of(name));
    if (ch || !(ch = calloc(1, sizeof *ch)))
        return ch;
    cv_list_init(&ch->link);
    cv_list_init(&ch->subscribers);
    memcpy(ch->name, name, strlen(name) + 1);
    if (cv_map_set(l->channels, cv_str_of(name), ch, NULL) == 0)
        return ch;
    free(ch);
    return NULL;
}

static bool is_wanted(const channel *ch)
{
    return !cv_list_is_empty(&ch->subscribers);
}

static void start_subscription(cv_subscription *s, int result)
{
    cv__waiter *starter = s->starter;
    s->starter = NULL;
    s->started = result == 0;
    if (starter)
        cv__wake(starter, result);
}

/* The server listens from here on. */
static void listening_began(channel *ch)
{
    cv_list_each (at, &ch->subscribers) {
        cv_subscription *s = cv_list_entry(at, cv_subscription, link);
        if (s->started)
            cv__subscription_reconnected(s);
        else
            start_subscription(s, 0);
    }
}

/* --- commands --- */

static void add_command(cv_buf *sql, const channel *ch)
{
    cv_buf_add_text(sql, ch->listened ? "UNLISTEN " : "LISTEN ");
    cv__add_identifier(sql, cv_str_of(ch->name));
    cv_buf_add_char(sql, ';');
}

/* Move channels whose state must change on the server into the batch, with their commands. */
static void gather(cv__pg_listener *l, cv_link *batch, cv_buf *sql)
{
    cv_link *link;
    for (int i = 0; i < BATCH && (link = cv_list_pop_front(&l->changed)); i++) {
        channel *ch = cv_list_entry(link, channel, link);
        if (is_wanted(ch) == ch->listened) {
            if (!is_wanted(ch))
                free_channel(l, ch);
            continue;
        }
        add_command(sql, ch);
        ch->asked = true;
        cv_list_push_back(batch, &ch->link);
    }
}

static void settle(cv__pg_listener *l, cv_link *batch, bool done)
{
    cv_link *link;
    while ((link = cv_list_pop_front(batch))) {
        channel *ch = cv_list_entry(link, channel, link);
        ch->asked = false;
        ch->listened ^= done;
        if (done && ch->listened)
            listening_began(ch);
        if (is_wanted(ch) != ch->listened)
            mark_changed(l, ch);
        else if (!is_wanted(ch))
            free_channel(l, ch);
    }
}

static int tell_some(cv_ctx *cx, cv__pg_listener *l)
{
    cv_link batch;
    cv_buf sql;
    int rc = CV_E_TIMEOUT;
    cv_list_init(&batch);
    cv_buf_init(&sql, 1 << 20);
    gather(l, &batch, &sql);
    if (sql.error) {
        rc = cv_fail(cx, CV_E_NOMEM, "no memory for LISTEN");
    } else if (sql.len == 0) {
        rc = 0;
    } else {
        CV_WITHIN(cx, l->shared->listen_check_ms)
        {
            rc = cv__pg_command(cx, l->conn, sql.data, NULL);
        }
    }
    settle(l, &batch, rc == 0);
    cv_buf_done(&sql);
    return rc;
}

static int tell_wishes(cv_ctx *cx, cv__pg_listener *l)
{
    while (!cv_list_is_empty(&l->changed) && !l->closed) {
        CV_TRY(tell_some(cx, l));
        l->heard_ns = cv_now_ns(cx);
    }
    return 0;
}

/* --- what arrives --- */

static void hand_out_one(cv__pg_listener *l, const PGnotify *notify)
{
    channel *ch = cv_map_get(l->channels, cv_str_of(notify->relname));
    cv__notice *message = ch ? cv__notice_new(notify->be_pid, cv_str_of(notify->extra)) : NULL;
    if (!ch)
        return;
    cv_list_each (at, &ch->subscribers) {
        cv_subscription *s = cv_list_entry(at, cv_subscription, link);
        if (message)
            cv__subscription_push(s, message);
        else
            cv__subscription_dropped(s);
    }
    cv__notice_release(message);
}

static void hand_out(cv__pg_listener *l)
{
    for (PGnotify *notify; (notify = PQnotifies(l->conn->pg)); PQfreemem(notify))
        hand_out_one(l, notify);
}

static int read_news(cv_ctx *cx, cv__pg_listener *l)
{
    if (!l->readable)
        return 0;
    l->readable = false;
    l->heard_ns = cv_now_ns(cx);
    return PQconsumeInput(l->conn->pg) && PQstatus(l->conn->pg) == CONNECTION_OK ? 0 : cv__pg_lost(cx, l->conn);
}

/* --- waiting --- */

static void poke(cv__pg_listener *l)
{
    cv__waiter *idle = l->idle;
    l->idle = NULL;
    if (idle)
        cv__wake(idle, 0);
}

static void on_readable(void *arg, int events)
{
    (void)events;
    cv__pg_listener *l = arg;
    l->readable = true;
    poke(l);
}

/* Until somebody wishes something, the server says something, or an instant comes. */
static int wait_for_news(cv_ctx *cx, cv__pg_listener *l, int64_t until_ns)
{
    int rc = 0;
    cv__waiter idle;
    cv__waiter_init(cx, &idle);
    idle.what = "wait for notifications";
    int64_t former_ns = cv_ctx_set_deadline_ns(cx, until_ns);
    l->idle = &idle;
    if (!l->wished && !l->closed)
        rc = cv__wait(cx, &idle);
    l->idle = NULL;
    l->wished = false;
    cv_ctx_restore_deadline_ns(cx, former_ns);
    if (rc != CV_E_TIMEOUT)
        return rc;
    cv_error_clear(cx);
    return 0;
}

static int wait_for_server(cv_ctx *cx, cv__pg_listener *l, int64_t until_ns)
{
    int rc = cv__poll_call(l->conn->poll, UV_READABLE, on_readable, l);
    return rc < 0 ? cv__fail_uv(cx, rc, "wait for notifications") : wait_for_news(cx, l, until_ns);
}

/* --- one connection --- */

static int ask_for_sign(cv_ctx *cx, cv__pg_listener *l)
{
    int rc = CV_E_TIMEOUT;
    CV_WITHIN(cx, l->shared->listen_check_ms)
    {
        rc = cv__pg_ping(cx, &l->conn->base);
    }
    l->heard_ns = cv_now_ns(cx);
    return rc;
}

static bool is_lonely(const cv__pg_listener *l, int64_t now_ns)
{
    return l->subscriptions == 0 && now_ns - l->lonely_ns >= LINGER_MS * INT64_C(1000000);
}

/* 0 when the connection is not needed any more. */
static int serve(cv_ctx *cx, cv__pg_listener *l)
{
    int64_t check_ns = l->shared->listen_check_ms * 1000000;
    for (;;) {
        CV_TRY(tell_wishes(cx, l));
        hand_out(l);
        if (l->closed || is_lonely(l, cv_now_ns(cx)))
            return 0;
        int64_t until_ns = l->heard_ns + check_ns;
        if (l->subscriptions == 0 && l->lonely_ns + LINGER_MS * INT64_C(1000000) < until_ns)
            until_ns = l->lonely_ns + LINGER_MS * INT64_C(1000000);
        CV_TRY(wait_for_server(cx, l, until_ns));
        CV_TRY(read_news(cx, l));
        if (cv_now_ns(cx) - l->heard_ns >= check_ns)
            CV_TRY(ask_for_sign(cx, l));
    }
}

static int check_session(cv_ctx *cx, const cv__pg_conn *conn)
{
    if (!conn->pooled)
        return 0;
    cv_fail(cx, CV_E_UNSUPPORTED, "cannot listen: the pooler at \"%s\" shares sessions", cv__pg_place(conn));
    cv_error_hint(cx, "open a second database with the URL of the server itself, and listen there; cv_notify works "
                      "through the pooler");
    return CV_E_UNSUPPORTED;
}

static int open_connection(cv_ctx *cx, cv__pg_listener *l)
{
    cv__conn *conn;
    CV_TRY(cv__pg_connect(cx, l->shared, CV__READER, &conn));
    int rc = check_session(cx, cv__pg_conn_of(conn));
    if (rc < 0) {
        cv__pg_disconnect(conn);
        return rc;
    }
    l->conn = cv__pg_conn_of(conn);
    l->heard_ns = cv_now_ns(cx);
    return 0;
}

/* The server has forgotten everything; a channel that nobody wants is forgotten here. */
static void disconnect(cv__pg_listener *l)
{
    size_t position = 0;
    cv_str name;
    void *value;
    if (!l->conn)
        return;
    hand_out(l);
    cv__pg_disconnect(&l->conn->base);
    l->conn = NULL;
    l->readable = false;
    while (cv_map_next(l->channels, &position, &name, &value)) {
        channel *ch = value;
        ch->listened = false;
        if (is_wanted(ch))
            mark_changed(l, ch);
        else
            free_channel(l, ch);
    }
}

static int use_connection(cv_ctx *cx, cv__pg_listener *l)
{
    CV_TRY(open_connection(cx, l));
    if (l->failures > 0)
        CV_LOG_INFO(cx->log, "listening again", CV_F("server", cv__pg_place(l->conn)));
    int rc = serve(cx, l);
    disconnect(l);
    return rc;
}

/* --- the fiber --- */

/* Those who begin are told; those who have begun wait for the next connection. */
static void tell_failure(cv_ctx *cx, cv__pg_listener *l, int code)
{
    cv_list_each (at, &l->changed) {
        channel *ch = cv_list_entry(at, channel, link);
        cv_list_each (one, &ch->subscribers) {
            cv_subscription *s = cv_list_entry(one, cv_subscription, link);
            if (s->starter) {
                (void)cv_error_copy(s->starter->cx, cx);
                start_subscription(s, code);
            }
        }
    }
}

static void note_failure(cv_ctx *cx, cv__pg_listener *l, int code)
{
    const cv_error *error = cv_error_last(cx);
    if (l->failures++ == 0)
        CV_LOG_WARN(cx->log, "could not listen for notifications, or go on with it; trying again",
                    CV_F("server", l->shared->place), CV_F("reason", error ? error->message : cv_error_text(code)));
}

static int64_t choose_pause_ms(const cv__pg_listener *l)
{
    uint64_t random;
    unsigned doublings = l->failures == 0 ? 0 : l->failures < 8 ? l->failures - 1 : 7;
    int64_t longest_ms = (int64_t)FIRST_PAUSE_MS << doublings;
    longest_ms = longest_ms < LONGEST_PAUSE_MS ? longest_ms : LONGEST_PAUSE_MS;
    cv_random_bytes(&random, sizeof random);
    return longest_ms / 2 + (int64_t)(random % (uint64_t)(longest_ms / 2 + 1));
}

/* A newcomer cuts a long pause short. */
static int pause_after_failure(cv_ctx *cx, cv__pg_listener *l)
{
    int64_t now_ns = cv_now_ns(cx), soonest_ns = now_ns + FIRST_PAUSE_MS * INT64_C(1000000);
    int64_t until_ns = now_ns + choose_pause_ms(l) * 1000000;
    while (cv_now_ns(cx) < until_ns && !l->closed && l->subscriptions > 0) {
        CV_TRY(wait_for_news(cx, l, until_ns));
        if (cv_now_ns(cx) < until_ns && l->subscriptions > 0)
            until_ns = until_ns < soonest_ns ? until_ns : soonest_ns;
    }
    return 0;
}

static void close_all(cv__pg_listener *l)
{
    size_t position = 0;
    cv_str name;
    void *value;
    while (cv_map_next(l->channels, &position, &name, &value)) {
        channel *ch = value;
        cv_link *link;
        while ((link = cv_list_pop_front(&ch->subscribers))) {
            cv_subscription *s = cv_list_entry(link, cv_subscription, link);
            l->subscriptions--;
            s->channel = NULL;
            start_subscription(s, s->started ? 0 : CV_E_CLOSED);
            cv__subscription_close(s);
        }
        if (!ch->asked)
            free_channel(l, ch);
    }
}

static bool must_end(const cv__pg_listener *l, int rc)
{
    return l->closed || rc == CV_E_CANCELLED || rc == CV_E_CONTEXT;
}

static int keep_listening(cv_ctx *cx, cv__pg_listener *l)
{
    int rc = 0;
    do {
        CV_SCOPE(cx)
        {
            rc = use_connection(cx, l);
            if (rc < 0 && !must_end(l, rc)) {
                note_failure(cx, l, rc);
                tell_failure(cx, l, rc);
                cv_error_clear(cx);
                rc = pause_after_failure(cx, l);
            }
        }
    } while (!must_end(l, rc) && l->subscriptions > 0);
    return rc;
}

static int run(cv_ctx *cx, void *arg)
{
    cv__pg_listener *l = arg;
    cv__pg_shared *shared = l->shared;
    l->fiber = cx->fiber;
    cv_ctx_restore_deadline_ns(cx, INT64_MAX);
    int rc = l->closed ? CV_E_CLOSED : keep_listening(cx, l);
    if (must_end(l, rc))
        close_all(l);
    cv_error_clear(cx);
    l->fiber = NULL;
    l->running = false;
    l->failures = 0;
    cv__pg_errand_ended(shared);
    return 0;
}

static int start_fiber(cv_ctx *cx, cv__pg_listener *l)
{
    if (l->running)
        return 0;
    if (cv_spawn(l->main, "listen to PostgreSQL", run, l, NULL) < 0) {
        if (l->main != cx)
            cv_error_clear(l->main);
        return cv_fail(cx, CV_E_LIMIT, "could not start the fiber that listens");
    }
    l->running = true;
    l->shared->errands++;
    return 0;
}

/* --- the driver's functions --- */

static cv__pg_listener *need_listener(cv__pg_shared *shared)
{
    if (shared->listener)
        return shared->listener;
    cv__pg_listener *l = calloc(1, sizeof *l);
    if (!l || !(l->channels = cv_map_new(0))) {
        free(l);
        return NULL;
    }
    l->shared = shared;
    cv_list_init(&l->changed);
    shared->listener = l;
    return l;
}

static void wish(cv__pg_listener *l, channel *ch)
{
    mark_changed(l, ch);
    l->wished = true;
    poke(l);
}

static int join(cv_ctx *cx, cv__pg_listener *l, cv_subscription *s)
{
    channel *ch = need_channel(l, s->name);
    if (!ch)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a channel");
    cv_list_push_back(&ch->subscribers, &s->link);
    s->channel = ch;
    l->subscriptions++;
    s->started = ch->listened && !ch->asked;
    if (!s->started)
        wish(l, ch);
    return 0;
}

static int start_listening(cv_ctx *cx, void *shared, cv_subscription *s)
{
    cv__pg_listener *l = need_listener(shared);
    if (!l)
        return cv_fail(cx, CV_E_NOMEM, "no memory for notifications");
    if (l->closed)
        return cv_fail(cx, CV_E_CLOSED, "the database was closed");
    l->main = cv__main_ctx(cx);
    CV_TRY(join(cx, l, s));
    CV_TRY(start_fiber(cx, l));
    if (s->started)
        return 0;
    cv__waiter starter;
    cv__waiter_init(cx, &starter);
    starter.what = "listen";
    s->starter = &starter;
    int rc = cv__wait(cx, &starter);
    s->starter = NULL;
    return rc == CV_E_CLOSED && !cv_error_last(cx) ? cv_fail(cx, rc, "the database was closed") : rc;
}

static void stop_listening(void *shared, cv_subscription *s)
{
    cv__pg_listener *l = ((cv__pg_shared *)shared)->listener;
    channel *ch = channel_of(s);
    if (!ch)
        return;
    cv_list_remove(&s->link);
    s->channel = NULL;
    if (--l->subscriptions == 0)
        l->lonely_ns = cv__loop_now_ns(l->main);
    if (!is_wanted(ch))
        wish(l, ch);
}

void cv__pg_listener_close(cv__pg_shared *shared)
{
    cv__pg_listener *l = shared->listener;
    if (!l)
        return;
    l->closed = true;
    close_all(l);
    if (l->fiber)
        cv_cancel(l->fiber);
}

void cv__pg_listener_free(cv__pg_listener *l)
{
    if (!l)
        return;
    close_all(l);
    cv_map_free(l->channels);
    free(l);
}

const cv__notify_driver cv__pg_notify = {
    /* pg_notify's own result has no type */
    .send_sql = "SELECT 1 FROM pg_catalog.pg_notify($1, $2)",
    .listen = start_listening,
    .unlisten = stop_listening,
};
