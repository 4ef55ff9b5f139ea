#include "db/transaction/watch.h"

#include "base/ctx.h"
#include "db/db.h"
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <stdlib.h>

/* How long after its deadline a transaction is left to its fiber, and what taking it away may take. */
enum { GRACE_MS = 50, MAX_CURSORS = 32 };

static void on_due(cv__timer *timer);

static int64_t threshold_ns(int64_t ms)
{
    return ms < 0 ? INT64_MAX : ms * 1000000;
}

static void get_metrics(cv_metrics *metrics, cv__tx_watch *watch)
{
    static const char name[] = "covet_db_transactions_total";
    static const char help[] = "Transactions that ended, by what became of them.";
    watch->outcomes[CV_TX_COMMITTED] = cv_counter_get(metrics, name, help, "outcome=\"committed\"");
    watch->outcomes[CV_TX_ROLLED_BACK] = cv_counter_get(metrics, name, help, "outcome=\"rolled_back\"");
    watch->outcomes[CV_TX_UNKNOWN] = cv_counter_get(metrics, name, help, "outcome=\"unknown\"");
    watch->savepoints = cv_counter_get(metrics, "covet_db_savepoints_total", "Inner atomic blocks.", NULL);
    watch->too_long = cv_counter_get(metrics, "covet_db_transactions_long_total",
                                     "Transactions that were open longer than long_transaction.", NULL);
    watch->too_idle = cv_counter_get(metrics, "covet_db_transactions_idle_total",
                                     "Transactions that ran no statement for longer than idle_transaction.", NULL);
    watch->expired = cv_counter_get(metrics, "covet_db_transactions_expired_total",
                                    "Transactions taken from fibers that did not come back at their deadline.", NULL);
    (void)cv__retries_counter(metrics, CV_E_SERIALIZATION); /* shown from the beginning */
    watch->retries_refused =
        cv_counter_get(metrics, "covet_db_retries_refused_total", "Further attempts beyond the budget.", NULL);
    watch->gauge = cv_gauge_get(metrics, "covet_db_transactions_open", "Transactions that are open.", NULL);
    watch->duration = cv_histogram_get(metrics, "covet_db_transaction_duration_seconds",
                                       "From the first statement of a transaction to its end.", NULL, cv_latency_bounds,
                                       cv_latency_bound_count);
}

void cv__tx_watch_init(cv_ctx *cx, cv__tx_watch *watch, const cv_db_options *options)
{
    *watch = (cv__tx_watch){
        .main = cv__main_ctx(cx),
        .timer.fire = on_due,
        .long_ns = threshold_ns(options->long_transaction_ms),
        .idle_ns = threshold_ns(options->idle_transaction_ms),
    };
    cv_list_init(&watch->open);
    if (cx->metrics)
        get_metrics(cx->metrics, watch);
}

void cv__tx_watch_done(cv__tx_watch *watch)
{
    if (watch->main)
        cv__timer_stop(watch->main, &watch->timer);
}

static struct cv_tx *tx_of(cv_link *link)
{
    return cv_list_entry(link, struct cv_tx, watched.link);
}

static int64_t later(int64_t since_ns, int64_t by_ns)
{
    return by_ns == INT64_MAX || since_ns == INT64_MAX ? INT64_MAX : since_ns + by_ns;
}

/* A shield, or a deadline that was moved, is respected. */
static int64_t gives_up_ns(const cv__watched *w)
{
    int64_t now_has_ns = cv_ctx_deadline_ns(w->cx);
    int64_t until_ns = now_has_ns > w->deadline_ns ? now_has_ns : w->deadline_ns;
    return later(until_ns, GRACE_MS * INT64_C(1000000));
}

static int64_t due_ns(const cv__tx_watch *watch, const cv__watched *w)
{
    int64_t due = gives_up_ns(w);
    int64_t long_at = w->told_long ? INT64_MAX : later(w->began_ns, watch->long_ns);
    int64_t idle_at = w->told_idle ? INT64_MAX : later(w->active_ns, watch->idle_ns);
    due = long_at < due ? long_at : due;
    return idle_at < due ? idle_at : due;
}

