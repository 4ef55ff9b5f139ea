/* From error numbers (https://mariadb.com/kb/en/mariadb-error-codes/) to codes of ours, and from the texts to the
 * table, column and constraint that they name: the session has English messages. */
#include "db/mariadb/wire.h"
#include "db/words.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdlib.h>

/* Of MySQL alone, or newer than the header. */
enum {
    MYSQL_CHECK_VIOLATED = 3819,
    MYSQL_QUERY_TIMEOUT = 3024,
    MYSQL_LOCK_NOWAIT = 3572,
    MYSQL_CLIENT_INTERACTION_TIMEOUT = 4031,
};

typedef struct known {
    unsigned number;
    int code;
} known;

/* In order of the numbers. */
static const known codes[] = {
    {ER_CANT_CREATE_TABLE, CV_E_SQL},                             /* 1005 */
    {ER_DB_CREATE_EXISTS, CV_E_EXISTS},                           /* 1007 */
    {ER_DB_DROP_EXISTS, CV_E_NOT_FOUND},                          /* 1008 */
    {ER_CANT_LOCK, CV_E_LOCKED},                                  /* 1015 */
    {ER_CHECKREAD, CV_E_SERIALIZATION},                           /* 1020: a row has changed since the snapshot */
    {ER_DISK_FULL, CV_E_DISK_FULL},                               /* 1021 */
    {ER_DUP_KEY, CV_E_UNIQUE},                                    /* 1022 */
    {ER_ERROR_ON_READ, CV_E_IO},                                  /* 1024 */
    {ER_ERROR_ON_WRITE, CV_E_IO},                                 /* 1026 */
    {ER_FILE_USED, CV_E_LOCKED},                                  /* 1027 */
    {ER_NOT_KEYFILE, CV_E_CORRUPT},                               /* 1034 */
    {ER_OPEN_AS_READONLY, CV_E_READ_ONLY},                        /* 1036 */
    {ER_OUTOFMEMORY, CV_E_NOMEM},                                 /* 1037 */
    {ER_OUT_OF_SORTMEMORY, CV_E_NOMEM},                           /* 1038 */
    {ER_CON_COUNT_ERROR, CV_E_TOO_MANY_CONNECTIONS},              /* 1040 */
    {ER_OUT_OF_RESOURCES, CV_E_NOMEM},                            /* 1041 */
    {ER_BAD_HOST_ERROR, CV_E_AUTH},                               /* 1042 */
    {ER_HANDSHAKE_ERROR, CV_E_AUTH},                              /* 1043 */
    {ER_DBACCESS_DENIED_ERROR, CV_E_AUTH},                        /* 1044 */
    {ER_ACCESS_DENIED_ERROR, CV_E_AUTH},                          /* 1045 */
    {ER_NO_DB_ERROR, CV_E_SQL},                                   /* 1046 */
    {ER_BAD_NULL_ERROR, CV_E_NOT_NULL},                           /* 1048 */
    {ER_BAD_DB_ERROR, CV_E_NOT_FOUND},                            /* 1049 */
    {ER_TABLE_EXISTS_ERROR, CV_E_SQL},                            /* 1050 */
    {ER_BAD_TABLE_ERROR, CV_E_SQL},                               /* 1051 */
    {ER_NON_UNIQ_ERROR, CV_E_SQL},                                /* 1052 */
    {ER_SERVER_SHUTDOWN, CV_E_CONNECTION_LOST},                   /* 1053 */
    {ER_BAD_FIELD_ERROR, CV_E_SQL},                               /* 1054 */
    {ER_WRONG_FIELD_WITH_GROUP, CV_E_SQL},                        /* 1055 */
    {ER_DUP_FIELDNAME, CV_E_SQL},                                 /* 1060 */
    {ER_DUP_KEYNAME, CV_E_SQL},                                   /* 1061 */
    {ER_DUP_ENTRY, CV_E_UNIQUE},                                  /* 1062 */
    {ER_PARSE_ERROR, CV_E_SQL},                                   /* 1064 */
    {ER_EMPTY_QUERY, CV_E_SQL},                                   /* 1065 */
    {ER_INVALID_DEFAULT, CV_E_SQL},                               /* 1067 */
    {ER_MULTIPLE_PRI_KEY, CV_E_SQL},                              /* 1068 */
    {ER_TOO_LONG_KEY, CV_E_LIMIT},                                /* 1071 */
    {ER_KEY_COLUMN_DOES_NOT_EXIST, CV_E_SQL},                     /* 1072 */
    {ER_SHUTDOWN_COMPLETE, CV_E_CONNECTION_LOST},                 /* 1079 */
    {ER_FORCING_CLOSE, CV_E_CONNECTION_LOST},                     /* 1080 */
    {ER_NO_SUCH_THREAD, CV_E_NOT_FOUND},                          /* 1094 */
    {ER_KILL_DENIED_ERROR, CV_E_PERMISSION},                      /* 1095 */
    {ER_TABLE_NOT_LOCKED_FOR_WRITE, CV_E_LOCKED},                 /* 1099 */
    {ER_TABLE_NOT_LOCKED, CV_E_LOCKED},                           /* 1100 */
    {ER_UNKNOWN_TABLE, CV_E_SQL},                                 /* 1109 */
    {ER_RECORD_FILE_FULL, CV_E_DISK_FULL},                        /* 1114 */
    {ER_TOO_BIG_ROWSIZE, CV_E_LIMIT},                             /* 1118 */
    {ER_HOST_IS_BLOCKED, CV_E_AUTH},                              /* 1129 */
    {ER_HOST_NOT_PRIVILEGED, CV_E_AUTH},                          /* 1130 */
    {ER_WRONG_VALUE_COUNT_ON_ROW, CV_E_SQL},                      /* 1136 */
    {ER_INVALID_USE_OF_NULL, CV_E_NOT_NULL},                      /* 1138 */
    {ER_TABLEACCESS_DENIED_ERROR, CV_E_PERMISSION},               /* 1142 */
    {ER_COLUMNACCESS_DENIED_ERROR, CV_E_PERMISSION},              /* 1143 */
    {ER_NO_SUCH_TABLE, CV_E_SQL},                                 /* 1146 */
    {ER_NOT_ALLOWED_COMMAND, CV_E_UNSUPPORTED},                   /* 1148 */
    {ER_NET_PACKET_TOO_LARGE, CV_E_LIMIT},                        /* 1153 */
    {ER_NET_READ_ERROR, CV_E_CONNECTION_LOST},                    /* 1158 */
    {ER_NET_READ_INTERRUPTED, CV_E_CONNECTION_LOST},              /* 1159 */
    {ER_NET_ERROR_ON_WRITE, CV_E_CONNECTION_LOST},                /* 1160 */
    {ER_NET_WRITE_INTERRUPTED, CV_E_CONNECTION_LOST},             /* 1161 */
    {ER_TOO_LONG_STRING, CV_E_LIMIT},                             /* 1162 */
    {ER_DUP_UNIQUE, CV_E_UNIQUE},                                 /* 1169 */
    {ER_CANT_DO_THIS_DURING_AN_TRANSACTION, CV_E_IN_TRANSACTION}, /* 1179 */
    {ER_ERROR_DURING_COMMIT, CV_E_TX_ABORTED},                    /* 1180 */
    {ER_NEW_ABORTING_CONNECTION, CV_E_CONNECTION_LOST},           /* 1184 */
    {ER_CRASHED_ON_USAGE, CV_E_CORRUPT},                          /* 1194 */
    {ER_CRASHED_ON_REPAIR, CV_E_CORRUPT},                         /* 1195 */
    {ER_TOO_MANY_USER_CONNECTIONS, CV_E_TOO_MANY_CONNECTIONS},    /* 1203 */
    {ER_LOCK_WAIT_TIMEOUT, CV_E_LOCKED},                          /* 1205 */
    {ER_LOCK_TABLE_FULL, CV_E_LIMIT},                             /* 1206 */
    {ER_READ_ONLY_TRANSACTION, CV_E_READ_ONLY},                   /* 1207 */
    {ER_LOCK_DEADLOCK, CV_E_DEADLOCK},                            /* 1213 */
    {ER_CANNOT_ADD_FOREIGN, CV_E_SQL},                            /* 1215 */
    {ER_NO_REFERENCED_ROW, CV_E_FOREIGN_KEY},                     /* 1216 */
    {ER_ROW_IS_REFERENCED, CV_E_FOREIGN_KEY},                     /* 1217 */
    {ER_USER_LIMIT_REACHED, CV_E_TOO_MANY_CONNECTIONS},           /* 1226 */
    {ER_SPECIFIC_ACCESS_DENIED_ERROR, CV_E_PERMISSION},           /* 1227 */
    {ER_NOT_SUPPORTED_YET, CV_E_UNSUPPORTED},                     /* 1235 */
    {ER_WARN_DATA_OUT_OF_RANGE, CV_E_RANGE},                      /* 1264 */
    {WARN_DATA_TRUNCATED, CV_E_INVALID},                          /* 1265 */
    {ER_CANT_AGGREGATE_2COLLATIONS, CV_E_SQL},                    /* 1267 */
    {ER_OPTION_PREVENTS_STATEMENT, CV_E_READ_ONLY},               /* 1290 */
    {ER_DUPLICATED_VALUE_IN_TYPE, CV_E_SQL},                      /* 1291 */
    {ER_TRUNCATED_WRONG_VALUE, CV_E_INVALID},                     /* 1292 */
    {ER_UNSUPPORTED_PS, CV_E_UNSUPPORTED},                        /* 1295 */
    {ER_INVALID_CHARACTER_STRING, CV_E_INVALID},                  /* 1300 */
    {ER_SP_DOES_NOT_EXIST, CV_E_SQL},                             /* 1305 */
    {ER_QUERY_INTERRUPTED, CV_E_TIMEOUT},                         /* 1317 */
    {ER_NO_DEFAULT_FOR_FIELD, CV_E_NOT_NULL},                     /* 1364 */
    {ER_DIVISION_BY_ZERO, CV_E_INVALID},                          /* 1365 */
    {ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, CV_E_INVALID},           /* 1366 */
    {ER_VIEW_CHECK_FAILED, CV_E_CHECK},                           /* 1369 */
    {ER_PROCACCESS_DENIED_ERROR, CV_E_PERMISSION},                /* 1370 */
    {ER_XAER_NOTA, CV_E_NOT_FOUND},                               /* 1397 */
    {ER_XAER_INVAL, CV_E_INVALID},                                /* 1398 */
    {ER_XAER_RMFAIL, CV_E_STATE},                                 /* 1399 */
    {ER_XAER_OUTSIDE, CV_E_IN_TRANSACTION},                       /* 1400 */
    {ER_XAER_RMERR, CV_E_DB},                                     /* 1401 */
    {ER_XA_RBROLLBACK, CV_E_TX_ABORTED},                          /* 1402 */
    {ER_DATA_TOO_LONG, CV_E_RANGE},                               /* 1406 */
    {ER_CANT_CREATE_GEOMETRY_OBJECT, CV_E_INVALID},               /* 1416 */
    {ER_COMMIT_NOT_ALLOWED_IN_SF_OR_TRG, CV_E_UNSUPPORTED},       /* 1422 */
    {ER_TOO_BIG_PRECISION, CV_E_SQL},                             /* 1426 */
    {ER_XAER_DUPID, CV_E_EXISTS},                                 /* 1440 */
    {ER_DATETIME_FUNCTION_OVERFLOW, CV_E_RANGE},                  /* 1441 */
    {ER_ROW_IS_REFERENCED_2, CV_E_FOREIGN_KEY},                   /* 1451 */
    {ER_NO_REFERENCED_ROW_2, CV_E_FOREIGN_KEY},                   /* 1452 */
    {ER_MAX_PREPARED_STMT_COUNT_REACHED, CV_E_LIMIT},             /* 1461 */
    {ER_WRONG_NAME_FOR_INDEX, CV_E_SQL},                          /* 1280 */
    {ER_READ_ONLY_MODE, CV_E_READ_ONLY},                          /* 1836 */
    {ER_FOREIGN_DUPLICATE_KEY_WITH_CHILD_INFO, CV_E_FOREIGN_KEY}, /* 1761 */
    {ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, CV_E_READ_ONLY},   /* 1792 */
    {ER_CONNECTION_KILLED, CV_E_CONNECTION_LOST},                 /* 1927 */
    {ER_STATEMENT_TIMEOUT, CV_E_TIMEOUT},                         /* 1969 */
    {MYSQL_QUERY_TIMEOUT, CV_E_TIMEOUT},
    {MYSQL_LOCK_NOWAIT, CV_E_LOCKED},
    {MYSQL_CHECK_VIOLATED, CV_E_CHECK},
    {ER_CONSTRAINT_FAILED, CV_E_CHECK}, /* 4025 */
    {MYSQL_CLIENT_INTERACTION_TIMEOUT, CV_E_CONNECTION_LOST},
    {ER_ACCOUNT_HAS_BEEN_LOCKED, CV_E_AUTH}, /* 4151 */
    /* of Connector/C */
    {CR_CONNECTION_ERROR, CV_E_REFUSED}, /* 2002 */
    {CR_CONN_HOST_ERROR, CV_E_REFUSED},  /* 2003 */
    {CR_SERVER_GONE_ERROR, CV_E_CONNECTION_LOST},
    {CR_OUT_OF_MEMORY, CV_E_NOMEM},
    {CR_SERVER_HANDSHAKE_ERR, CV_E_CONNECTION_LOST},
    {CR_SERVER_LOST, CV_E_CONNECTION_LOST}, /* 2013 */
    {CR_NET_PACKET_TOO_LARGE, CV_E_LIMIT},
    {CR_SSL_CONNECTION_ERROR, CV_E_TLS}, /* 2026 */
    {CR_SERVER_LOST_EXTENDED, CV_E_CONNECTION_LOST},
    {CR_AUTH_PLUGIN_CANNOT_LOAD, CV_E_AUTH},
    {CR_AUTH_PLUGIN_ERR, CV_E_AUTH},
    {CR_ERR_NET_READ, CV_E_CONNECTION_LOST},
    {CR_ERR_NET_WRITE, CV_E_CONNECTION_LOST},
};

