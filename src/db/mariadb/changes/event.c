#include "db/mariadb/changes/event.h"

#include <string.h>
#include <strings.h>

/* ---- bytes ---- */

const uint8_t *cv__bytes_take(cv__bytes_in *in, size_t len)
{
    if (in->bad || (size_t)(in->end - in->at) < len) {
        in->bad = true;
        return NULL;
    }
    const uint8_t *taken = in->at;
    in->at += len;
    return taken;
}

uint64_t cv__bytes_little(cv__bytes_in *in, size_t len)
{
    const uint8_t *bytes = cv__bytes_take(in, len);
    uint64_t number = 0;
    for (size_t i = len; bytes && i > 0; i--)
        number = number << 8 | bytes[i - 1];
    return number;
}

uint64_t cv__bytes_big(cv__bytes_in *in, size_t len)
{
    const uint8_t *bytes = cv__bytes_take(in, len);
    uint64_t number = 0;
    for (size_t i = 0; bytes && i < len; i++)
        number = number << 8 | bytes[i];
    return number;
}

uint64_t cv__bytes_packed(cv__bytes_in *in)
{
    uint64_t first = cv__bytes_little(in, 1);
    switch (first) {
    case 252:
        return cv__bytes_little(in, 2);
    case 253:
        return cv__bytes_little(in, 3);
    case 254:
        return cv__bytes_little(in, 8);
    default:
        return first;
    }
}

cv__bytes_in cv__bytes_part(cv__bytes_in *in, size_t len)
{
    const uint8_t *bytes = cv__bytes_take(in, len);
    return (cv__bytes_in){.at = bytes, .end = bytes ? bytes + len : NULL, .bad = !bytes};
}

static cv_str take_text(cv__bytes_in *in, size_t len)
{
    const uint8_t *bytes = cv__bytes_take(in, len);
    return cv_str_make((const char *)bytes, bytes ? len : 0);
}

static cv__bytes_in body_of(const cv__binlog_event *event)
{
    return (cv__bytes_in){.at = event->body, .end = event->body + event->len};
}

static size_t left(const cv__bytes_in *in)
{
    return in->bad ? 0 : (size_t)(in->end - in->at);
}

/* ---- events ---- */

bool cv__binlog_event_read(const uint8_t *bytes, size_t len, cv__binlog_event *ret_event)
{
    cv__bytes_in in = {.at = bytes, .end = bytes + len};
    cv__binlog_event event = {.seconds = (uint32_t)cv__bytes_little(&in, 4)};
    event.type = (uint8_t)cv__bytes_little(&in, 1);
    event.server_id = (uint32_t)cv__bytes_little(&in, 4);
    (void)cv__bytes_take(&in, 8); /* its length, and where the next one is */
    event.flags = (uint16_t)cv__bytes_little(&in, 2);
    event.body = in.at;
    event.len = left(&in);
    *ret_event = event;
    return !in.bad;
}

bool cv__binlog_begin_read(const cv__binlog_event *event, cv__binlog_begin *ret_begin)
{
    enum { ALONE = 1, GROUP_COMMIT = 2, PREPARED = 64, COMPLETED = 128 };
    cv__bytes_in in = body_of(event);
    cv__binlog_begin begin = {.gtid.server = event->server_id};
    begin.gtid.number = cv__bytes_little(&in, 8);
    begin.gtid.domain = (uint32_t)cv__bytes_little(&in, 4);
    unsigned flags = (unsigned)cv__bytes_little(&in, 1);
    begin.alone = flags & ALONE;
    begin.is_prepared = flags & PREPARED;
    begin.is_completed = flags & COMPLETED;
    if (flags & GROUP_COMMIT)
        (void)cv__bytes_take(&in, 8);
    if (flags & (PREPARED | COMPLETED)) {
        const char *xid = (const char *)in.at;
        (void)cv__bytes_take(&in, 4);
        size_t global = cv__bytes_little(&in, 1), branch = cv__bytes_little(&in, 1);
        (void)cv__bytes_take(&in, global + branch);
        begin.xid = cv_str_make(xid, in.bad ? 0 : 6 + global + branch);
    }
    *ret_begin = begin;
    return !in.bad && !(begin.is_prepared && begin.is_completed);
}

bool cv__binlog_query_read(const cv__binlog_event *event, cv__binlog_query *ret_query)
{
    cv__bytes_in in = body_of(event);
    (void)cv__bytes_take(&in, 8); /* the thread, and how long it took */
    size_t database = cv__bytes_little(&in, 1);
    (void)cv__bytes_take(&in, 2); /* its error */
    size_t status = cv__bytes_little(&in, 2);
    (void)cv__bytes_take(&in, status);
    ret_query->database = take_text(&in, database);
    (void)cv__bytes_take(&in, 1);
    ret_query->sql = take_text(&in, left(&in));
    return !in.bad;
}

