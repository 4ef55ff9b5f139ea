/* The anomalies of each isolation level (Berenson et al., "A Critique of ANSI SQL Isolation Levels", 1995; Fekete,
 * O'Neil, O'Neil, "A Read-Only Transaction Anomaly Under Snapshot Isolation", 2004), shown by real sessions. What is
 * seen must be a line of docs/engines.md.
 *
 * The transaction under test runs here, the others in fibers of their own, each to its end at the moment where it would
 * hurt. One that has to wait for ours is given up after a while: then the anomaly is prevented by waiting. */
#include "conformance.h"

#define PATIENCE_MS 150

typedef struct trial {
    suite *s;
    cv_isolation level;
    bool seen; /* the anomaly */
} trial;

static int stock(cv_ctx *cx, int id, int64_t *ret_stock)
{
    cv_value value;
    CV_TRY(cv_scalar(cx, &value, "SELECT stock FROM books WHERE id = ?", id));
    *ret_stock = value.as.i64;
    return 0;
}

static int total_stock(cv_ctx *cx, int64_t *ret_total)
{
    cv_value value;
    CV_TRY(cv_scalar(cx, &value, "SELECT CAST(SUM(stock) AS INTEGER) FROM books"));
    *ret_total = value.as.i64;
    return 0;
}

static int set_stock(cv_ctx *cx, int id, int64_t value)
{
    return cv_exec(cx, NULL, "UPDATE books SET stock = ? WHERE id = ?", value, id);
}

#define BEGIN(t, only_read) CV_ATOMIC_WITH(cx, (&(cv_tx_options){.isolation = (t)->level, .read_only = (only_read)}))

/* ---- what the others do ---- */

static int write_one(cv_ctx *cx, void *arg)
{
    trial *t = arg;
    CV_WITHIN(cx, PATIENCE_MS)
    {
        BEGIN(t, false)
        {
            int64_t old;
            CV_TRY(stock(cx, 1, &old));
            CV_TRY(set_stock(cx, 1, old + 10));
        }
    }
    return 0;
}

static int insert_one(cv_ctx *cx, void *arg)
{
    trial *t = arg;
    CV_WITHIN(cx, PATIENCE_MS)
    {
        BEGIN(t, false)
        {
            CV_TRY(add(cx, 99));
        }
    }
    return 0;
}

/* Both may not become 0: this one takes the second. */
static int take_second(cv_ctx *cx, void *arg)
{
    trial *t = arg;
    CV_WITHIN(cx, PATIENCE_MS)
    {
        BEGIN(t, false)
        {
            int64_t total;
            CV_TRY(total_stock(cx, &total));
            if (total > 1)
                CV_TRY(set_stock(cx, 2, 0));
        }
    }
    return 0;
}

static int look_at_first(cv_ctx *cx, void *arg)
{
    trial *t = arg;
    CV_WITHIN(cx, PATIENCE_MS)
    {
        BEGIN(t, true)
        {
            int64_t first;
            CV_TRY(stock(cx, 1, &first));
            t->seen = first != 1;
        }
    }
    return 0;
}

static int deposit(cv_ctx *cx, void *arg)
{
    trial *t = arg;
    CV_WITHIN(cx, PATIENCE_MS)
    {
        BEGIN(t, false)
        {
            CV_TRY(set_stock(cx, 2, 20));
        }
    }
    return 0;
}

static int report(cv_ctx *cx, void *arg)
{
    trial *t = arg;
    CV_WITHIN(cx, PATIENCE_MS)
    {
        BEGIN(t, true)
        {
            int64_t first, total;
            CV_TRY(stock(cx, 1, &first));
            CV_TRY(total_stock(cx, &total));
            t->seen = first == 1 && total == 21;
        }
    }
    return 0;
}

/* ---- the anomalies: 0 with t->seen, or the error with which the engine prevents it ---- */

