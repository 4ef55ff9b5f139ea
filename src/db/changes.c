/* Change streams: what is the same for every engine. */
#include "db/changes.h"

#include "base/ctx.h"
#include "db/db.h"
#include <covet/fiber.h>
#include <stdlib.h>
#include <string.h>

/* ---- arguments ---- */

static int need_database(cv_ctx *cx, cv_db *db, cv_db **ret_db)
{
    if (!db)
        db = cv__db_need(cx);
    if (!db)
        return CV_E_NO_DATABASE;
    if (!db->driver->changes)
        return cv_fail(cx, CV_E_UNSUPPORTED, "cannot read changes: %s has no change streams here", cv_db_engine(db));
    *ret_db = db;
    return 0;
}

static bool is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return len > 0 && len <= CV__CHANGES_NAME_MAX && name[len] == '\0';
}

static int check_name(cv_ctx *cx, const char *name)
{
    if (is_name(name))
        return 0;
    cv_fail(cx, CV_E_INVALID, "\"%.100s\" cannot name a reader of changes", name);
    cv_error_hint(cx, "a name has 1 to %d characters of a-z, 0-9 and _", CV__CHANGES_NAME_MAX);
    return CV_E_INVALID;
}

static int check_options(cv_ctx *cx, cv_db *db, cv_changes_options *options)
{
    if (options->name)
        CV_TRY(check_name(cx, options->name));
    for (size_t i = 0; i < options->table_count; i++)
        if (!options->tables[i] || !*options->tables[i])
            return cv_fail(cx, CV_E_INVALID, "the name of table %zu of the change stream is empty", i + 1);
    if (options->heartbeat_ms < 0)
        return cv_fail(cx, CV_E_INVALID, "the heartbeat of a change stream cannot be negative");
    int order;
    if (options->position)
        CV_TRY(db->driver->changes->compare(cx, options->position, options->position, &order));
    if (!options->heartbeat_ms)
        options->heartbeat_ms = CV__CHANGES_HEARTBEAT_MS;
    return 0;
}

/* ---- tables ---- */

static int copy_tables(cv_ctx *cx, cv_changes *changes, const cv_changes_options *options)
{
    if (options->table_count == 0)
        return 0;
    size_t size = options->table_count * sizeof(char *);
    for (size_t i = 0; i < options->table_count; i++)
        size += strlen(options->tables[i]) + 1;
    changes->tables = malloc(size);
    if (!changes->tables)
        return cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    char *text = (char *)(changes->tables + options->table_count);
    for (size_t i = 0; i < options->table_count; i++) {
        changes->tables[i] = text;
        text = stpcpy(text, options->tables[i]) + 1;
    }
    changes->table_count = options->table_count;
    return 0;
}

static bool names_table(const char *wanted, const char *schema, const char *table)
{
    size_t len = schema ? strlen(schema) : 0;
    bool in_schema = schema && strncmp(wanted, schema, len) == 0 && wanted[len] == '.';
    if (!table)
        return !schema || in_schema || !strchr(wanted, '.');
    return strcmp(wanted, table) == 0 || (in_schema && strcmp(wanted + len + 1, table) == 0);
}

bool cv__changes_wants(const cv_changes *changes, const char *schema, const char *table)
{
    for (size_t i = 0; i < changes->table_count; i++)
        if (names_table(changes->tables[i], schema, table))
            return true;
    return changes->table_count == 0;
}

/* ---- errors that come again ---- */

static char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

void cv__kept_error_keep(const cv_ctx *cx, cv__kept_error *kept, int code)
{
    const cv_error *error = cv_error_last(cx);
    kept->code = code;
    kept->message = copy_text(error ? error->message : NULL);
    kept->hint = copy_text(error ? error->hint : NULL);
}

int cv__kept_error_fail(cv_ctx *cx, const cv__kept_error *kept)
{
    cv_fail(cx, kept->code, "%s", kept->message ? kept->message : "the change stream has ended");
    if (kept->hint)
        cv_error_hint(cx, "%s", kept->hint);
    return kept->code;
}

void cv__kept_error_done(cv__kept_error *kept)
{
    free(kept->message);
    free(kept->hint);
}

/* ---- calls ---- */

/* One call at a time, on a stream that has not ended; the database stays until it is over. */
static int enter(cv_ctx *cx, cv_changes *changes, const char *what)
{
    CV_TRY(cv__wait_check(cx, what));
    if (changes->busy)
        return cv_fail(cx, CV_E_STATE, "could not %s: another fiber uses the reader", what);
    if (changes->failure.code)
        return cv__kept_error_fail(cx, &changes->failure);
    if (!changes->db)
        return cv_fail(cx, CV_E_CLOSED, "could not %s: the database was closed", what);
    changes->busy = true;
    cv__db_ref(changes->db);
    return 0;
}

static bool ends_stream(int code)
{
    return code < 0 && code != CV_E_TIMEOUT && code != CV_E_CANCELLED && code != CV_E_CONTEXT;
}

static void leave(cv_ctx *cx, cv_changes *changes, cv_db *db, int rc)
{
    changes->busy = false;
    if (ends_stream(rc))
        cv__kept_error_keep(cx, &changes->failure, rc);
    cv__db_unref(db);
}

int cv_changes_next(cv_ctx *cx, cv_changes *changes, cv_change *ret_change)
{
    CV_TRY(enter(cx, changes, "read changes"));
    cv_db *db = changes->db;
    int rc = changes->driver->next(cx, db->shared, changes, ret_change);
    leave(cx, changes, db, rc);
    return rc;
}