bool cv__binlog_map_read(const cv__binlog_event *event, cv__binlog_map *ret_map)
{
    cv__bytes_in in = body_of(event);
    cv__binlog_map map = {.table_id = cv__bytes_little(&in, 6)};
    (void)cv__bytes_take(&in, 2); /* flags */
    map.database = take_text(&in, cv__bytes_little(&in, 1));
    (void)cv__bytes_take(&in, 1);
    map.table = take_text(&in, cv__bytes_little(&in, 1));
    (void)cv__bytes_take(&in, 1);
    map.column_count = cv__bytes_packed(&in);
    map.types = cv__bytes_take(&in, map.column_count);
    map.metadata = cv__bytes_part(&in, cv__bytes_packed(&in));
    (void)cv__bytes_take(&in, (map.column_count + 7) / 8); /* which of them may be NULL */
    map.optional = cv__bytes_part(&in, left(&in));
    *ret_map = map;
    return !in.bad;
}

static cv_change_kind kind_of_rows(uint8_t type)
{
    if (type == CV__BINLOG_WRITE_ROWS || type == CV__BINLOG_WRITE_ROWS_COMPRESSED)
        return CV_CHANGE_INSERT;
    if (type == CV__BINLOG_UPDATE_ROWS || type == CV__BINLOG_UPDATE_ROWS_COMPRESSED)
        return CV_CHANGE_UPDATE;
    return CV_CHANGE_DELETE;
}

static bool has_any(const uint8_t *bits, size_t count)
{
    for (size_t i = 0; bits && i < count; i++)
        if (bits[i / 8] >> i % 8 & 1)
            return true;
    return false;
}

/* Rows of nothing take no bytes: they would never end. */
bool cv__binlog_rows_read(const cv__binlog_event *event, cv__binlog_rows *ret_rows)
{
    cv__bytes_in in = body_of(event);
    cv__binlog_rows rows = {.kind = kind_of_rows(event->type), .table_id = cv__bytes_little(&in, 6)};
    (void)cv__bytes_take(&in, 2); /* flags */
    rows.column_count = cv__bytes_packed(&in);
    size_t bitmap = rows.column_count / 8 + (rows.column_count % 8 != 0);
    rows.present = cv__bytes_take(&in, bitmap);
    rows.present_after = rows.kind == CV_CHANGE_UPDATE ? cv__bytes_take(&in, bitmap) : rows.present;
    rows.rows = cv__bytes_part(&in, left(&in));
    *ret_rows = rows;
    return !in.bad && (left(&rows.rows) == 0 || has_any(rows.present, rows.column_count) ||
                       has_any(rows.present_after, rows.column_count));
}

/* ---- statements ---- */

typedef struct words {
    const char *at, *end;
} words;

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

static const char *find(const char *at, const char *end, const char *text)
{
    const char *found = memmem(at, (size_t)(end - at), text, strlen(text));
    return found ? found + strlen(text) : end;
}

/* Space and comments. What stands in a comment for MySQL or MariaDB alone is part of the statement. */
static void skip_space(words *w)
{
    while (w->at < w->end) {
        if (strchr(" \t\r\n;", *w->at) && *w->at)
            w->at++;
        else if (w->end - w->at > 2 && memcmp(w->at, "/*!", 3) == 0)
            for (w->at += 3; w->at < w->end && *w->at >= '0' && *w->at <= '9';)
                w->at++;
        else if (w->end - w->at > 3 && memcmp(w->at, "/*M!", 4) == 0)
            for (w->at += 4; w->at < w->end && *w->at >= '0' && *w->at <= '9';)
                w->at++;
        else if (w->end - w->at > 1 && memcmp(w->at, "/*", 2) == 0)
            w->at = find(w->at, w->end, "*/");
        else if (w->end - w->at > 1 && memcmp(w->at, "*/", 2) == 0)
            w->at += 2;
        else if (*w->at == '#' || (w->end - w->at > 1 && memcmp(w->at, "--", 2) == 0))
            w->at = find(w->at, w->end, "\n");
        else
            return;
    }
}

static cv_str peek_word(words *w)
{
    skip_space(w);
    const char *end = w->at;
    while (end < w->end && is_word_char(*end))
        end++;
    return cv_str_make(w->at, (size_t)(end - w->at));
}

static bool is_word(cv_str word, const char *wanted)
{
    return word.len == strlen(wanted) && strncasecmp(word.ptr, wanted, word.len) == 0;
}

static bool take_word(words *w, const char *wanted)
{
    cv_str word = peek_word(w);
    if (!is_word(word, wanted))
        return false;
    w->at += word.len;
    return true;
}

