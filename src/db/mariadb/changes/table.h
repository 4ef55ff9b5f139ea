/* Tables as the binary log has them, and the values of their rows.
 *
 * An event of rows says which table it is by a map with types; names, signs, character sets and the like come with it
 * where binlog_row_metadata is FULL, otherwise from the server's description of the table (information_schema). Nothing
 * here waits. Sources: https://mariadb.com/kb/en/table_map_event/, https://mariadb.com/kb/en/rows_event_v1v2/ */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_TABLE_H
#define COVET_SRC_DB_MARIADB_CHANGES_TABLE_H

#include "db/mariadb/changes/event.h"

/** How the bytes of a column are to be understood, beyond their type. */
typedef enum cv__binlog_sense {
    CV__BINLOG_PLAIN,
    CV__BINLOG_PADDED, /* with zeros, which are not logged */
    CV__BINLOG_BOOLEAN,
    CV__BINLOG_TEXT,
    CV__BINLOG_JSON,
    CV__BINLOG_UUID,
    CV__BINLOG_INET4,
    CV__BINLOG_INET6,
} cv__binlog_sense;

typedef struct cv__binlog_column {
    uint8_t code;  /* the type in the log */
    uint16_t meta; /* its length, precision... */
    bool is_unsigned;
    cv__binlog_sense sense;
    const char *const *members; /* of an ENUM or SET */
    size_t member_count;
} cv__binlog_column;

/** What the server says of a column. Texts may be NULL. */
typedef struct cv__binlog_description {
    const char *name, *data_type, *column_type, *charset;
    bool key, json;
} cv__binlog_description;

/** A table at one time. Made by the thread that reads the log, read by the one that reads the rows. */
typedef struct cv__binlog_table cv__binlog_table;
struct cv__binlog_table {
    cv_arena *arena; /* holds everything here */
    const char *schema, *name;
    size_t column_count;
    const cv__binlog_column *columns;
    const cv_change_column *told;
};

/** Make the table of a map, with `count` descriptions of the columns that the table has now. Where those are not of the
 *  table that was logged (other types: it was changed since), columns are called "@1", "@2"... as mysqlbinlog does.
 * NULL without memory, or for a map that is malformed. Referred to once; see cv__binlog_table_unref. */
cv__binlog_table *cv__binlog_table_new(const cv__binlog_map *map, const cv__binlog_description *described,
                                       size_t count);

/** A table as it is described, without types of the log: for telling its columns, not for rows. */
cv__binlog_table *cv__binlog_table_described(const char *schema, const char *name,
                                             const cv__binlog_description *described, size_t count);

/** References, from any thread. NULL allowed. */
cv__binlog_table *cv__binlog_table_ref(cv__binlog_table *table);
void cv__binlog_table_unref(cv__binlog_table *table);

/** One half of a row: values and which of them are there (`present`, bits), each of column_count. Views into the bytes,
 *  texts that had to be made in the arena. A value that no cv_value can hold (a date of zeros, 40 digits, a compressed
 * column) is NULL and not given. `*ret_complete` is cleared when one is not given. CV_E_TYPE with `*ret_column` for a
 *  type that is not known; CV_E_CORRUPT when the bytes are too short; CV_E_NOMEM. Without a story. */
CV_CHECKED int cv__binlog_row(const cv__binlog_table *table, cv__bytes_in *in, const uint8_t *present, cv_arena *arena,
                              cv_value *ret_values, bool *ret_given, bool *ret_complete, size_t *ret_column);

#endif
