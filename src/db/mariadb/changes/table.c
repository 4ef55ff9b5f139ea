#include "db/mariadb/changes/table.h"

#include "db/mariadb/changes/codes.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_TABLE_BYTES = 4 * 1024 * 1024 };

/* The reference count lies in front of what everybody sees. */
typedef struct counted {
    cv__binlog_table table;
    atomic_uint refs;
} counted;

cv__binlog_table *cv__binlog_table_ref(cv__binlog_table *table)
{
    if (table)
        atomic_fetch_add(&((counted *)(void *)table)->refs, 1);
    return table;
}

void cv__binlog_table_unref(cv__binlog_table *table)
{
    if (table && atomic_fetch_sub(&((counted *)(void *)table)->refs, 1) == 1) {
        cv_arena_free(table->arena);
        free(table);
    }
}

static cv__binlog_table *new_table(size_t column_count)
{
    counted *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    atomic_init(&table->refs, 1);
    table->table.column_count = column_count;
    table->table.arena = cv_arena_new(MAX_TABLE_BYTES);
    if (table->table.arena)
        return &table->table;
    free(table);
    return NULL;
}

/* ---- types ---- */

/* What types have in the log, by the server's names for them. */
static const struct {
    const char *name;
    uint8_t code, other_code;
} logged_types[] = {
    {"tinyint", CV__CODE_TINY, 0},
    {"smallint", CV__CODE_SHORT, 0},
    {"mediumint", CV__CODE_INT24, 0},
    {"int", CV__CODE_LONG, 0},
    {"bigint", CV__CODE_LONGLONG, 0},
    {"float", CV__CODE_FLOAT, 0},
    {"double", CV__CODE_DOUBLE, 0},
    {"decimal", CV__CODE_NEWDECIMAL, 0},
    {"bit", CV__CODE_BIT, 0},
    {"year", CV__CODE_YEAR, 0},
    {"date", CV__CODE_DATE, CV__CODE_NEWDATE},
    {"time", CV__CODE_TIME2, CV__CODE_TIME},
    {"datetime", CV__CODE_DATETIME2, CV__CODE_DATETIME},
    {"timestamp", CV__CODE_TIMESTAMP2, CV__CODE_TIMESTAMP},
    {"varchar", CV__CODE_VARCHAR, CV__CODE_VARCHAR_COMPRESSED},
    {"varbinary", CV__CODE_VARCHAR, CV__CODE_VARCHAR_COMPRESSED},
    {"char", CV__CODE_STRING, 0},
    {"binary", CV__CODE_STRING, 0},
    {"enum", CV__CODE_ENUM, 0},
    {"set", CV__CODE_SET, 0},
    {"uuid", CV__CODE_STRING, 0},
    {"inet4", CV__CODE_STRING, 0},
    {"inet6", CV__CODE_STRING, 0},
    {"tinytext", CV__CODE_BLOB, CV__CODE_BLOB_COMPRESSED},
    {"text", CV__CODE_BLOB, CV__CODE_BLOB_COMPRESSED},
    {"mediumtext", CV__CODE_BLOB, CV__CODE_BLOB_COMPRESSED},
    {"longtext", CV__CODE_BLOB, CV__CODE_BLOB_COMPRESSED},
    {"tinyblob", CV__CODE_BLOB, CV__CODE_BLOB_COMPRESSED},
    {"blob", CV__CODE_BLOB, CV__CODE_BLOB_COMPRESSED},
    {"mediumblob", CV__CODE_BLOB, CV__CODE_BLOB_COMPRESSED},
    {"longblob", CV__CODE_BLOB, CV__CODE_BLOB_COMPRESSED},
};

/* Types without a row of their own here are those of places. */
static bool can_be(const cv__binlog_description *described, uint8_t code)
{
    for (size_t i = 0; i < sizeof logged_types / sizeof logged_types[0]; i++)
        if (strcasecmp(described->data_type, logged_types[i].name) == 0)
            return code == logged_types[i].code || (code && code == logged_types[i].other_code);
    return code == CV__CODE_GEOMETRY;
}

static uint8_t code_of(const cv__binlog_description *described)
{
    for (size_t i = 0; i < sizeof logged_types / sizeof logged_types[0]; i++)
        if (strcasecmp(described->data_type, logged_types[i].name) == 0)
            return logged_types[i].code;
    return CV__CODE_GEOMETRY;
}

