/* Help for the tests of change streams: events as short texts, and the count of many.
 *
 *     +books(id=1 title=a)       an insert
 *     ~books(id=1 title=a>b)     an update; only the key and what has changed
 *     -books(id=1 title=b)       a delete
 *     *books                     emptied;  %books  another schema;  |  a commit */
#ifndef COVET_TESTS_DB_CHANGES_TEST_H
#define COVET_TESTS_DB_CHANGES_TEST_H

#include "test.h"

#include <covet/change.h>
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <unistd.h>

static inline void changes_add_value(cv_buf *out, cv_value value)
{
    char text[CV_DECIMAL_TEXT_BYTES];
    switch (value.type) {
    case CV_TYPE_TEXT:
        cv_buf_printf(out, "%.*s", CV_STR_ARG(value.as.text));
        break;
    case CV_TYPE_DECIMAL:
        cv_decimal_format(value.as.decimal, text);
        cv_buf_printf(out, "%s", text);
        break;
    case CV_TYPE_TIME:
        cv_time_format(value.as.time, text);
        cv_buf_printf(out, "%s", text);
        break;
    case CV_TYPE_NULL:
        cv_buf_printf(out, "NULL");
        break;
    default:
        cv_value_describe(out, value);
    }
}

static inline void changes_add_row(cv_buf *out, const cv_change *change)
{
    const char *space = "";
    bool update = change->kind == CV_CHANGE_UPDATE;
    for (size_t i = 0; i < change->column_count; i++) {
        bool changed = cv_change_has_changed(change, i);
        if (update && !change->columns[i].key && !changed)
            continue;
        cv_buf_printf(out, "%s%s=", space, change->columns[i].name);
        if (update && changed && change->old_values) {
            changes_add_value(out, change->old_values[i]);
            cv_buf_printf(out, ">");
        }
        changes_add_value(out, change->kind == CV_CHANGE_DELETE ? change->old_values[i] : change->new_values[i]);
        space = " ";
    }
}

static inline void changes_add(cv_buf *out, const cv_change *change)
{
    static const char marks[] = "+~-*%|";
    cv_buf_printf(out, "%c", marks[change->kind]);
    if (change->kind == CV_CHANGE_COMMIT)
        return;
    cv_buf_printf(out, "%s", change->table ? change->table : "");
    if (change->old_values || change->new_values) {
        cv_buf_printf(out, "(");
        changes_add_row(out, change);
        cv_buf_printf(out, ")");
    }
}

/* Read until so many commits were told, within ten seconds; the text of all events, in the context's arena. */
static inline const char *changes_until(cv_ctx *cx, cv_changes *changes, int commits)
{
    cv_buf text;
    cv_change change;
    cv_buf_init(&text, 0);
    CV_WITHIN(cx, 20000)
    {
        while (commits > 0) {
            assert_ok(cx, cv_changes_next(cx, changes, &change));
            changes_add(&text, &change);
            commits -= change.kind == CV_CHANGE_COMMIT;
        }
    }
    char *copy = cv_strndup(cx, text.data, text.len);
    cv_buf_done(&text);
    assert_non_null(copy);
    return copy;
}

/* Nothing more is told now. */
static inline void changes_are_over(cv_ctx *cx, cv_changes *changes, int64_t ms)
{
    cv_change change;
    int rc = 0;
    CV_WITHIN(cx, ms)
    {
        rc = cv_changes_next(cx, changes, &change);
    }
    assert_int_equal(rc, CV_E_TIMEOUT);
    cv_error_clear(cx);
}

#endif
