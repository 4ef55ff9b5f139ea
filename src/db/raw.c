#include "db/raw.h"

#include "db/words.h"
#include <stdlib.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* The first word of a statement, after space, comments and parentheses. */
static cv_str first_word(cv_str sql)
{
    size_t i = 0;
    while (i < sql.len) {
        cv_str rest = cv_str_sub(sql, i, SIZE_MAX);
        ptrdiff_t end = 0;
        if (is_space(*rest.ptr) || *rest.ptr == '(' || *rest.ptr == ';') {
            end = 1;
        } else if (cv_str_starts_with(rest, CV_STR("--"))) {
            end = cv_str_find_char(rest, '\n') + 1;
        } else if (cv_str_starts_with(rest, CV_STR("/*"))) {
            end = cv_str_find(rest, CV_STR("*/")) + 1;
        } else {
            break;
        }
        if (end == 0)
            return (cv_str){"", 0};
        i += (size_t)end + (*rest.ptr == '/');
    }
    size_t end = i;
    while (end < sql.len && ((sql.ptr[end] | 32) >= 'a' && (sql.ptr[end] | 32) <= 'z'))
        end++;
    return cv_str_sub(sql, i, end - i);
}

static int refuse_control(cv_ctx *cx, cv_str word)
{
    static const char *const control[] = {"BEGIN", "START",     "COMMIT",  "END",     "ROLLBACK",
                                          "ABORT", "SAVEPOINT", "RELEASE", "PREPARE", NULL};
    if (!cv__is_one_of(word, control))
        return 0;
    cv_fail(cx, CV_E_STATE, "cannot run %.*s as a statement: connections are shared", CV_STR_ARG(word));
    cv_error_hint(cx, "use CV_ATOMIC, which begins, commits and rolls back");
    return CV_E_STATE;
}

/* Only an engine with writers of its own needs to know; most statements say it by their first word. */
static void guess_role(const cv_db *db, cv__raw *raw, cv_str word)
{
    static const char *const reading[] = {"SELECT", "VALUES", "EXPLAIN", NULL};
    static const char *const unclear[] = {"WITH", "PRAGMA", NULL};
    static const char *const groupable[] = {"INSERT", "UPDATE", "DELETE", "REPLACE", NULL};
    raw->role_known = true;
    raw->role = CV__READER;
    if (db->writers.max == 0 || cv__is_one_of(word, reading))
        return;
    raw->role = CV__WRITER;
    raw->role_known = !cv__is_one_of(word, unclear);
    raw->groupable = cv__is_one_of(word, groupable);
}

static int ask_role(cv_ctx *cx, cv_db *db, cv__raw *raw)
{
    if (raw->role_known || cv__tx_root(cx, db) || db->sandbox)
        return 0;
    cv__conn *conn;
    CV_TRY(cv__pool_acquire(cx, &db->readers, &conn));
    raw->role = db->driver->writes(cx, conn, raw->sql) ? CV__WRITER : CV__READER;
    raw->role_known = true;
    cv__pool_release(cx, conn);
    return 0;
}

/* One block of memory: the struct, the user's text, the engine's text. */
static cv__raw *new_raw(cv_str user_sql, uint64_t user_hash, cv_str sql, size_t param_count)
{
    cv__raw *raw = malloc(sizeof *raw + user_sql.len + sql.len + 2);
    if (!raw)
        return NULL;
    char *text = (char *)(raw + 1);
    *raw = (cv__raw){.param_count = param_count, .hash = cv_hash(sql.ptr, sql.len)};
    raw->cached.hash = user_hash;
    raw->cached.sql = cv_str_make(memcpy(text, user_sql.ptr, user_sql.len), user_sql.len);
    raw->sql = cv_str_make(memcpy(text + user_sql.len, sql.ptr, sql.len), sql.len);
    return raw;
}

static int make_raw(cv_ctx *cx, cv_db *db, cv_str sql, uint64_t hash, cv__raw **ret_raw)
{
    cv_str word = first_word(sql);
    CV_TRY(refuse_control(cx, word));
    cv_buf translated;
    size_t param_count;
    cv_buf_init(&translated, 0);
    int rc = cv__translate_placeholders(cx, db->driver->dialect, sql, &translated, &param_count);
    cv__raw *raw = rc == 0 ? new_raw(sql, hash, cv_buf_str(&translated), param_count) : NULL;
    cv_buf_done(&translated);
    if (!raw)
        return rc < 0 ? rc : cv_fail(cx, CV_E_NOMEM, "could not prepare the statement: out of memory");
    guess_role(db, raw, word);
    cv__statement_cache_put(&db->raw_cache, &raw->cached);
    *ret_raw = raw;
    return 0;
}

int cv__raw_get(cv_ctx *cx, cv_db *db, const char *sql, cv__raw **ret_raw)
{
    cv_str text = cv_str_of(sql ? sql : "");
    uint64_t hash = cv_hash(text.ptr, text.len);
    cv__cached_statement *cached = cv__statement_cache_get(&db->raw_cache, text, hash);
    cv__raw *raw = (cv__raw *)(void *)cached;
    if (!raw)
        CV_TRY(make_raw(cx, db, text, hash, &raw));
    raw->cached.in_use++;
    cv__db_ref(db);
    int rc = ask_role(cx, db, raw);
    if (rc < 0)
        cv__raw_put(db, raw);
    else
        *ret_raw = raw;
    return rc;
}

void cv__raw_put(cv_db *db, cv__raw *raw)
{
    raw->cached.in_use--;
    cv__db_unref(db);
}