static bool is_readable_charset(const char *charset)
{
    return strncasecmp(charset, "utf8", 4) == 0 || strcasecmp(charset, "ascii") == 0;
}

static bool is_type(const cv__binlog_description *described, const char *data_type)
{
    return strcasecmp(described->data_type, data_type) == 0;
}

static cv__binlog_sense sense_of_string(const cv__binlog_description *described)
{
    if (is_type(described, "uuid"))
        return CV__BINLOG_UUID;
    if (is_type(described, "inet4"))
        return CV__BINLOG_INET4;
    if (is_type(described, "inet6"))
        return CV__BINLOG_INET6;
    if (is_type(described, "binary"))
        return CV__BINLOG_PADDED;
    return described->charset && is_readable_charset(described->charset) ? CV__BINLOG_TEXT : CV__BINLOG_PLAIN;
}

/* Only what the type in the log can be. */
static cv__binlog_sense sense_of(const cv__binlog_description *described, uint8_t code)
{
    switch (code) {
    case CV__CODE_TINY:
        return described->column_type && strncasecmp(described->column_type, "tinyint(1)", 10) == 0 ? CV__BINLOG_BOOLEAN
                                                                                                    : CV__BINLOG_PLAIN;
    case CV__CODE_STRING:
    case CV__CODE_VARCHAR:
    case CV__CODE_VAR_STRING:
        return sense_of_string(described);
    case CV__CODE_BLOB:
        return described->json ? CV__BINLOG_JSON : sense_of_string(described);
    default:
        return CV__BINLOG_PLAIN;
    }
}

static bool is_integer(uint8_t code)
{
    return code == CV__CODE_TINY || code == CV__CODE_SHORT || code == CV__CODE_INT24 || code == CV__CODE_LONG ||
           code == CV__CODE_LONGLONG || code == CV__CODE_YEAR || code == CV__CODE_BIT;
}

static cv_type type_of(const cv__binlog_column *column)
{
    switch (column->sense) {
    case CV__BINLOG_BOOLEAN:
        return CV_TYPE_BOOL;
    case CV__BINLOG_JSON:
        return CV_TYPE_JSON;
    case CV__BINLOG_UUID:
        return CV_TYPE_UUID;
    case CV__BINLOG_INET4:
    case CV__BINLOG_INET6:
        return CV_TYPE_TEXT;
    case CV__BINLOG_TEXT:
    case CV__BINLOG_PLAIN:
    case CV__BINLOG_PADDED:
        break;
    }
    switch (column->code) {
    case CV__CODE_FLOAT:
    case CV__CODE_DOUBLE:
        return CV_TYPE_F64;
    case CV__CODE_NEWDECIMAL:
        return CV_TYPE_DECIMAL;
    case CV__CODE_DATE:
    case CV__CODE_NEWDATE:
        return CV_TYPE_DATE;
    case CV__CODE_DATETIME:
    case CV__CODE_DATETIME2:
    case CV__CODE_TIMESTAMP:
    case CV__CODE_TIMESTAMP2:
        return CV_TYPE_TIME;
    case CV__CODE_TIME:
    case CV__CODE_TIME2:
        return CV_TYPE_TEXT;
    case CV__CODE_ENUM:
    case CV__CODE_SET:
        return column->members ? CV_TYPE_TEXT : CV_TYPE_I64;
    default:
        if (is_integer(column->code))
            return CV_TYPE_I64;
        return column->sense == CV__BINLOG_TEXT ? CV_TYPE_TEXT : CV_TYPE_BYTES;
    }
}

/* ---- the members of an ENUM or SET: enum('a','it''s') ---- */

static char *take_member(cv_arena *arena, const char **at)
{
    char *member = cv_arena_alloc(arena, strlen(*at) + 1);
    size_t len = 0;
    if (!member)
        return NULL;
    for (++*at; **at && !(**at == '\'' && (*at)[1] != '\''); ++*at) {
        *at += **at == '\'';
        member[len++] = **at;
    }
    member[len] = '\0';
    *at += **at == '\'';
    return member;
}

static size_t count_members(const char *text)
{
    size_t count = 0;
    for (bool inside = false; *text; text++) {
        if (*text == '\'' && inside && text[1] == '\'')
            text++;
        else if (*text == '\'')
            count += inside = !inside;
    }
    return count;
}