/* By the class of SQLSTATE, for the many that have no row. */
static const struct {
    char prefix[6];
    int code;
} classes[] = {
    {"08", CV_E_CONNECTION_LOST},
    {"22001", CV_E_RANGE},
    {"22003", CV_E_RANGE},
    {"22", CV_E_INVALID},
    {"23", CV_E_CHECK},
    {"25", CV_E_STATE},
    {"28", CV_E_AUTH},
    {"40001", CV_E_SERIALIZATION},
    {"42", CV_E_SQL},
    {"3D", CV_E_SQL},
    {"70100", CV_E_TIMEOUT},
    {"XA", CV_E_STATE},
};

int cv__my_error_code(unsigned number)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].number == number)
            return codes[i].code;
    return CV_E_DB;
}

static int code_of(unsigned number, const char *sqlstate)
{
    int code = cv__my_error_code(number);
    for (size_t i = 0; code == CV_E_DB && sqlstate && i < sizeof classes / sizeof classes[0]; i++)
        if (strncmp(sqlstate, classes[i].prefix, strlen(classes[i].prefix)) == 0)
            return classes[i].code;
    return code;
}

bool cv__my_is_lost(unsigned number)
{
    switch (number) {
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_MALFORMED_PACKET:
    case CR_COMMANDS_OUT_OF_SYNC:
    case CR_ERR_NET_READ:
    case CR_ERR_NET_WRITE:
        return true;
    default:
        return cv__my_error_code(number) == CV_E_CONNECTION_LOST;
    }
}