static void arm(cv__tx_watch *watch, int64_t at_ns)
{
    if (at_ns != INT64_MAX && (!watch->timer.armed || at_ns < watch->timer.at_ns))
        cv__timer_start(watch->main, &watch->timer, at_ns);
}

/* ---- telling ---- */

static void tell(const struct cv_tx *root, const char *event, int64_t now_ns)
{
    const cv__watched *w = &root->watched;
    CV_LOG_WARN(w->cx->log, event, CV_F("fiber", cv_fiber_name(w->cx)),
                CV_F("open_ms", (now_ns - w->began_ns) / 1000000),
                CV_F("idle_ms", w->busy ? INT64_C(0) : (now_ns - w->active_ns) / 1000000),
                CV_F("statements", (int64_t)w->statements), CV_F("last_sql", (const char *)w->sql));
}

static void look_at_times(const cv__tx_watch *watch, struct cv_tx *root, int64_t now_ns)
{
    cv__watched *w = &root->watched;
    if (!w->told_long && now_ns >= later(w->began_ns, watch->long_ns)) {
        w->told_long = true;
        cv_counter_add(watch->too_long, 1);
        tell(root, "long transaction", now_ns);
    }
    if (w->told_idle || now_ns < later(w->active_ns, watch->idle_ns))
        return;
    if (w->busy) {
        w->active_ns = now_ns;
        return;
    }
    w->told_idle = true;
    cv_counter_add(watch->too_idle, 1);
    tell(root, "idle transaction", now_ns);
}

/* ---- taking away ---- */

/* What was taken: nothing of it is the fiber's any more. */
typedef struct seized {
    cv_db *db;
    cv__conn *conn;
    cv__cursor *cursors[MAX_CURSORS];
    size_t cursor_count;
} seized;

static void roll_back(cv_ctx *cx, const seized *taken)
{
    cv__conn *conn = taken->conn;
    const cv__driver *driver = conn->driver;
    if (taken->cursor_count > MAX_CURSORS)
        conn->broken = true; /* cursors that nobody has go with the connection */
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        for (size_t i = 0; !conn->broken && i < taken->cursor_count; i++)
            driver->finish(cx, taken->cursors[i]);
        if (conn->in_transaction && !conn->broken && driver->rollback(cx, conn) < 0)
            conn->broken = true;
    }
}

static int clean_up(cv_ctx *cx, void *arg)
{
    seized *taken = arg;
    roll_back(cx, taken);
    cv__pool_release(cx, taken->conn);
    cv__db_unref(taken->db);
    free(taken);
    return 0;
}

static bool can_be_seized(const struct cv_tx *root, int64_t now_ns)
{
    const cv__watched *w = &root->watched;
    return !w->busy && root->base == 0 && root->conn && !root->conn->revoked && now_ns >= gives_up_ns(w);
}

static void seize(cv__tx_watch *watch, struct cv_tx *root)
{
    seized *taken = calloc(1, sizeof *taken);
    if (!taken)
        return; /* next time */
    taken->db = root->db;
    taken->conn = root->conn;
    taken->cursor_count = cv__tx_cut_streams(root, taken->cursors, MAX_CURSORS);
    root->conn = NULL;
    root->lost = true;
    root->watched.expired = true;
    cv_counter_add(watch->expired, 1);
    cv__tx_watch_remove(root, CV_TX_ROLLED_BACK);
    cv__db_ref(taken->db);
    if (cv__run_now(watch->main, "transaction clean-up", clean_up, taken) == 0)
        return;
    cv_error_clear(watch->main);
    taken->conn->broken = true; /* without a fiber there is no waiting */
    clean_up(watch->main, taken);
}

static void look_at(cv__tx_watch *watch, struct cv_tx *root, int64_t now_ns)
{
    look_at_times(watch, root, now_ns);
    if (!can_be_seized(root, now_ns))
        return;
    tell(root, "transaction taken from its fiber: its deadline has passed", now_ns);
    seize(watch, root);
}