static void take_members(cv_arena *arena, const char *column_type, cv__binlog_column *column)
{
    const char *at = column_type ? strchr(column_type, '\'') : NULL;
    size_t count = at ? count_members(at) : 0, i = 0;
    const char **members = count ? cv_arena_zalloc(arena, count, sizeof *members) : NULL;
    for (; members && i < count && *at == '\''; i++) {
        members[i] = take_member(arena, &at);
        if (!members[i])
            return;
        at += *at == ',';
    }
    if (i == count) {
        column->members = members;
        column->member_count = count;
    }
}

/* ---- what comes with the map ---- */

enum { SIGNEDNESS = 1, COLUMN_NAMES = 4, SIMPLE_KEY = 8, PREFIX_KEY = 9 };

typedef struct extras {
    cv__bytes_in signs, names;
    bool *keys;
} extras;

static void take_keys(cv__bytes_in in, bool with_prefix, size_t count, bool *keys)
{
    while (!in.bad && in.at < in.end) {
        size_t column = cv__bytes_packed(&in);
        if (with_prefix)
            (void)cv__bytes_packed(&in);
        if (!in.bad && column < count)
            keys[column] = true;
    }
}

static extras take_extras(const cv__binlog_map *map, bool *keys)
{
    extras found = {.signs.bad = true, .names.bad = true, .keys = keys};
    for (cv__bytes_in in = map->optional; !in.bad && in.at < in.end;) {
        uint64_t kind = cv__bytes_little(&in, 1);
        cv__bytes_in part = cv__bytes_part(&in, cv__bytes_packed(&in));
        if (kind == SIGNEDNESS)
            found.signs = part;
        else if (kind == COLUMN_NAMES)
            found.names = part;
        else if (kind == SIMPLE_KEY || kind == PREFIX_KEY)
            take_keys(part, kind == PREFIX_KEY, map->column_count, keys);
    }
    return found;
}

/* The lengths and the like of each type. For a CHAR its two upper bits hide among those of its type. */
static bool take_meta(cv__bytes_in *in, cv__binlog_column *column)
{
    switch (column->code) {
    case CV__CODE_FLOAT:
    case CV__CODE_DOUBLE:
    case CV__CODE_BLOB:
    case CV__CODE_BLOB_COMPRESSED:
    case CV__CODE_GEOMETRY:
    case CV__CODE_TIME2:
    case CV__CODE_DATETIME2:
    case CV__CODE_TIMESTAMP2:
        column->meta = (uint16_t)cv__bytes_little(in, 1);
        break;
    case CV__CODE_VARCHAR:
    case CV__CODE_VAR_STRING:
    case CV__CODE_VARCHAR_COMPRESSED:
        column->meta = (uint16_t)cv__bytes_little(in, 2);
        break;
    case CV__CODE_BIT:
    case CV__CODE_NEWDECIMAL:
        column->meta = (uint16_t)cv__bytes_big(in, 2);
        break;
    case CV__CODE_STRING:
    case CV__CODE_ENUM:
    case CV__CODE_SET: {
        unsigned type = (unsigned)cv__bytes_little(in, 1), len = (unsigned)cv__bytes_little(in, 1);
        bool is_long = (type & 0x30) != 0x30;
        column->meta = (uint16_t)(is_long ? len | ((type & 0x30) ^ 0x30) << 4 : len);
        column->code = (uint8_t)(type | 0x30);
        break;
    }
    default:
        break;
    }
    return !in->bad;
}

/* ---- making one ---- */

static bool same_types(const cv__binlog_column *columns, size_t count, const cv__binlog_description *described,
                       size_t described_count)
{
    if (count != described_count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!can_be(&described[i], columns[i].code))
            return false;
    return true;
}

static const cv__binlog_description *find_described(const char *name, uint8_t code,
                                                    const cv__binlog_description *described, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(described[i].name, name) == 0)
            return can_be(&described[i], code) ? &described[i] : NULL;
    return NULL;
}

static void describe(cv_arena *arena, const cv__binlog_description *described, cv__binlog_column *column,
                     cv_change_column *told)
{
    column->sense = sense_of(described, column->code);
    column->is_unsigned = described->column_type && strstr(described->column_type, " unsigned") != NULL;
    if (column->code == CV__CODE_ENUM || column->code == CV__CODE_SET)
        take_members(arena, described->column_type, column);
    if (described->column_type)
        told->sql_type = cv_arena_strdup(arena, described->column_type);
    told->key |= described->key;
}

