#include "orm_tables.h"
#include "db/database.h"
#include "orm/registry.h"
#include <stdio.h>

static void add_column(cv_buf *sql, const cv__dialect *dialect, const cv__field_info *field)
{
    cv__add_identifier(sql, cv_str_of(field->column));
    cv_buf_add_char(sql, ' ');
    if (field->identity) {
        dialect->add_identity(sql);
        return;
    }
    dialect->add_column_type(sql, &field->type);
    if (!field->null)
        cv_buf_add_text(sql, " NOT NULL");
    if (field->primary_key)
        cv_buf_add_text(sql, " PRIMARY KEY");
    else if (field->field->unique)
        cv_buf_add_text(sql, " UNIQUE");
    if (!field->target)
        return;
    cv_buf_add_text(sql, " REFERENCES ");
    cv__add_identifier(sql, cv_str_of(field->target->model->table));
    cv_buf_add_text(sql, " (");
    cv__add_identifier(sql, cv_str_of(field->target->primary_key->column));
    cv_buf_add_text(sql, ")");
    if (field->field->on_delete != CV_PROTECT)
        cv_buf_add_text(sql, field->field->on_delete == CV_CASCADE ? " ON DELETE CASCADE" : " ON DELETE SET NULL");
}

static int create_table(cv_ctx *cx, const cv__dialect *dialect, const cv__model_info *model)
{
    cv_buf sql;
    cv_buf_init(&sql, 0);
    cv_buf_add_text(&sql, "CREATE TABLE ");
    cv__add_identifier(&sql, cv_str_of(model->model->table));
    for (size_t i = 0; i < model->field_count; i++) {
        cv_buf_add_text(&sql, i ? ", " : " (");
        add_column(&sql, dialect, &model->fields[i]);
    }
    cv_buf_add_char(&sql, ')');
    cv_buf_add_text(&sql, dialect->table_options);
    int rc = cv_sql_run(cx, sql.data, NULL, 0, NULL, NULL);
    cv_buf_done(&sql);
    return rc;
}

int test_create_tables(cv_ctx *cx, cv_registry *registry)
{
    const cv__dialect *dialect = cv__db_dialect(cv_ctx_db(cx));
    for (size_t i = 0; i < cv__registry_count(registry); i++)
        CV_TRY(create_table(cx, dialect, cv__registry_at(registry, i)));
    return 0;
}

int test_empty_tables(cv_ctx *cx, cv_registry *registry)
{
    for (size_t i = cv__registry_count(registry); i-- > 0;) {
        char sql[128];
        snprintf(sql, sizeof sql, "DELETE FROM \"%s\"", cv__registry_at(registry, i)->model->table);
        CV_TRY(cv_sql_run(cx, sql, NULL, 0, NULL, NULL));
    }
    return 0;
}
