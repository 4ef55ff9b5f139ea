/* MariaDB, as its sessions are set up (ANSI_QUOTES, PIPES_AS_CONCAT, NO_BACKSLASH_ESCAPES, strict; times in UTC): most
 * column types have an exact counterpart. Arrays and ranges, which it does not have, are JSON texts as on SQLite.
 *
 * Texts compare as bytes, without padding (utf8mb4_nopad_bin), as on the other engines. */
#include "base/packed.h"
#include "sql/dialect_common.h"

#include <math.h>

/* A VARCHAR of four bytes a character, within the 65,535 bytes of a row. */
enum { LONGEST_VARCHAR = 16383, MOST_DIGITS = 65, MOST_PLACES = 27 };

/* 0001-01-01 to 9999-12-31, in days since 1970-01-01. */
enum { FIRST_DAY = -719162, LAST_DAY = 2932896 };
#define DAY_US (INT64_C(86400) * 1000000)

static void add_placeholder(cv_buf *out, size_t index)
{
    (void)index;
    cv_buf_add_char(out, '?');
}

/* Without a bound: the widest there is. It holds every whole number that a cv_decimal does. */
static void add_decimal_type(cv_buf *out, const cv__column_type *type)
{
    cv_buf_printf(out, "DECIMAL(%u,%u)", type->digits ? type->digits : MOST_DIGITS,
                  type->digits ? type->places : MOST_PLACES);
}

static void add_column_type(cv_buf *out, const cv__column_type *type)
{
    switch (type->type) {
    case CV_TYPE_BOOL:
        cv_buf_add_text(out, "TINYINT(1)");
        break;
    case CV_TYPE_I64:
        cv_buf_add_text(out, type->bits == 16 ? "SMALLINT" : type->bits == 32 ? "INT" : "BIGINT");
        break;
    case CV_TYPE_F64:
        cv_buf_add_text(out, "DOUBLE");
        break;
    case CV_TYPE_DECIMAL:
        add_decimal_type(out, type);
        break;
    case CV_TYPE_TEXT:
        if (type->max_length && type->max_length <= LONGEST_VARCHAR)
            cv_buf_printf(out, "VARCHAR(%u)", type->max_length);
        else
            cv_buf_add_text(out, "LONGTEXT");
        break;
    case CV_TYPE_TIME:
        cv_buf_add_text(out, "DATETIME(6)");
        break;
    case CV_TYPE_DATE:
        cv_buf_add_text(out, "DATE");
        break;
    case CV_TYPE_UUID:
        cv_buf_add_text(out, "UUID");
        break;
    case CV_TYPE_JSON:
    case CV_TYPE_ARRAY:
    case CV_TYPE_RANGE:
        cv_buf_add_text(out, "JSON");
        break;
    case CV_TYPE_BYTES:
    case CV_TYPE_NULL:
        cv_buf_add_text(out, "LONGBLOB");
        break;
    }
}

static void add_identity(cv_buf *out)
{
    cv_buf_add_text(out, "BIGINT AUTO_INCREMENT PRIMARY KEY");
}

/* Both our own spelling and that of the catalogue. A JSON column is a LONGTEXT there: it says nothing. */
static const cv__type_name type_names[] = {
    {"smallint", CV_TYPE_I64, 16},   {"int", CV_TYPE_I64, 32},        {"integer", CV_TYPE_I64, 32},
    {"bigint", CV_TYPE_I64, 64},     {"double", CV_TYPE_F64, 0},      {"float", CV_TYPE_F64, 0},
    {"decimal", CV_TYPE_DECIMAL, 0}, {"varchar", CV_TYPE_TEXT, 0},    {"char", CV_TYPE_TEXT, 0},
    {"longtext", CV_TYPE_TEXT, 0},   {"mediumtext", CV_TYPE_TEXT, 0}, {"text", CV_TYPE_TEXT, 0},
    {"tinytext", CV_TYPE_TEXT, 0},   {"longblob", CV_TYPE_BYTES, 0},  {"mediumblob", CV_TYPE_BYTES, 0},
    {"blob", CV_TYPE_BYTES, 0},      {"varbinary", CV_TYPE_BYTES, 0}, {"datetime", CV_TYPE_TIME, 0},
    {"timestamp", CV_TYPE_TIME, 0},  {"date", CV_TYPE_DATE, 0},       {"uuid", CV_TYPE_UUID, 0},
    {"json", CV_TYPE_JSON, 0},       {"boolean", CV_TYPE_BOOL, 0},
};