static char *take_column_name(cv_arena *arena, cv__bytes_in *names, size_t index)
{
    cv__bytes_in before = *names;
    size_t len = cv__bytes_packed(names);
    const uint8_t *text = cv__bytes_take(names, len);
    if (before.bad || !text)
        return cv_arena_printf(arena, "@%zu", index + 1);
    return cv_arena_strndup(arena, (const char *)text, len);
}

static bool has_sign(uint8_t code)
{
    return (is_integer(code) && code != CV__CODE_BIT) || code == CV__CODE_NEWDECIMAL || code == CV__CODE_FLOAT ||
           code == CV__CODE_DOUBLE;
}

/* A bit for each column of numbers, the highest first. */
static void take_sign(const cv__bytes_in *signs, size_t index, cv__binlog_column *column)
{
    if (!signs->bad && index / 8 < (size_t)(signs->end - signs->at))
        column->is_unsigned = signs->at[index / 8] >> (7 - index % 8) & 1;
}

static bool fill_columns(cv__binlog_table *table, const cv__binlog_map *map, cv__binlog_column *columns,
                         cv_change_column *told, const cv__binlog_description *described, size_t count)
{
    bool *keys = cv_arena_zalloc(table->arena, map->column_count + 1, sizeof *keys);
    if (!keys)
        return false;
    extras more = take_extras(map, keys);
    bool named = !more.names.bad, as_described = same_types(columns, map->column_count, described, count);
    size_t sign = 0;
    for (size_t i = 0; i < map->column_count; i++) {
        told[i].key = keys[i];
        told[i].name = named || !as_described ? take_column_name(table->arena, &more.names, i)
                                              : cv_arena_strdup(table->arena, described[i].name);
        if (!told[i].name)
            return false;
        const cv__binlog_description *here = named ? find_described(told[i].name, columns[i].code, described, count)
                                             : as_described ? &described[i]
                                                            : NULL;
        if (here)
            describe(table->arena, here, &columns[i], &told[i]);
        if (has_sign(columns[i].code))
            take_sign(&more.signs, sign++, &columns[i]);
        told[i].type = type_of(&columns[i]);
    }
    return true;
}

static bool name_table(cv__binlog_table *table, cv_str schema, cv_str name)
{
    table->schema = cv_arena_strndup(table->arena, schema.ptr, schema.len);
    table->name = cv_arena_strndup(table->arena, name.ptr, name.len);
    return table->schema && table->name;
}

cv__binlog_table *cv__binlog_table_new(const cv__binlog_map *map, const cv__binlog_description *described, size_t count)
{
    cv__binlog_table *table = new_table(map->column_count);
    if (!table)
        return NULL;
    cv__binlog_column *columns = cv_arena_zalloc(table->arena, map->column_count + 1, sizeof *columns);
    cv_change_column *told = cv_arena_zalloc(table->arena, map->column_count + 1, sizeof *told);
    cv__bytes_in metadata = map->metadata;
    bool good = columns && told && name_table(table, map->database, map->table);
    for (size_t i = 0; good && i < map->column_count; i++) {
        columns[i].code = map->types[i];
        good = take_meta(&metadata, &columns[i]);
    }
    if (!good || !fill_columns(table, map, columns, told, described, count)) {
        cv__binlog_table_unref(table);
        return NULL;
    }
    table->columns = columns;
    table->told = told;
    return table;
}

cv__binlog_table *cv__binlog_table_described(const char *schema, const char *name,
                                             const cv__binlog_description *described, size_t count)
{
    cv__binlog_table *table = new_table(count);
    if (!table)
        return NULL;
    cv_change_column *told = cv_arena_zalloc(table->arena, count + 1, sizeof *told);
    bool good = told && name_table(table, cv_str_of(schema), cv_str_of(name));
    for (size_t i = 0; good && i < count; i++) {
        cv__binlog_column column = {.code = code_of(&described[i])};
        describe(table->arena, &described[i], &column, &told[i]);
        told[i].type = type_of(&column);
        told[i].name = cv_arena_strdup(table->arena, described[i].name);
        good = told[i].name != NULL;
    }
    if (!good) {
        cv__binlog_table_unref(table);
        return NULL;
    }
    table->told = told;
    return table;
}