bool cv__my_is_outdated(unsigned number)
{
    return number == ER_NEED_REPREPARE || number == ER_UNKNOWN_STMT_HANDLER || number == CR_NO_PREPARE_STMT ||
           number == CR_STMT_CLOSED;
}

/* --- places --- */

/* The text between the first `before` and the next `after` behind it, copied; NULL where there is none. */
static const char *between(cv_ctx *cx, const char *text, const char *before, const char *after)
{
    const char *start = strstr(text, before);
    if (!start)
        return NULL;
    start += strlen(before);
    const char *end = strstr(start, after);
    return end ? cv_strndup(cx, start, (size_t)(end - start)) : NULL;
}

/* "db.table", "db"."table": the last name. */
static const char *last_name(cv_ctx *cx, const char *path)
{
    const char *dot = path ? strrchr(path, '.') : NULL;
    const char *name = dot ? dot + 1 : path;
    if (!name)
        return NULL;
    size_t len = strlen(name);
    return len >= 2 && name[0] == '"' && name[len - 1] == '"' ? cv_strndup(cx, name + 1, len - 2) : name;
}

static cv_str take_word(cv_str *text)
{
    *text = cv_str_trim(*text);
    size_t len = 0;
    while (len < text->len && !strchr(" \t\r\n(", text->ptr[len]))
        len++;
    cv_str word = cv_str_sub(*text, 0, len);
    *text = cv_str_sub(*text, len, text->len);
    return word;
}

