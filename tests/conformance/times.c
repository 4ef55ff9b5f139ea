/* Instants are instants: whatever zone the session, the server or the program lives in. */
#include "conformance.h"

#include <time.h>

static void make_moments(suite *s)
{
    static const cv__column_type types[] = {{.type = CV_TYPE_TIME}, {.type = CV_TYPE_DATE}};
    const cv__dialect *dialect = cv__db_dialect(s->db);
    cv_buf ddl;
    cv_buf_init_arena(&ddl, cv_ctx_arena(s->cx), 0);
    run(s, "DROP TABLE IF EXISTS moments");
    cv_buf_add_text(&ddl, "CREATE TABLE moments (id INTEGER PRIMARY KEY, t ");
    dialect->add_column_type(&ddl, &types[0]);
    cv_buf_add_text(&ddl, ", d ");
    dialect->add_column_type(&ddl, &types[1]);
    cv_buf_add_text(&ddl, ")");
    run(s, ddl.data);
}

/* Around the changes to and from summer time of several zones, around leap days, and at the ends. */
static const char *const instants[] = {
    "0001-01-01T00:00:00Z",        "1582-10-10T12:00:00Z", "1900-01-01T00:00:00Z",        "1969-12-31T23:59:59.999999Z",
    "1970-01-01T00:00:00.000001Z", "2000-02-29T23:59:59Z", "2026-03-08T06:59:59.999999Z", "2026-03-08T07:00:00Z",
    "2026-03-29T00:59:59Z",        "2026-03-29T01:00:00Z", "2026-10-25T00:30:00Z",        "2026-10-25T01:30:00Z",
    "2026-11-01T05:30:00Z",        "2026-11-01T06:30:00Z", "2038-01-19T03:14:08Z",        "9999-12-31T23:59:59.999999Z",
};
#define INSTANT_COUNT (sizeof instants / sizeof instants[0])

static int keep_instants(cv_ctx *cx)
{
    for (size_t i = 0; i < INSTANT_COUNT; i++) {
        cv_time t;
        assert_int_equal(cv_time_parse(cv_str_of(instants[i]), &t), 0);
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO moments (id, t, d) VALUES (?, ?, ?)", i, t, cv_date_of(t)));
    }
    return 0;
}

static int compare_instants(cv_ctx *cx)
{
    cv_rows *rows;
    size_t i = 0;
    int rc;
    CV_TRY(cv_select(cx, &rows, "SELECT t, d FROM moments ORDER BY id"));
    for (; (rc = cv_rows_next(cx, rows)) > 0; i++) {
        cv_time t;
        assert_int_equal(cv_time_parse(cv_str_of(instants[i]), &t), 0);
        assert_int_equal(cv_rows_get(rows, 0).as.time.us, t.us);
        assert_int_equal(cv_rows_get(rows, 1).as.date.days, cv_date_of(t).days);
    }
    assert_int_equal(rc < 0 || i == INSTANT_COUNT, 1);
    return rc;
}

void case_the_programs_time_zone_does_not_matter(suite *s)
{
    static const char *const zones[] = {"Pacific/Auckland", "America/St_Johns", "UTC"};
    for (size_t i = 0; i < 3; i++) {
        setenv("TZ", zones[i], 1);
        tzset();
        make_moments(s);
        assert_ok(s->cx, keep_instants(s->cx));
        setenv("TZ", zones[2 - i], 1);
        tzset();
        assert_ok(s->cx, compare_instants(s->cx));
    }
    unsetenv("TZ");
    tzset();
    run(s, "DROP TABLE moments");
}

static int keep_in_zones(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "SET LOCAL TIME ZONE 'America/New_York'"));
        CV_TRY(keep_instants(cx));
        CV_TRY(cv_exec(cx, NULL, "SET LOCAL TIME ZONE 'Asia/Kathmandu'"));
        CV_TRY(compare_instants(cx));
    }
    return compare_instants(cx);
}

void case_the_sessions_time_zone_does_not_matter(suite *s)
{
    make_moments(s);
    assert_ok(s->cx, keep_in_zones(s->cx));
    run(s, "DROP TABLE moments");
}

void case_times_order_and_compare(suite *s)
{
    cv_value value;
    cv_time middle;
    make_moments(s);
    assert_ok(s->cx, keep_instants(s->cx));
    assert_int_equal(cv_time_parse(CV_STR("2026-03-29T00:59:59Z"), &middle), 0);
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT COUNT(*) FROM moments WHERE t < ?", middle));
    assert_int_equal(value.as.i64, 8);
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT COUNT(*) FROM moments WHERE d = ?", cv_date_of(middle)));
    assert_int_equal(value.as.i64, 2);
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT id FROM moments ORDER BY t DESC LIMIT 1"));
    assert_int_equal(value.as.i64, INSTANT_COUNT - 1);
    run(s, "DROP TABLE moments");
}
