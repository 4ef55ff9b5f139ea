/* Time limits of connections. Every kind has one duration, so its list is sorted by itself: entering and leaving are
 * constant. One timer on the runtime's clock serves all lists. It is only ever moved to an earlier instant; when it
 * fires and nothing is due because the connections moved on meanwhile, it is set for the first one that is left. So a
 * busy connection does not touch the timer at all. */
#include "http/connection.h"

static cv__limit *limit_of(cv__connection *connection, cv__timeout_kind kind)
{
    return kind == CV__TIMEOUT_WRITE ? &connection->writing : &connection->waiting;
}

static cv__limit *first_of(struct cv_server *server, cv__timeout_kind kind)
{
    cv_link *list = &server->timeouts[kind];
    return cv_list_is_empty(list) ? NULL : cv_list_entry(list->next, cv__limit, link);
}

static cv__connection *owner_of(cv__limit *limit, cv__timeout_kind kind)
{
    return kind == CV__TIMEOUT_WRITE ? cv_list_entry(limit, cv__connection, writing)
                                     : cv_list_entry(limit, cv__connection, waiting);
}

static void set_timer(struct cv_server *server, int64_t due_ns)
{
    server->timer_due_ns = due_ns;
    cv__timer_start(server->main, &server->timer, due_ns);
}

static void on_timer(cv__timer *timer)
{
    struct cv_server *server = cv_list_entry(timer, struct cv_server, timer);
    int64_t now_ns = cv__loop_now_ns(server->main), next_ns = INT64_MAX;
    server->timer_due_ns = now_ns; /* nobody sets it meanwhile */
    for (int kind = 0; kind < CV__TIMEOUT_KINDS; kind++) {
        cv__limit *first;
        while ((first = first_of(server, kind)) && first->at_ns <= now_ns) {
            cv_list_remove(&first->link);
            cv__connection_expired(owner_of(first, kind), kind);
        }
    }
    for (int kind = 0; kind < CV__TIMEOUT_KINDS; kind++) {
        const cv__limit *first = first_of(server, kind);
        if (first && first->at_ns < next_ns)
            next_ns = first->at_ns;
    }
    server->timer_due_ns = INT64_MAX;
    if (next_ns != INT64_MAX)
        set_timer(server, next_ns);
}

void cv__timeouts_init(struct cv_server *server)
{
    const cv_server_options *options = &server->options;
    const int64_t durations_ms[CV__TIMEOUT_KINDS] = {
        [CV__TIMEOUT_IDLE] = options->idle_timeout_ms,
        [CV__TIMEOUT_HEADER] = options->header_timeout_ms,
        [CV__TIMEOUT_BODY] = options->body_timeout_ms,
        [CV__TIMEOUT_WRITE] = options->write_timeout_ms,
        [CV__TIMEOUT_LINGER] = 2000,
    };
    for (int kind = 0; kind < CV__TIMEOUT_KINDS; kind++) {
        server->durations_ns[kind] = durations_ms[kind] * 1000000;
        cv_list_init(&server->timeouts[kind]);
    }
    server->timer.fire = on_timer;
    server->timer_due_ns = INT64_MAX;
}

void cv__timeouts_done(struct cv_server *server)
{
    cv__timer_stop(server->main, &server->timer);
}

void cv__timeout_set(cv__connection *connection, cv__timeout_kind kind)
{
    struct cv_server *server = connection->server;
    cv__limit *limit = limit_of(connection, kind);
    cv_list_remove(&limit->link);
    if (kind != CV__TIMEOUT_WRITE)
        connection->waiting_kind = kind;
    limit->at_ns = cv__loop_now_ns(server->main) + server->durations_ns[kind];
    cv_list_push_back(&server->timeouts[kind], &limit->link);
    if (limit->at_ns < server->timer_due_ns)
        set_timer(server, limit->at_ns);
}
