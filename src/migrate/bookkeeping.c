#include "migrate/bookkeeping.h"

#include "db/database.h"

int cv__bookkeeping_create(cv_ctx *cx, const char *table, const cv__bookkeeping_column *columns, size_t count)
{
    const cv__dialect *dialect = cv__db_dialect(cv_ctx_db(cx));
    cv_buf sql;
    cv_buf_init_arena(&sql, cv_ctx_arena(cx), 4096);
    cv_buf_printf(&sql, "CREATE TABLE IF NOT EXISTS %s (", table);
    for (size_t i = 0; i < count; i++) {
        cv__add_identifier(&sql, cv_str_of(columns[i].name));
        cv_buf_add_char(&sql, ' ');
        dialect->add_column_type(&sql, &columns[i].type);
        cv_buf_add_text(&sql, " NOT NULL, ");
    }
    cv_buf_add_text(&sql, "PRIMARY KEY (\"label\", \"name\"))");
    cv_buf_add_text(&sql, dialect->table_options);
    if (sql.error)
        return cv_fail(cx, sql.error, "could not make the table \"%s\": out of memory", table);
    return cv_sql_run(cx, sql.data, NULL, 0, NULL, NULL);
}

int cv__bookkeeping_exists(cv_ctx *cx, const char *table, bool *ret_exists)
{
    cv_value count;
    const char *engine = cv_db_engine(cv_ctx_db(cx));
    if (strcmp(engine, "postgres") == 0)
        CV_TRY(cv_scalar(cx, &count,
                         "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass(?) AND relkind = 'r'",
                         table));
    else if (strcmp(engine, "mariadb") == 0)
        CV_TRY(cv_scalar(cx, &count,
                         "SELECT count(*) FROM information_schema.tables "
                         "WHERE table_schema = DATABASE() AND table_name = ?",
                         table));
    else
        CV_TRY(cv_scalar(cx, &count, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", table));
    *ret_exists = count.as.i64 > 0;
    return 0;
}