/* TINYINT is a boolean when it shows one digit, else a small integer. */
static bool parse_column_type(cv_str declared, cv__column_type *ret_type)
{
    cv_str name = cv_str_trim(declared);
    if (cv_str_equal_nocase(name, CV_STR("tinyint(1)"))) {
        *ret_type = (cv__column_type){.type = CV_TYPE_BOOL};
        return true;
    }
    if (cv_str_starts_with(name, CV_STR("tinyint"))) {
        *ret_type = (cv__column_type){.type = CV_TYPE_I64, .bits = 16};
        return true;
    }
    return cv__parse_type(type_names, sizeof type_names / sizeof type_names[0], name, ret_type);
}

static bool is_storable_decimal(cv_decimal value, const cv__column_type *type)
{
    static const cv__column_type widest = {.digits = MOST_DIGITS, .places = MOST_PLACES};
    return !type || cv__decimal_fits(value, type->digits ? type : &widest);
}

static int store(cv_arena *arena, cv_value value, const cv__column_type *type, cv_value *ret_stored)
{
    bool fits = true;
    switch (value.type) {
    case CV_TYPE_DECIMAL: /* the engine would round to the column's places with no more than a note */
        fits = is_storable_decimal(value.as.decimal, type);
        break;
    case CV_TYPE_F64:
        fits = isfinite(value.as.f64);
        break;
    case CV_TYPE_TIME:
        fits = value.as.time.us >= FIRST_DAY * DAY_US && value.as.time.us < (LAST_DAY + 1) * DAY_US;
        break;
    case CV_TYPE_DATE:
        fits = value.as.date.days >= FIRST_DAY && value.as.date.days <= LAST_DAY;
        break;
    case CV_TYPE_ARRAY:
    case CV_TYPE_RANGE:
        return cv__store_as_json(arena, value, type, ret_stored);
    default:
        break;
    }
    if (!fits)
        return CV_E_RANGE;
    *ret_stored = value;
    return 0;
}

/* "2026-11-21 12:00:00.000000" of "2026-11-21T12:00:00.000000Z" */
static void add_time(cv_buf *out, cv_time time)
{
    char text[CV_TIME_TEXT_BYTES];
    size_t len = cv_time_format(time, text);
    for (size_t i = 0; i < len; i++)
        if (text[i] == 'T')
            text[i] = ' ';
    cv__add_quoted(out, cv_str_make(text, len - 1));
}

static void add_literal(cv_buf *out, cv_value value, const cv__column_type *type)
{
    (void)type;
    if (value.type == CV_TYPE_TIME)
        add_time(out, value.as.time);
    else
        cv__add_plain_literal(out, value);
}

/* The upper case of a text as Unicode 14 maps letter by letter ("ß" stays), compared as bytes. The collation of the
 * column itself would do it by older tables. */
static void add_text_lookup(cv_buf *out, cv__lookup lookup, cv_str left, size_t index)
{
    cv__add_like_lookup(out, &cv__dialect_mariadb, " COLLATE utf8mb4_uca1400_as_ci) COLLATE utf8mb4_nopad_bin", lookup,
                        left, index);
    cv_buf_add_text(out, cv__lookup_is_equality(lookup) ? "" : " ESCAPE '|'");
}

static int lookup_value(cv_arena *arena, cv__lookup lookup, cv_str text, cv_value *ret_value)
{
    return cv__like_pattern(arena, lookup, text, '|', ret_value);
}

const cv__dialect cv__dialect_mariadb = {
    .name = "mariadb",
    .max_params = 65535,
    .add_placeholder = add_placeholder,
    .positional = true,
    .add_column_type = add_column_type,
    .add_identity = add_identity,
    .add_literal = add_literal,
    .parse_column_type = parse_column_type,
    .store = store,
    .add_text_lookup = add_text_lookup,
    .lookup_value = lookup_value,
    .made_keys = CV__KEYS_FIRST_TOLD,
    .row_of_defaults = " () VALUES ()",
    .table_options = " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
    .nulls_first = true,
    .transactional_ddl = false,
    .joined_changes = true,
    .backquotes = true,
    .hash_comments = true,
};
