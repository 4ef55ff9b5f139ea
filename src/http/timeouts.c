/* Time limits of connections. Every kind has one duration, so its list is sorted by itself: entering and leaving are
 * constant. One timer serves all lists. It is only ever moved to an earlier instant; when it fires and nothing is due
 * because the connections moved on meanwhile, it is set for the first one that is left. So a busy connection does not
 * touch the timer at all. */
#include "http/connection.h"

static cv__connection *first_of(struct cv_server *server, cv__timeout_kind kind)
{
    cv_link *list = &server->timeouts[kind];
    return cv_list_is_empty(list) ? NULL : cv_list_entry(list->next, cv__connection, timeout);
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct cv_server *server, uint64_t due_ms)
{
    uint64_t now_ms = uv_now(server->timer.loop);
    server->timer_due_ms = due_ms;
    uv_timer_start(&server->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct cv_server *server = timer->data;
    uint64_t now_ms = uv_now(timer->loop), next_ms = UINT64_MAX;
    for (int kind = 0; kind < CV__TIMEOUT_KINDS; kind++) {
        cv__connection *first;
        while ((first = first_of(server, kind)) && first->timeout_at_ms <= now_ms) {
            cv_list_remove(&first->timeout);
            cv__connection_expired(first, kind);
        }
    }
    for (int kind = 0; kind < CV__TIMEOUT_KINDS; kind++) {
        cv__connection *first = first_of(server, kind);
        if (first && first->timeout_at_ms < next_ms)
            next_ms = first->timeout_at_ms;
    }
    server->timer_due_ms = UINT64_MAX;
    if (next_ms != UINT64_MAX)
        set_timer(server, next_ms);
}

void cv__timeouts_init(struct cv_server *server)
{
    const cv_server_options *options = &server->options;
    server->durations_ms[CV__TIMEOUT_IDLE] = (uint64_t)options->idle_timeout_ms;
    server->durations_ms[CV__TIMEOUT_HEADER] = (uint64_t)options->header_timeout_ms;
    server->durations_ms[CV__TIMEOUT_BODY] = (uint64_t)options->body_timeout_ms;
    server->durations_ms[CV__TIMEOUT_WRITE] = (uint64_t)options->write_timeout_ms;
    server->durations_ms[CV__TIMEOUT_LINGER] = 2000;
    for (int kind = 0; kind < CV__TIMEOUT_KINDS; kind++)
        cv_list_init(&server->timeouts[kind]);
    server->timer_due_ms = UINT64_MAX;
}

void cv__timeout_set(cv__connection *connection, cv__timeout_kind kind)
{
    struct cv_server *server = connection->server;
    cv_list_remove(&connection->timeout);
    connection->timeout_kind = kind;
    connection->timeout_at_ms = uv_now(connection->tcp.loop) + server->durations_ms[kind];
    cv_list_push_back(&server->timeouts[kind], &connection->timeout);
    if (connection->timeout_at_ms < server->timer_due_ms)
        set_timer(server, connection->timeout_at_ms);
}

void cv__timeout_clear(cv__connection *connection)
{
    cv_list_remove(&connection->timeout);
}