static void take_words(words *w, const char *a, const char *b, const char *c)
{
    words before = *w;
    if (!take_word(w, a) || (b && !take_word(w, b)) || (c && !take_word(w, c)))
        *w = before;
}

/* `name`, "name" or name; NULL: there is none. */
static const char *take_name(cv_arena *arena, words *w)
{
    skip_space(w);
    if (w->at == w->end)
        return NULL;
    char quote = *w->at;
    if (quote != '`' && quote != '"') {
        cv_str word = peek_word(w);
        w->at += word.len;
        return word.len ? cv_arena_strndup(arena, word.ptr, word.len) : NULL;
    }
    char *name = cv_arena_alloc(arena, (size_t)(w->end - w->at) + 1);
    size_t len = 0;
    for (w->at++; name && w->at < w->end; w->at++) {
        if (*w->at == quote && (w->at + 1 == w->end || w->at[1] != quote))
            break;
        w->at += *w->at == quote;
        name[len++] = *w->at;
    }
    if (!name || w->at == w->end)
        return NULL;
    w->at++;
    name[len] = '\0';
    return name;
}

static void take_table(cv_arena *arena, words *w, cv_str database, const char **ret_schema, const char **ret_table)
{
    const char *first = take_name(arena, w), *second = NULL;
    skip_space(w);
    if (first && w->at < w->end && *w->at == '.') {
        w->at++;
        second = take_name(arena, w);
    }
    skip_space(w);
    *ret_schema = second ? first : cv_arena_strndup(arena, database.ptr ? database.ptr : "", database.len);
    if (first && (w->at == w->end || *w->at != ','))
        *ret_table = second ? second : first;
}

static bool take_table_word(words *w)
{
    take_words(w, "OR", "REPLACE", NULL);
    take_word(w, "ONLINE");
    take_word(w, "IGNORE");
    if (take_word(w, "TEMPORARY"))
        return false;
    return take_word(w, "TABLE");
}

/* CREATE INDEX i ON t, DROP INDEX i ON t. */
static bool take_index_word(cv_arena *arena, words *w)
{
    take_word(w, "UNIQUE");
    take_word(w, "FULLTEXT");
    take_word(w, "SPATIAL");
    if (!take_word(w, "INDEX"))
        return false;
    take_words(w, "IF", "NOT", "EXISTS");
    take_words(w, "IF", "EXISTS", NULL);
    (void)take_name(arena, w);
    if (!take_word(w, "ON")) {
        take_words(w, "USING", "BTREE", NULL);
        take_words(w, "USING", "HASH", NULL);
        take_word(w, "ON");
    }
    return true;
}

static cv__binlog_statement_kind schema_statement(cv_arena *arena, words *w, cv_str database, const char **ret_schema,
                                                  const char **ret_table)
{
    if (take_word(w, "DATABASE") || take_word(w, "SCHEMA")) {
        take_words(w, "IF", "NOT", "EXISTS");
        take_words(w, "IF", "EXISTS", NULL);
        *ret_schema = take_name(arena, w);
        return CV__BINLOG_SCHEMA;
    }
    words before = *w;
    if (take_table_word(w) || (*w = before, take_index_word(arena, w))) {
        take_words(w, "IF", "NOT", "EXISTS");
        take_words(w, "IF", "EXISTS", NULL);
        take_table(arena, w, database, ret_schema, ret_table);
        return CV__BINLOG_SCHEMA;
    }
    return CV__BINLOG_OTHER;
}

static bool is_data(cv_str word)
{
    static const char *const data[] = {"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"};
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++)
        if (is_word(word, data[i]))
            return true;
    return false;
}

cv__binlog_statement_kind cv__binlog_statement(cv_arena *arena, const cv__binlog_query *query, const char **ret_schema,
                                               const char **ret_table)
{
    words w = {.at = query->sql.ptr, .end = query->sql.ptr + query->sql.len};
    *ret_schema = *ret_table = NULL;
    if (query->sql.len == 0)
        return CV__BINLOG_OTHER;
    if (take_word(&w, "BEGIN"))
        return CV__BINLOG_BEGIN;
    if (take_word(&w, "COMMIT") || take_word(&w, "ROLLBACK")) {
        return take_word(&w, "TO") ? CV__BINLOG_OTHER : CV__BINLOG_END;
    }
    if (take_word(&w, "TRUNCATE")) {
        take_word(&w, "TABLE");
        take_table(arena, &w, query->database, ret_schema, ret_table);
        return CV__BINLOG_TRUNCATE;
    }
    if (take_word(&w, "CREATE") || take_word(&w, "ALTER") || take_word(&w, "DROP") || take_word(&w, "RENAME"))
        return schema_statement(arena, &w, query->database, ret_schema, ret_table);
    return is_data(peek_word(&w)) ? CV__BINLOG_DATA : CV__BINLOG_OTHER;
}