/* The table that a statement writes to, by its first words: errors of unique keys do not tell it. */
static const char *written_table(cv_ctx *cx, cv_str sql)
{
    static const char *const verbs[] = {"INSERT", "REPLACE", "UPDATE", NULL};
    static const char *const modifiers[] = {"INTO", "IGNORE", "LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", NULL};
    cv_str word = take_word(&sql);
    if (!cv__is_one_of(word, verbs))
        return NULL;
    do
        word = take_word(&sql);
    while (cv__is_one_of(word, modifiers));
    for (ptrdiff_t dot; (dot = cv_str_find(word, CV_STR("."))) >= 0;)
        word = cv_str_sub(word, (size_t)dot + 1, word.len);
    if (word.len >= 2 && (word.ptr[0] == '"' || word.ptr[0] == '`'))
        word = cv_str_sub(word, 1, word.len - 2);
    return word.len > 0 ? cv_strndup(cx, word.ptr, word.len) : NULL;
}

/* ... constraint fails ("db"."child", CONSTRAINT "name" FOREIGN KEY ("column") REFERENCES ... */
static void place_foreign_key(cv_ctx *cx, const char *sqlstate, const char *message)
{
    const char *column = between(cx, message, "FOREIGN KEY (\"", "\")");
    if (column && strchr(column, '"'))
        column = NULL; /* of several columns */
    const char *path = between(cx, message, "fails (", ", CONSTRAINT");
    cv_error_place(cx, sqlstate, last_name(cx, path), column, between(cx, message, "CONSTRAINT \"", "\""));
}

