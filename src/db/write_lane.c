/* The lane of writes that share commits.
 *
 * States of a write, and the list that it is in:
 *     QUEUED    in lane->queue: it may leave, nothing was written
 *     RUNNING   in no list: its statement is under way, its parameters are being read
 *     RAN       in the group: it waits for the commit; it may leave without knowing the outcome
 *     ANSWERED  in no list; `rc`, `result` and `alone` hold */
#include "db/write_lane.h"

#include "base/ctx.h"
#include "db/db.h"
#include "rt/wait.h"
#include <covet/fiber.h>
#include <covet/runtime.h>

static const char run_it[] = "run the statement";

/* A commit is neither cancelled nor timed out; the last is only a number. */
enum { GROUP_MOST = 256, COMMIT_MS = 86400000 };

enum { GROUP_NS = 10000000, STATEMENT_MS = 50 };
/* A long statement runs alone from then on, for so long. */
#define LONER_NS (INT64_C(10) * 1000000000)

enum state { QUEUED, RUNNING, RAN, ANSWERED };

typedef struct queued_write {
    cv_link link;
    cv__waiter wait;
    const cv__statement *statement;
    uint64_t number;
    enum state state;
    bool alone;
    bool leaving; /* its caller waits for nothing but the end of the statement */
    int rc;
    cv_result result;
    cv_ctx *story; /* of a failure, until the caller takes it; NULL with a failure: it could not be kept */
} queued_write;

void cv__write_lane_init(cv__write_lane *lane)
{
    *lane = (cv__write_lane){.group_ns = GROUP_NS, .statement_ms = STATEMENT_MS};
    cv_list_init(&lane->queue);
}

/* ---- statements that do not fit into a group ---- */

static bool is_loner(const cv__write_lane *lane, uint64_t hash, int64_t now_ns)
{
    size_t at = hash % (sizeof lane->loners / sizeof lane->loners[0]);
    return lane->loners[at].hash == hash && now_ns < lane->loners[at].until_ns;
}

static void note_loner(cv__write_lane *lane, uint64_t hash, int64_t now_ns)
{
    size_t at = hash % (sizeof lane->loners / sizeof lane->loners[0]);
    lane->loners[at].hash = hash;
    lane->loners[at].until_ns = now_ns + LONER_NS;
}

/* Too long, or made to take everything with it; a full disk is nobody's fault. */
static bool is_own_fault(int code)
{
    return code == CV_E_TIMEOUT || code == CV_E_UNIQUE || code == CV_E_CHECK || code == CV_E_NOT_NULL ||
           code == CV_E_FOREIGN_KEY;
}

/* ---- the lane's fiber ---- */

static void answer(queued_write *w)
{
    w->state = ANSWERED;
    cv__wake(&w->wait, 0);
}

static void answer_alone(queued_write *w)
{
    w->alone = true;
    if (w->story) {
        cv_ctx_free(w->story);
        w->story = NULL;
    }
    answer(w);
}

/* Keep the story of a failure, which lies in the lane's context, for the caller. */
static void keep_story(cv_ctx *cx, queued_write *w, int rc)
{
    w->rc = rc;
    w->story = cv_ctx_new(0);
    if (w->story)
        cv_error_copy(w->story, cx);
}

static queued_write *first_of(cv_link *list)
{
    cv_link *link = cv_list_pop_front(list);
    return link ? cv_list_entry(link, queued_write, link) : NULL;
}

/* No group came about. Those that came later have a try of their own. */
static void fail_waiting(cv_ctx *cx, cv__write_lane *lane, uint64_t last, int rc)
{
    cv_list_each (at, &lane->queue) {
        queued_write *w = cv_list_entry(at, queued_write, link);
        if (w->number > last)
            break;
        cv_list_remove(&w->link);
        keep_story(cx, w, rc);
        answer(w);
    }
    cv_error_clear(cx);
}