static int dirty_read(cv_ctx *cx, trial *t)
{
    BEGIN(t, false)
    {
        CV_TRY(set_stock(cx, 1, 7));
        (void)in_other_session(t->s, look_at_first, t);
        CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static int non_repeatable_read(cv_ctx *cx, trial *t)
{
    BEGIN(t, false)
    {
        int64_t first, second;
        CV_TRY(stock(cx, 1, &first));
        (void)in_other_session(t->s, write_one, t);
        CV_TRY(stock(cx, 1, &second));
        t->seen = second != first;
    }
    return 0;
}

static int phantom(cv_ctx *cx, trial *t)
{
    BEGIN(t, false)
    {
        int64_t first = count(t->s, "books");
        (void)in_other_session(t->s, insert_one, t);
        t->seen = count(t->s, "books") != first;
    }
    return 0;
}

static int lost_update(cv_ctx *cx, trial *t)
{
    bool other = false;
    BEGIN(t, false)
    {
        int64_t old;
        CV_TRY(stock(cx, 1, &old));
        other = in_other_session(t->s, write_one, t) == 0;
        CV_TRY(set_stock(cx, 1, old + 1));
    }
    int64_t left;
    CV_TRY(stock(cx, 1, &left));
    t->seen = other && left == 2;
    return 0;
}

static int write_skew(cv_ctx *cx, trial *t)
{
    int64_t total;
    BEGIN(t, false)
    {
        CV_TRY(total_stock(cx, &total));
        (void)in_other_session(t->s, take_second, t);
        if (total > 1)
            CV_TRY(set_stock(cx, 1, 0));
    }
    CV_TRY(total_stock(cx, &total));
    t->seen = total == 0;
    return 0;
}

/* The report shows the deposit, but not the withdrawal that went before it by its outcome: it charges a fee because it
 * did not see the deposit. */
static int read_only_anomaly(cv_ctx *cx, trial *t)
{
    bool reported = false;
    int64_t total, left;
    BEGIN(t, false)
    {
        CV_TRY(total_stock(cx, &total));
        if (in_other_session(t->s, deposit, t) == 0)
            reported = in_other_session(t->s, report, t) == 0 && t->seen;
        CV_TRY(set_stock(cx, 1, total < 10 ? 9 : 10)); /* 9: with a fee */
    }
    CV_TRY(stock(cx, 1, &left));
    t->seen = reported && left == 9;
    return 0;
}

static const struct {
    const char *name;
    int (*run)(cv_ctx *cx, trial *t);
} anomalies[] = {
    {"dirty read", dirty_read}, {"non-repeatable read", non_repeatable_read},
    {"phantom", phantom},       {"lost update", lost_update},
    {"write skew", write_skew}, {"read-only anomaly", read_only_anomaly},
};
#define ANOMALY_COUNT (sizeof anomalies / sizeof anomalies[0])

static const char *outcome(suite *s, cv_isolation level, size_t which)
{
    trial t = {s, level, false};
    run(s, "DELETE FROM books");
    run(s, "INSERT INTO books (id, title, stock) VALUES (1, 'a', 1), (2, 'b', 1)");
    int rc = anomalies[which].run(s->cx, &t);
    if (rc == CV_E_SERIALIZATION) {
        cv_error_clear(s->cx);
        return "error";
    }
    assert_ok(s->cx, rc);
    return t.seen ? "happens" : "prevented";
}

static char *read_page(suite *s)
{
    char *page = cv_alloc(s->cx, 1 << 16);
    FILE *file = fopen(cv_sprintf(s->cx, "%s/docs/engines.md", getenv("COVET_SOURCE_ROOT")), "rb");
    assert_non_null(file);
    page[fread(page, 1, (1 << 16) - 1, file)] = '\0';
    fclose(file);
    return page;
}

static void compare_level(suite *s, const char *page, const char *name, cv_isolation level)
{
    cv_buf line;
    cv_buf_init_arena(&line, cv_ctx_arena(s->cx), 0);
    cv_buf_printf(&line, "| %s | %s |",
                  strncmp(s->engine, "sqlite", 6) == 0 ? "SQLite"
                  : strcmp(s->engine, "mariadb") == 0  ? "MariaDB"
                                                       : "PostgreSQL",
                  name);
    for (size_t i = 0; i < ANOMALY_COUNT; i++)
        cv_buf_printf(&line, " %s |", outcome(s, level, i));
    if (!strstr(page, line.data))
        fail_msg("docs/engines.md does not say what was seen: %s", line.data);
}

void case_anomalies_are_those_of_the_page(suite *s)
{
    const char *page = read_page(s);
    compare_level(s, page, "read committed", CV_READ_COMMITTED);
    compare_level(s, page, "repeatable read", CV_REPEATABLE_READ);
    compare_level(s, page, "serializable", CV_SERIALIZABLE);
    assert_usable(s);
}

static int lose_once(cv_ctx *cx, void *arg)
{
    trial *t = arg;
    int64_t old;
    CV_TRY(stock(cx, 1, &old));
    if (!t->seen) {
        t->seen = true;
        (void)in_other_session(t->s, write_one, t);
    }
    return set_stock(cx, 1, old + 1);
}

void case_what_was_refused_succeeds_when_it_is_run_again(suite *s)
{
    trial t = {s, CV_REPEATABLE_READ, false};
    run(s, "INSERT INTO books (id, title, stock) VALUES (1, 'a', 1)");
    assert_ok(s->cx, cv_atomic_retry(s->cx, &(cv_tx_options){.isolation = t.level}, lose_once, &t));
    assert_int_equal(scalar(s->cx, "SELECT stock FROM books").as.i64, can(s, CV_CAN_CONCURRENT_WRITERS) ? 12 : 2);
}