/* "Duplicate entry '1' for key 'name'", which MySQL writes 'table.name'. */
static void place_unique(cv_ctx *cx, const char *sqlstate, const char *message, cv_str sql)
{
    const char *key = between(cx, message, "for key '", "'");
    const char *after = message;
    for (const char *next; (next = strstr(after, "for key '")); after = next + 1)
        key = between(cx, next, "for key '", "'"); /* the entry may hold these words */
    cv_error_place(cx, sqlstate, written_table(cx, sql), NULL, last_name(cx, key));
}

static const char *quoted_column(cv_ctx *cx, const char *message)
{
    const char *column = between(cx, message, "column '", "'");
    if (!column)
        column = between(cx, message, "Column '", "'");
    if (!column)
        column = between(cx, message, "Field '", "'");
    if (!column)
        column = between(cx, message, "for column ", " at row");
    return last_name(cx, column);
}

/* Names are quoted by the mode of the session at the time: all as in the standard. */
static const char *with_standard_quotes(cv_ctx *cx, const char *message)
{
    char *copy = cv_strndup(cx, message, strlen(message));
    for (char *at = copy; at && *at; at++)
        if (*at == '`')
            *at = '"';
    return copy ? copy : "";
}

static void place(cv_ctx *cx, unsigned number, const char *sqlstate, const char *message, cv_str sql)
{
    message = with_standard_quotes(cx, message);
    switch (number) {
    case ER_DUP_ENTRY:
    case ER_DUP_UNIQUE:
        place_unique(cx, sqlstate, message, sql);
        break;
    case ER_ROW_IS_REFERENCED_2:
    case ER_NO_REFERENCED_ROW_2:
        place_foreign_key(cx, sqlstate, message);
        break;
    case ER_CONSTRAINT_FAILED: /* CONSTRAINT "name" failed for "db"."table" */
        cv_error_place(cx, sqlstate, last_name(cx, strstr(message, "failed for ")), NULL,
                       between(cx, message, "CONSTRAINT \"", "\""));
        break;
    case MYSQL_CHECK_VIOLATED:
        cv_error_place(cx, sqlstate, NULL, NULL, between(cx, message, "constraint '", "'"));
        break;
    case ER_BAD_NULL_ERROR:
    case ER_NO_DEFAULT_FOR_FIELD:
    case ER_DATA_TOO_LONG:
    case ER_WARN_DATA_OUT_OF_RANGE:
    case WARN_DATA_TRUNCATED:
    case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD:
    case ER_TRUNCATED_WRONG_VALUE:
        cv_error_place(cx, sqlstate, written_table(cx, sql), quoted_column(cx, message), NULL);
        break;
    default:
        cv_error_place(cx, sqlstate, NULL, NULL, NULL);
    }
}

