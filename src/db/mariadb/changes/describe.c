#include "db/mariadb/changes/describe.h"

#include <stdio.h>
#include <string.h>

enum { MOST_NAME_BYTES = 255, WHERE_BYTES = 4 * MOST_NAME_BYTES + 64, STATEMENT_BYTES = WHERE_BYTES + 512 };

/* Which of them are JSON: a LONGTEXT with a check. */
static int find_json(cv__replica *replica, const char *where, cv__binlog_description *described, size_t count)
{
    char sql[STATEMENT_BYTES];
    MYSQL_RES *rows;
    MYSQL_ROW row;
    snprintf(sql, sizeof sql,
             "SELECT CONSTRAINT_NAME FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s AND LEVEL "
             "= 'Column' AND CHECK_CLAUSE LIKE 'json\\_valid(%%'",
             where);
    CV_TRY(cv__replica_ask(replica, sql, "describe a table", &rows));
    while ((row = mysql_fetch_row(rows)))
        for (size_t i = 0; i < count; i++)
            described[i].json |= strcmp(described[i].name, row[0]) == 0;
    mysql_free_result(rows);
    return 0;
}

static char *keep(cv_arena *arena, const char *text)
{
    return text ? cv_arena_strdup(arena, text) : NULL;
}

/* False: there is no memory. */
static bool take_column(cv_arena *arena, MYSQL_ROW row, cv__binlog_description *ret_described)
{
    *ret_described = (cv__binlog_description){.name = keep(arena, row[0]),
                                              .data_type = keep(arena, row[1]),
                                              .column_type = keep(arena, row[2]),
                                              .charset = keep(arena, row[3]),
                                              .key = row[4] && row[4][0] == '1'};
    return ret_described->name && ret_described->data_type;
}

static int read_columns(cv__replica *replica, cv_arena *arena, const char *where,
                        cv__binlog_description **ret_described, size_t *ret_count)
{
    char sql[STATEMENT_BYTES];
    MYSQL_RES *rows;
    MYSQL_ROW row;
    snprintf(sql, sizeof sql,
             "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLUMN_KEY = 'PRI' FROM "
             "information_schema.COLUMNS WHERE TABLE_SCHEMA = %s ORDER BY ORDINAL_POSITION",
             where);
    CV_TRY(cv__replica_ask(replica, sql, "describe a table", &rows));
    size_t count = (size_t)mysql_num_rows(rows), taken = 0;
    cv__binlog_description *described = cv_arena_zalloc(arena, count + 1, sizeof *described);
    while (described && taken < count && (row = mysql_fetch_row(rows)) && take_column(arena, row, &described[taken]))
        taken++;
    mysql_free_result(rows);
    if (!described || taken < count)
        return cv__binlog_fail_nomem(replica->failure);
    *ret_described = described;
    *ret_count = count;
    return 0;
}

static bool has_long_text(const cv__binlog_description *described, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(described[i].data_type, "longtext") == 0)
            return true;
    return false;
}

int cv__binlog_describe(cv__replica *replica, cv_arena *arena, cv_str schema, cv_str table,
                        cv__binlog_description **ret_described, size_t *ret_count)
{
    MYSQL *my = replica->connections[CV__REPLICA_CONTROL];
    char quoted_schema[2 * MOST_NAME_BYTES + 1], quoted_table[2 * MOST_NAME_BYTES + 1], where[WHERE_BYTES];
    if (schema.len > MOST_NAME_BYTES || table.len > MOST_NAME_BYTES)
        return cv__binlog_fail(replica->failure, CV_E_CORRUPT,
                               "the binary log has a table with a name that is too long");
    mysql_real_escape_string(my, quoted_schema, schema.ptr, schema.len);
    mysql_real_escape_string(my, quoted_table, table.ptr, table.len);
    snprintf(where, sizeof where, "'%s' AND TABLE_NAME = '%s'", quoted_schema, quoted_table);
    CV_TRY(read_columns(replica, arena, where, ret_described, ret_count));
    return has_long_text(*ret_described, *ret_count) ? find_json(replica, where, *ret_described, *ret_count) : 0;
}