int cv_changes_acknowledge(cv_ctx *cx, cv_changes *changes, const char *position)
{
    int order;
    CV_TRY(changes->driver->compare(cx, position, position, &order));
    CV_TRY(enter(cx, changes, "acknowledge changes"));
    cv_db *db = changes->db;
    int rc = changes->driver->acknowledge ? changes->driver->acknowledge(cx, db->shared, changes, position) : 0;
    leave(cx, changes, db, rc == CV_E_INVALID ? 0 : rc);
    return rc;
}

const char *cv_changes_position(const cv_changes *changes)
{
    return changes->driver->position(changes);
}

/* ---- life ---- */

static void free_reader(cv_ctx *cx, cv_changes *changes)
{
    char **tables = changes->tables;
    cv__kept_error failure = changes->failure;
    cv_error *first = cv_error_take(cx);
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        changes->driver->close(cx, changes);
    }
    if (!first)
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
    free(tables);
    cv__kept_error_done(&failure);
}

static int open_in_driver(cv_ctx *cx, cv_db *db, const cv_changes_options *options, cv_changes **ret_changes)
{
    const cv__changes_driver *driver = db->driver->changes;
    if (!driver->holds_writer)
        return driver->open(cx, db->shared, options, ret_changes);
    cv__conn *conn;
    CV_TRY(cv__db_hold(cx, db, CV__WRITER, &conn));
    int rc = driver->open(cx, db->shared, options, ret_changes);
    cv__db_let_go(cx, conn);
    return rc;
}

static int open_reader(cv_ctx *cx, cv_db *db, const cv_changes_options *options, cv_changes **ret_changes)
{
    cv_changes *changes = NULL;
    CV_TRY(open_in_driver(cx, db, options, &changes));
    changes->driver = db->driver->changes;
    cv_list_init(&changes->link);
    int rc = copy_tables(cx, changes, options);
    if (rc == 0 && db->closer)
        rc = cv_fail(cx, CV_E_CLOSED, "could not read changes: the database was closed");
    if (rc < 0) {
        free_reader(cx, changes);
        return rc;
    }
    changes->db = db;
    cv_list_push_back(&db->changes, &changes->link);
    *ret_changes = changes;
    return 0;
}

int cv_changes_open(cv_ctx *cx, cv_db *db, const cv_changes_options *options, cv_changes **ret_changes)
{
    CV_TRY(cv__wait_check(cx, "read changes"));
    CV_TRY(need_database(cx, db, &db));
    if (cx->tx)
        return cv_fail(cx, CV_E_IN_TRANSACTION, "cannot open a change stream inside an atomic block");
    cv_changes_options complete = options ? *options : (cv_changes_options){0};
    CV_TRY(check_options(cx, db, &complete));
    cv__db_ref(db);
    int rc = open_reader(cx, db, &complete, ret_changes);
    cv__db_unref(db);
    return rc;
}

void cv_changes_close(cv_ctx *cx, cv_changes *changes)
{
    if (!changes)
        return;
    cv_list_remove(&changes->link);
    free_reader(cx, changes);
}

void cv__changes_end_all(cv_db *db)
{
    cv_link *link;
    while ((link = cv_list_pop_front(&db->changes))) {
        cv_changes *changes = cv_list_entry(link, cv_changes, link);
        changes->db = NULL;
        changes->driver->interrupt(changes);
    }
}

int cv_changes_drop(cv_ctx *cx, cv_db *db, const char *name)
{
    CV_TRY(cv__wait_check(cx, "drop a reader of changes"));
    CV_TRY(need_database(cx, db, &db));
    CV_TRY(check_name(cx, name));
    if (!db->driver->changes->drop) {
        cv_fail(cx, CV_E_NOT_FOUND, "there is no reader of changes \"%s\"", name);
        cv_error_hint(cx, "%s keeps no places of readers", cv_db_engine(db));
        return CV_E_NOT_FOUND;
    }
    cv__db_ref(db);
    int rc = db->driver->changes->drop(cx, db->shared, name);
    cv__db_unref(db);
    return rc;
}

int cv_changes_compare(cv_ctx *cx, cv_db *db, const char *a, const char *b, int *ret_order)
{
    CV_TRY(need_database(cx, db, &db));
    return db->driver->changes->compare(cx, a, b, ret_order);
}

/* ---- events ---- */

const char *cv_change_kind_name(cv_change_kind kind)
{
    static const char *const names[] = {"insert", "update", "delete", "truncate", "schema", "commit"};
    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

int cv_change_find(const cv_change *change, const char *column)
{
    for (size_t i = 0; i < change->column_count; i++)
        if (strcmp(change->columns[i].name, column) == 0)
            return (int)i;
    return -1;
}

cv_value cv_change_new(const cv_change *change, const char *column)
{
    int i = change->new_values ? cv_change_find(change, column) : -1;
    return i < 0 ? CV_NULL : change->new_values[i];
}

cv_value cv_change_old(const cv_change *change, const char *column)
{
    int i = change->old_values ? cv_change_find(change, column) : -1;
    return i < 0 ? CV_NULL : change->old_values[i];
}

static bool is_given(const cv_value *values, const bool *given, size_t column)
{
    return values && (!given || given[column]);
}

bool cv_change_has_changed(const cv_change *change, size_t column)
{
    if (column >= change->column_count)
        return false;
    if (change->kind != CV_CHANGE_UPDATE)
        return true;
    if (!is_given(change->new_values, change->new_given, column))
        return false;
    if (!is_given(change->old_values, change->old_given, column))
        return true;
    return !cv_value_equal(change->old_values[column], change->new_values[column]);
}