static void on_due(cv__timer *timer)
{
    cv__tx_watch *watch = cv_list_entry(timer, cv__tx_watch, timer);
    int64_t now_ns = cv_now_ns(watch->main), next_ns = INT64_MAX;
    cv_list_each (at, &watch->open) {
        look_at(watch, tx_of(at), now_ns);
    }
    cv_list_each (left, &watch->open) {
        int64_t due = due_ns(watch, &tx_of(left)->watched);
        if (due <= now_ns)
            due = now_ns + GRACE_MS * INT64_C(1000000); /* in a statement, which the driver ends */
        next_ns = due < next_ns ? due : next_ns;
    }
    arm(watch, next_ns);
}

/* ---- what transactions tell ---- */

void cv__tx_watch_add(cv_ctx *cx, struct cv_tx *root)
{
    cv__tx_watch *watch = &root->db->watch;
    cv__watched *w = &root->watched;
    w->cx = cx;
    w->began_ns = w->active_ns = cv__loop_now_ns(cx);
    w->deadline_ns = root->deadline_ns;
    cv_list_push_back(&watch->open, &w->link);
    cv_gauge_add(watch->gauge, 1);
    arm(watch, due_ns(watch, w));
}

void cv__tx_watch_remove(struct cv_tx *root, cv_tx_outcome outcome)
{
    cv__tx_watch *watch = &root->db->watch;
    cv__watched *w = &root->watched;
    if (!w->link.next || !cv_list_is_linked(&w->link))
        return;
    cv_list_remove(&w->link);
    cv_gauge_add(watch->gauge, -1);
    cv_counter_add(watch->outcomes[outcome], 1);
    cv_histogram_observe(watch->duration, (double)(cv__loop_now_ns(watch->main) - w->began_ns) / 1e9);
    if (cv_list_is_empty(&watch->open))
        cv__timer_stop(watch->main, &watch->timer);
}

void cv__tx_work_begin(struct cv_tx *root)
{
    root->watched.busy++;
}

void cv__tx_work_end(const cv_ctx *cx, struct cv_tx *root)
{
    cv__watched *w = &root->watched;
    w->busy--;
    w->active_ns = cv__loop_now_ns(cx);
    if (!w->told_idle)
        return;
    w->told_idle = false; /* what was idle and works again may become idle again */
    if (w->link.next && cv_list_is_linked(&w->link))
        arm(&root->db->watch, later(w->active_ns, root->db->watch.idle_ns));
}

void cv__tx_note_sql(struct cv_tx *root, cv_str sql)
{
    cv__watched *w = &root->watched;
    size_t len = sql.len < sizeof w->sql - 1 ? sql.len : sizeof w->sql - 1;
    memcpy(w->sql, sql.ptr, len);
    w->sql[len] = '\0';
    w->statements++;
}

/* ---- for people ---- */

int cv_transactions_open(cv_ctx *cx, const cv_open_transaction **ret_list, size_t *ret_count)
{
    cv_db *db = cv__db_need(cx);
    if (!db)
        return CV_E_NO_DATABASE;
    size_t capacity = 0, count = 0;
    cv_list_each (at, &db->watch.open) {
        capacity++;
    }
    cv_open_transaction *list = cv_zalloc(cx, capacity + 1, sizeof *list);
    if (!list)
        return CV_E_NOMEM;
    int64_t now_ns = cv_now_ns(cx);
    cv_list_each (entry, &db->watch.open) {
        const cv__watched *w = &tx_of(entry)->watched;
        list[count++] = (cv_open_transaction){
            .fiber = cv_fiber_name(w->cx),
            .open_ms = (now_ns - w->began_ns) / 1000000,
            .idle_ms = w->busy ? 0 : (now_ns - w->active_ns) / 1000000,
            .statements = w->statements,
            .last_sql = cv_strdup(cx, w->sql),
        };
    }
    *ret_list = list;
    *ret_count = count;
    return 0;
}