static void advise(cv_ctx *cx, unsigned number)
{
    if (number == ER_NET_PACKET_TOO_LARGE || number == CR_NET_PACKET_TOO_LARGE)
        cv_error_hint(cx,
                      "the server takes no more than its max_allowed_packet in one statement: raise it, or send less");
    else if (number == ER_LOCK_WAIT_TIMEOUT)
        cv_error_hint(cx, "another transaction holds a lock for longer than innodb_lock_wait_timeout");
    else if (number == ER_CHECKREAD)
        cv_error_hint(cx, "another transaction has changed the row since this one began to read: try again");
    else if (number == ER_RECORD_FILE_FULL || number == ER_DISK_FULL)
        cv_error_hint(cx, "free some space on the server's disk; what was committed before is safe");
    else if (number == ER_NO_DB_ERROR)
        cv_error_hint(cx, "name one in the database URL, behind the host: mysql://user@host/name");
    else if (number == ER_BINLOG_STMT_MODE_AND_ROW_ENGINE)
        cv_error_hint(cx, "set binlog_format = MIXED or ROW on the server");
    else if (number == ER_TOO_LONG_KEY)
        cv_error_hint(cx, "keys of texts need a maximum length: 768 characters at most");
}

const char *cv__my_state(int code, const char *sqlstate)
{
    switch (code) {
    case CV_E_UNIQUE:
        return "23505";
    case CV_E_FOREIGN_KEY:
        return "23503";
    case CV_E_NOT_NULL:
        return "23502";
    case CV_E_CHECK:
        return "23514";
    case CV_E_DISK_FULL:
        return "53100";
    case CV_E_TOO_MANY_CONNECTIONS:
        return "53300";
    default:
        return sqlstate;
    }
}

/* "Incorrect date value: '2026-02-30' for column ...", but not "... value: 'abc' ...". */
static bool is_date_out_of_range(const char *message)
{
    const char *value = strstr(message, "value: '");
    return strncmp(message, "Incorrect date", 14) == 0 && value && value[8] - '0' + 0u < 10u;
}

int cv__my_fail_with(cv_ctx *cx, unsigned number, const char *sqlstate, const char *message, cv_str sql)
{
    int code = code_of(number, sqlstate);
    const char *near = number == ER_PARSE_ERROR ? strstr(message, "near ") : NULL;
    if (number == ER_TRUNCATED_WRONG_VALUE && is_date_out_of_range(message))
        code = CV_E_RANGE;
    int rc = near ? cv_fail(cx, code, "syntax error %s", near)
                  : cv_fail(cx, code, "%s", *message ? message : "MariaDB gave no reason");
    cv_error_detail(cx, "error %u (%s)", number, sqlstate);
    CV_SCOPE(cx)
    {
        place(cx, number, cv__my_state(rc, sqlstate), message, sql);
    }
    advise(cx, number);
    return rc;
}