/* The statement has ended: it waits with its group, unless its caller only waited for this. */
static void put_in_group(queued_write *w, cv_link *group)
{
    w->state = RAN;
    if (w->leaving)
        answer(w);
    else
        cv_list_push_back(group, &w->link);
}

/* False when the group is lost. A statement without an end is stopped, which takes the group with it: then it runs
 * alone, under its caller's deadline. */
static bool run_one(cv_ctx *cx, cv__write_lane *lane, cv__conn *conn, queued_write *w, cv_link *group)
{
    int rc = 0;
    w->state = RUNNING;
    CV_WITHIN(cx, lane->statement_ms)
    {
        rc = conn->driver->run_grouped(cx, conn, w->statement, &w->result);
    }
    if (rc < 0)
        keep_story(cx, w, rc);
    cv_error_clear(cx);
    if (rc > 0)
        answer_alone(w);
    else
        put_in_group(w, group);
    bool lost = conn->broken || !conn->in_transaction;
    if (lost && is_own_fault(rc))
        note_loner(lane, w->statement->hash, cv_now_ns(cx));
    return !lost;
}

/* False when the group is lost; those that have not begun stay in the queue. */
static bool run_waiting(cv_ctx *cx, cv__write_lane *lane, cv__conn *conn, cv_link *group)
{
    int64_t until_ns = cv_now_ns(cx) + lane->group_ns;
    queued_write *w;
    for (int count = 0; count < GROUP_MOST && (w = first_of(&lane->queue)); count++) {
        lane->grouped_total++;
        if (!run_one(cx, lane, conn, w, group))
            return false;
        if (cv_now_ns(cx) >= until_ns)
            break;
    }
    return true;
}

static void roll_back(cv_ctx *cx, cv__conn *conn)
{
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        if (!conn->broken && conn->in_transaction && conn->driver->rollback(cx, conn) < 0)
            conn->broken = true;
    }
    cv_error_clear(cx);
}

/* Whether it is known that nothing of the group was written. */
static bool is_undone(int commit_rc)
{
    return commit_rc != CV_E_COMMIT_UNKNOWN && commit_rc != CV_E_CONNECTION_LOST;
}

static void answer_group(cv_ctx *cx, cv_link *group, bool lost, int unknown)
{
    queued_write *w;
    while ((w = first_of(group))) {
        if (unknown < 0 && w->rc == 0)
            keep_story(cx, w, unknown);
        if (lost)
            answer_alone(w);
        else
            answer(w);
    }
}

/* The transaction is open. */
static void run_group(cv_ctx *cx, cv__write_lane *lane, cv__conn *conn)
{
    cv_link group;
    cv_list_init(&group);
    int rc = 0;
    bool lost = !run_waiting(cx, lane, conn, &group);
    if (!lost) {
        CV_SHIELD(cx, COMMIT_MS)
        {
            rc = conn->driver->commit(cx, conn);
        }
        lost = rc < 0 && is_undone(rc);
    }
    lane->groups_total++;
    lane->lost_total += lost;
    answer_group(cx, &group, lost, lost ? 0 : rc);
    cv_error_clear(cx);
    roll_back(cx, conn);
}

/* One group of those that wait. The writer is taken each time anew, in line with transactions. */
static void serve(cv_ctx *cx, cv_db *db)
{
    static const cv_tx_options writing;
    cv__write_lane *lane = &db->lane;
    cv__conn *conn;
    uint64_t last = lane->arrived;
    int rc = cv__pool_acquire(cx, cv__db_pool(db, CV__WRITER), &conn);
    if (rc < 0) {
        fail_waiting(cx, lane, last, rc);
        return;
    }
    last = lane->arrived;
    if (!cv_list_is_empty(&lane->queue)) {
        rc = conn->driver->begin(cx, conn, &writing);
        if (rc < 0)
            fail_waiting(cx, lane, last, rc);
        else
            run_group(cx, lane, conn);
    }
    cv__pool_release(cx, conn);
}

static int run_lane(cv_ctx *cx, void *arg)
{
    cv_db *db = arg;
    cx->deadline_ns = INT64_MAX; /* not that of the caller who started it */
    while (!cv_list_is_empty(&db->lane.queue))
        serve(cx, db);
    db->lane.running = false;
    cv__db_unref(db);
    return 0;
}

/* ---- the caller ---- */

bool cv__write_lane_takes(const cv_ctx *cx, const cv_db *db, const cv__statement *statement)
{
    if (!statement->groupable || statement->rows || !db->driver->run_grouped || db->writers.max == 0 || cx->tx ||
        db->sandbox)
        return false;
    /* the main context is alone as long as no fiber writes */
    if (!cx->fiber && !db->lane.running)
        return false;
    return !cv__pool_is_lent_to(&db->writers, cx) && !is_loner(&db->lane, statement->hash, cv__loop_now_ns(cx));
}

static bool start_lane(cv_ctx *cx, cv_db *db)
{
    if (db->lane.running)
        return true;
    if (cv_spawn(cx, "write lane", run_lane, db, NULL) < 0)
        return false;
    db->lane.running = true;
    cv__db_ref(db);
    return true;
}

/* The wait ended early, with a story. Returns whether the write was answered after all. */
static bool wait_for_the_rest(cv_ctx *cx, queued_write *w)
{
    if (w->state == QUEUED) {
        cv_list_remove(&w->link);
        return false;
    }
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        (void)!cv__wait(cx, &w->wait);
    }
    if (w->state == ANSWERED)
        return true;
    if (w->state == RUNNING) {
        w->leaving = true;
        (void)cv__wait_uninterruptible(cx, &w->wait);
    } else {
        cv_list_remove(&w->link);
    }
    return false;
}

static int fail_unknown(cv_ctx *cx)
{
    cv_fail(cx, CV_E_COMMIT_UNKNOWN, "the wait for the commit of the statement ended before it was known");
    cv_error_hint(cx, "look whether the row is there before writing it again, or give the request more time");
    return CV_E_COMMIT_UNKNOWN;
}

/* The early end is told only when the write did not end all the same. */
static void forget_early_end(cv_ctx *cx, bool had_error, bool tx_marked)
{
    if (!had_error)
        cv_error_clear(cx);
    cx->tx_marked = tx_marked;
}

static int take_answer(cv_ctx *cx, queued_write *w, cv_result *ret_result)
{
    if (w->rc == 0) {
        *ret_result = w->result;
        return 0;
    }
    if (w->story)
        cv_error_copy(cx, w->story);
    else
        cv_fail(cx, w->rc, "could not run the statement: %s", cv_error_text(w->rc));
    return w->rc;
}

static int wait_for_answer(cv_ctx *cx, cv__write_lane *lane, queued_write *w, cv_result *ret_result)
{
    bool had_error = cx->error_code != 0, tx_marked = cx->tx_marked;
    int early = cv__wait(cx, &w->wait);
    if (early < 0) {
        bool answered = wait_for_the_rest(cx, w);
        lane->left_total += !answered;
        if (!answered)
            return w->state == QUEUED || w->rc < 0 ? early : fail_unknown(cx);
        forget_early_end(cx, had_error, tx_marked);
    }
    return w->alone ? 0 : take_answer(cx, w, ret_result);
}

int cv__write_lane_run(cv_ctx *cx, cv_db *db, const cv__statement *statement, cv_result *ret_result, bool *ret_alone)
{
    cv__write_lane *lane = &db->lane;
    CV_TRY(cv__wait_check(cx, run_it));
    *ret_alone = true;
    if (!start_lane(cx, db)) {
        cv_error_clear(cx);
        return 0;
    }
    queued_write w = {.statement = statement, .number = ++lane->arrived};
    cv__waiter_init(cx, &w.wait);
    w.wait.what = run_it;
    cv_list_push_back(&lane->queue, &w.link);
    int rc = wait_for_answer(cx, lane, &w, ret_result);
    *ret_alone = w.alone;
    cv_ctx_free(w.story);
    return rc;
}
