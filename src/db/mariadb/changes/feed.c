#include "db/mariadb/changes/feed.h"

#include "db/mariadb/dial.h"

#include <inttypes.h>
#include <mariadb_rpl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOG = 0, /* the connections, and their places in the queue's sockets */
    CONTROL = 1,
    FIRST_PAUSE_MS = 100,
    LONGEST_PAUSE_MS = 5000,
    NAME_WAIT_MS = 3000,
    MOST_MAPS = 4096,
    STATEMENT_BYTES = 2048,
    MOST_NAME_BYTES = 255,
    HEADER_BYTES = 19,
    MOST_XID_BYTES = 6 + 64 + 64,
    CHECKSUM_BYTES = 4,
};

/* A table by the number that the present log has for it. */
typedef struct known_table {
    uint64_t id;
    cv__binlog_table *table;
} known_table;

/* An XA transaction that is prepared and not yet decided. */
typedef struct prepared {
    cv_link link;
    char *xid;
    size_t xid_len, bytes;
    cv_link blocks;
    cv__binlog_position before; /* behind what came before it */
} prepared;

typedef struct failure {
    int code; /* 0: none */
    bool transient;
    char message[512], detail[512], hint[256];
} failure;

typedef struct feed {
    cv__binlog_queue *queue;
    cv__my_shared *shared;
    char *name;
    int64_t heartbeat_ms;
    bool from_now, started;
    MYSQL *connections[2];
    size_t host;
    failure failure;
    uint64_t random;
    cv_arena *arena; /* for one event */
    cv_arena_mark empty;
    /* the place: */
    cv__binlog_position position; /* behind the last complete transaction */
    cv__binlog_begin begin;       /* of the present one; its xid lies in the next */
    char xid[MOST_XID_BYTES];
    bool inside;
    uint32_t seconds;
    uint64_t handed, passes; /* events of it that were handed on; those still to be passed over after a reconnect */
    bool advanced;           /* since the last connect */
    bool has_checksums;      /* behind each event, as the present log says; Connector/C has compared them */
    /* tables: */
    known_table maps[MOST_MAPS];
    size_t map_count;
    /* XA: */
    cv_link undecided;
    prepared *preparing; /* the present transaction is one */
    size_t undecided_bytes;
} feed;

/* ---- failing ---- */

CV_PRINTF(3, 4) static int fail(feed *f, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    f->failure = (failure){.code = code};
    vsnprintf(f->failure.message, sizeof f->failure.message, format, args);
    va_end(args);
    return code;
}

CV_PRINTF(2, 3) static int hint(feed *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(f->failure.hint, sizeof f->failure.hint, format, args);
    va_end(args);
    return f->failure.code;
}

static int fail_nomem(feed *f)
{
    return fail(f, CV_E_NOMEM, "could not read changes: out of memory");
}

static int fail_corrupt(feed *f, const cv__binlog_event *event)
{
    return fail(f, CV_E_CORRUPT, "the binary log has a malformed event of type %d", event->type);
}

static bool is_transient(unsigned number, int code)
{
    return cv__my_is_lost(number) || cv_error_is_transient(code) || code == CV_E_REFUSED || code == CV_E_TIMEOUT ||
           code == CV_E_UNREACHABLE || code == CV_E_RESOLVE || code == CV_E_NO_SERVER;
}

/* What the server, or Connector/C, says of a connection. */
static int fail_server(feed *f, MYSQL *my, const char *what)
{
    unsigned number = mysql_errno(my);
    int code = cv__my_error_code(number);
    fail(f, code, "could not %s: %s", what, mysql_error(my));
    f->failure.transient = is_transient(number, code);
    if (code == CV_E_PERMISSION)
        return hint(f, "GRANT REPLICATION SLAVE ON *.* TO the user, and SELECT on the tables");
    return code;
}

/* What the server says when it cannot tell the log: error 1236 with different words. */
static int fail_log(feed *f, MYSQL *my)
{
    enum { CANNOT_READ_LOG = 1236, NO_MORE = 1236 };
    const char *text = mysql_error(my);
    if (mysql_errno(my) != CANNOT_READ_LOG)
        return fail_server(f, my, "read the binary log");
    if (strstr(text, "same server_")) {
        fail(f, CV_E_LOCKED, "another reader took the number of this one");
        f->failure.transient = true;
        return f->failure.code;
    }
    if (strstr(text, "max_allowed_packet")) {
        fail(f, CV_E_LIMIT, "could not read the binary log: %s", text);
        return hint(f, "raise max_allowed_packet of the server");
    }
    if (strstr(text, "Binary log is not open"))
        return fail(f, CV_E_CONFIG, "the server writes no binary log");
    fail(f, CV_E_GAP, "the changes behind the position \"%s\" are not in the binary log any more",
         f->started ? "reached" : "given");
    snprintf(f->failure.detail, sizeof f->failure.detail, "%s", text);
    return hint(
        f, "read the tables anew and open from now before that; keep logs for longer (binlog_expire_logs_seconds)");
}

/* ---- connecting ---- */

static void disconnect(feed *f, int which)
{
    if (!f->connections[which])
        return;
    cv__my_cutoff_let_go(&f->queue->cutoffs[which]);
    mysql_close(f->connections[which]);
    f->connections[which] = NULL;
}

static void set_timeouts(const feed *f, MYSQL *my)
{
    unsigned silence_s = (unsigned)((3 * f->heartbeat_ms + 999) / 1000);
    (void)mysql_options(my, MYSQL_OPT_READ_TIMEOUT, &silence_s);
    (void)mysql_options(my, MYSQL_OPT_WRITE_TIMEOUT, &silence_s);
}

static int fail_dial(feed *f, MYSQL *my, int code)
{
    static const char what[] = "could not connect to MariaDB for reading changes";
    if (code == CV_E_TLS) {
        fail(f, code, "%s: ssl_mode requires TLS, the server has none", what);
        return hint(f, CV__MY_NO_TLS_HINT);
    }
    if (code == CV_E_CLOSED)
        return fail(f, code, "the reader was closed");
    if (code == CV_E_TIMEOUT)
        fail(f, code, "%s: no answer in time", what);
    else if (code == CV_E_SYSTEM)
        fail(f, code, "%s: no file descriptor is left", what);
    else
        fail(f, cv__my_connect_code(my), "%s: %s", what, mysql_error(my));
    f->failure.transient = code == CV_E_SYSTEM || is_transient(mysql_errno(my), f->failure.code);
    return f->failure.code;
}

/* To an address of the host, or to the path that it is (NULL). */
static int connect_to_address(feed *f, int which, size_t host, const char *address)
{
    MYSQL *my = cv__my_handle(f->shared);
    if (!my)
        return fail_nomem(f);
    set_timeouts(f, my);
    int rc = cv__my_dial_now(&(cv__my_dial){
        .my = my, .shared = f->shared, .host = host, .address = address, .cutoff = &f->queue->cutoffs[which]});
    if (rc < 0) {
        rc = fail_dial(f, my, rc);
        cv__my_cutoff_let_go(&f->queue->cutoffs[which]);
        mysql_close(my);
        return rc;
    }
    f->connections[which] = my;
    return 0;
}

/* One after the other; on this thread the look-up may block. */
static int connect_to(feed *f, int which, size_t host)
{
    const char *name = f->shared->hosts[host].name;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    if (name[0] == '/')
        return connect_to_address(f, which, host, NULL);
    int error = getaddrinfo(name, NULL, &hints, &found);
    int rc = fail(f, CV_E_RESOLVE, "could not resolve \"%s\" for reading changes: %s", name, gai_strerror(error));
    f->failure.transient = true;
    if (error)
        return rc;
    for (const struct addrinfo *at = found; at && rc < 0 && f->failure.transient; at = at->ai_next) {
        char address[NI_MAXHOST];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST) == 0)
            rc = connect_to_address(f, which, host, address);
    }
    freeaddrinfo(found);
    return rc;
}

/* The host that was good last, then the others. The control connection goes where the log comes from. */
static int connect_log(feed *f)
{
    int rc = CV_E_REFUSED;
    for (size_t i = 0; i < f->shared->host_count; i++) {
        size_t index = (f->host + i) % f->shared->host_count;
        rc = connect_to(f, LOG, index);
        if (rc == 0) {
            f->host = index;
            return 0;
        }
        if (!f->failure.transient)
            return rc;
    }
    return rc;
}

/* ---- asking ---- */

static int run(feed *f, int which, const char *sql, const char *what)
{
    MYSQL *my = f->connections[which];
    return mysql_query(my, sql) == 0 ? 0 : fail_server(f, my, what);
}

static int ask(feed *f, int which, const char *sql, const char *what, MYSQL_RES **ret_rows)
{
    CV_TRY(run(f, which, sql, what));
    *ret_rows = mysql_store_result(f->connections[which]);
    return *ret_rows ? 0 : fail_server(f, f->connections[which], what);
}

static int check_settings(feed *f, MYSQL_ROW row)
{
    if (strcmp(row[0], "1") != 0) {
        fail(f, CV_E_CONFIG, "the server writes no binary log");
        return hint(f, "start it with --log-bin and --binlog-format=ROW");
    }
    if (strcmp(row[1], "ROW") != 0) {
        fail(f, CV_E_CONFIG, "the binary log is in the format %s: it does not have the rows", row[1]);
        return hint(f, "set binlog_format = ROW in the server's configuration");
    }
    if (!f->from_now)
        return 0;
    if (!row[2] || !cv__binlog_position_parse(row[2], &f->position))
        return fail(f, CV_E_LIMIT, "the position of the binary log \"%.200s\" has more than %d domains",
                    row[2] ? row[2] : "", CV__BINLOG_DOMAINS);
    f->from_now = false;
    return 0;
}

static int look_at_settings(feed *f)
{
    MYSQL_RES *rows;
    CV_TRY(ask(f, LOG, "SELECT @@global.log_bin, @@global.binlog_format, @@global.gtid_binlog_pos",
               "look at the settings of the binary log", &rows));
    MYSQL_ROW row = mysql_fetch_row(rows);
    int rc = row ? check_settings(f, row) : fail_server(f, f->connections[LOG], "look at the settings");
    mysql_free_result(rows);
    return rc;
}

/* One reader a name: the lock goes with the connection. The server may not have noticed yet that a reader was closed or
 * killed: it is waited for, but not so long that the connection would count as lost. */
static int take_name(feed *f)
{
    char sql[192];
    MYSQL_RES *rows;
    if (!f->name)
        return 0;
    int64_t wait_ms = f->heartbeat_ms < NAME_WAIT_MS ? f->heartbeat_ms : NAME_WAIT_MS;
    snprintf(sql, sizeof sql, "SELECT GET_LOCK(CONCAT('covet_changes_', MD5('%s')), %" PRId64 " / 1000)", f->name,
             wait_ms);
    CV_TRY(ask(f, CONTROL, sql, "take the name of the reader", &rows));
    MYSQL_ROW row = mysql_fetch_row(rows);
    bool taken = row && row[0] && row[0][0] == '1';
    mysql_free_result(rows);
    if (taken)
        return 0;
    fail(f, CV_E_LOCKED, "another reader of changes has the name \"%s\"", f->name);
    f->failure.transient = f->started;
    return hint(f, "close it, or read under another name");
}

static int connect_control(feed *f)
{
    CV_TRY(connect_to(f, CONTROL, f->host));
    CV_TRY(run(f, CONTROL, "SET SESSION wait_timeout = 31536000", "read changes"));
    return take_name(f);
}

/* ---- descriptions of tables ---- */

static int find_json(feed *f, const char *where, cv__binlog_description *described, size_t count)
{
    char sql[STATEMENT_BYTES];
    MYSQL_RES *rows;
    MYSQL_ROW row;
    snprintf(
        sql, sizeof sql,
        "SELECT CONSTRAINT_NAME FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s AND LEVEL = "
        "'Column' AND CHECK_CLAUSE LIKE 'json\\_valid(%%'",
        where);
    CV_TRY(ask(f, CONTROL, sql, "describe a table", &rows));
    while ((row = mysql_fetch_row(rows)))
        for (size_t i = 0; i < count; i++)
            described[i].json |= strcmp(described[i].name, row[0]) == 0;
    mysql_free_result(rows);
    return 0;
}

static char *keep(feed *f, const char *text)
{
    return text ? cv_arena_strdup(f->arena, text) : NULL;
}

static int read_columns(feed *f, const char *where, cv__binlog_description **ret_described, size_t *ret_count)
{
    char sql[STATEMENT_BYTES];
    MYSQL_RES *rows;
    snprintf(sql, sizeof sql,
             "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLUMN_KEY = 'PRI' FROM "
             "information_schema.COLUMNS WHERE TABLE_SCHEMA = %s ORDER BY ORDINAL_POSITION",
             where);
    CV_TRY(ask(f, CONTROL, sql, "describe a table", &rows));
    size_t count = (size_t)mysql_num_rows(rows), i = 0;
    cv__binlog_description *described = cv_arena_zalloc(f->arena, count + 1, sizeof *described);
    MYSQL_ROW row;
    for (; described && i < count && (row = mysql_fetch_row(rows)); i++) {
        described[i] = (cv__binlog_description){.name = keep(f, row[0]),
                                                .data_type = keep(f, row[1]),
                                                .column_type = keep(f, row[2]),
                                                .charset = keep(f, row[3]),
                                                .key = row[4] && row[4][0] == '1'};
        if (!described[i].name || !described[i].data_type)
            break;
    }
    mysql_free_result(rows);
    if (!described || i < count)
        return fail_nomem(f);
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

static int describe_now(feed *f, cv_str schema, cv_str table, cv__binlog_description **ret_described, size_t *ret_count)
{
    MYSQL *my = f->connections[CONTROL];
    char quoted_schema[2 * MOST_NAME_BYTES + 1], quoted_table[2 * MOST_NAME_BYTES + 1], where[STATEMENT_BYTES / 2 + 64];
    if (schema.len > MOST_NAME_BYTES || table.len > MOST_NAME_BYTES)
        return fail(f, CV_E_CORRUPT, "the binary log has a table with a name that is too long");
    mysql_real_escape_string(my, quoted_schema, schema.ptr, schema.len);
    mysql_real_escape_string(my, quoted_table, table.ptr, table.len);
    snprintf(where, sizeof where, "'%s' AND TABLE_NAME = '%s'", quoted_schema, quoted_table);
    CV_TRY(read_columns(f, where, ret_described, ret_count));
    return has_long_text(*ret_described, *ret_count) ? find_json(f, where, *ret_described, *ret_count) : 0;
}

/* Once more over a new connection: this one may have been lost since it was last used. */
static int describe(feed *f, cv_str schema, cv_str table, cv__binlog_description **ret_described, size_t *ret_count)
{
    int rc = describe_now(f, schema, table, ret_described, ret_count);
    if (rc == 0 || !f->failure.transient || cv__binlog_queue_is_stopped(f->queue))
        return rc;
    disconnect(f, CONTROL);
    CV_TRY(connect_control(f));
    return describe_now(f, schema, table, ret_described, ret_count);
}

/* ---- tables by number ---- */

static void forget_tables(feed *f)
{
    for (size_t i = 0; i < f->map_count; i++)
        cv__binlog_table_unref(f->maps[i].table);
    f->map_count = 0;
}

/* The last ones are the likeliest. */
static cv__binlog_table *find_table(const feed *f, uint64_t id)
{
    for (size_t i = f->map_count; i > 0; i--)
        if (f->maps[i - 1].id == id)
            return f->maps[i - 1].table;
    return NULL;
}

static int on_map(feed *f, const cv__binlog_event *event)
{
    cv__binlog_map map;
    cv__binlog_description *described;
    size_t count;
    if (!cv__binlog_map_read(event, &map))
        return fail_corrupt(f, event);
    if (find_table(f, map.table_id))
        return 0;
    CV_TRY(describe(f, map.database, map.table, &described, &count));
    cv__binlog_table *table = cv__binlog_table_new(&map, described, count);
    if (!table)
        return fail_corrupt(f, event);
    if (f->map_count == MOST_MAPS)
        forget_tables(f);
    f->maps[f->map_count++] = (known_table){map.table_id, table};
    return 0;
}

/* ---- handing on ---- */

static int put_now(feed *f, cv__binlog_block *block)
{
    if (!block)
        return fail_nomem(f);
    return cv__binlog_queue_put(f->queue, block) ? 0 : fail(f, CV_E_CLOSED, "the reader was closed");
}

static int put_aside(feed *f, cv__binlog_block *block)
{
    if (!block)
        return fail_nomem(f);
    cv_list_push_back(&f->preparing->blocks, &block->link);
    f->preparing->bytes += block->bytes;
    f->undecided_bytes += block->bytes;
    if (f->undecided_bytes <= f->queue->limit)
        return 0;
    fail(f, CV_E_LIMIT, "the XA transactions that are prepared and not decided have more than %zu bytes of changes",
         f->queue->limit);
    return hint(f, "decide them (XA RECOVER lists them), or read with a larger queue_bytes");
}

static int put(feed *f, cv__binlog_block *block)
{
    if (block) {
        block->gtid = f->begin.gtid;
        block->seconds = f->seconds;
    }
    return f->preparing ? put_aside(f, block) : put_now(f, block);
}

/* Whether an event of the transaction was handed on already, before the connection was lost. */
static bool is_repeated(feed *f)
{
    if (f->passes == 0) {
        f->handed++;
        return false;
    }
    f->passes--;
    return true;
}

static int on_rows(feed *f, const cv__binlog_event *event)
{
    cv__binlog_rows rows;
    if (!cv__binlog_rows_read(event, &rows))
        return fail_corrupt(f, event);
    cv__binlog_table *table = find_table(f, rows.table_id);
    if (!table || table->column_count != rows.column_count)
        return rows.column_count == 0 ? 0 : fail_corrupt(f, event);
    return is_repeated(f) ? 0 : put(f, cv__binlog_block_rows(event, table));
}

/* ---- ends of transactions ---- */

/* A transaction that is prepared comes again until it is decided, for whoever starts there. */
static const cv__binlog_position *safe_position(const feed *f)
{
    if (cv_list_is_empty(&f->undecided))
        return &f->position;
    return &cv_list_entry(f->undecided.next, prepared, link)->before;
}

static int put_commit(feed *f)
{
    char text[CV__BINLOG_POSITION_BYTES];
    size_t len = cv__binlog_position_format(safe_position(f), text);
    return put(f, cv__binlog_block_new(CV__BLOCK_COMMIT, NULL, NULL, cv_str_make(text, len)));
}

static int end_transaction(feed *f)
{
    if (!f->inside)
        return 0;
    f->inside = false;
    f->handed = f->passes = 0;
    f->advanced = true;
    if (!cv__binlog_position_pass(&f->position, f->begin.gtid))
        return fail(f, CV_E_LIMIT, "the binary log has more than %d domains", CV__BINLOG_DOMAINS);
    if (f->preparing) {
        f->preparing = NULL;
        return 0;
    }
    return put_commit(f);
}

static void free_prepared(feed *f, prepared *entry)
{
    cv_link *link;
    while ((link = cv_list_pop_front(&entry->blocks)))
        cv__binlog_block_free(cv_list_entry(link, cv__binlog_block, link));
    f->undecided_bytes -= entry->bytes;
    cv_list_remove(&entry->link);
    free(entry->xid);
    free(entry);
}

static prepared *find_prepared(const feed *f, cv_str xid)
{
    cv_list_each (at, &f->undecided) {
        prepared *entry = cv_list_entry(at, prepared, link);
        if (entry->xid_len == xid.len && memcmp(entry->xid, xid.ptr, xid.len) == 0)
            return entry;
    }
    return NULL;
}

/* One that comes a second time, after a lost connection, goes on with what is there. */
static int begin_prepared(feed *f)
{
    prepared *entry = find_prepared(f, f->begin.xid);
    if (!entry) {
        entry = calloc(1, sizeof *entry);
        if (!entry || !(entry->xid = malloc(f->begin.xid.len + 1))) {
            free(entry);
            return fail_nomem(f);
        }
        memcpy(entry->xid, f->begin.xid.ptr, f->begin.xid.len);
        entry->xid_len = f->begin.xid.len;
        entry->before = f->position;
        cv_list_init(&entry->blocks);
        cv_list_push_back(&f->undecided, &entry->link);
    }
    f->preparing = entry;
    return 0;
}

static int decide_prepared(feed *f, bool commits)
{
    prepared *entry = find_prepared(f, f->begin.xid);
    if (!entry) {
        if (!commits)
            return 0;
        fail(f, CV_E_GAP,
             "an XA transaction was committed that was prepared before the position: its rows are not known");
        return hint(f, "read the tables anew, and open from now before that");
    }
    cv_link *link;
    while (commits && (link = cv_list_pop_front(&entry->blocks))) {
        cv__binlog_block *block = cv_list_entry(link, cv__binlog_block, link);
        block->gtid = f->begin.gtid;
        block->seconds = f->seconds;
        CV_TRY(put_now(f, block));
    }
    free_prepared(f, entry);
    return 0;
}

/* ---- statements ---- */

static int put_schema_change(feed *f, cv_change_kind kind, const cv__binlog_query *query, const char *schema,
                             const char *name)
{
    cv__binlog_description *described = NULL;
    size_t count = 0;
    cv__binlog_block *block = cv__binlog_block_new(CV__BLOCK_STATEMENT, schema, name, query->sql);
    if (!block)
        return fail_nomem(f);
    block->change = kind;
    int rc = name ? describe(f, cv_str_of(schema), cv_str_of(name), &described, &count) : 0;
    if (rc < 0) {
        cv__binlog_block_free(block);
        return rc;
    }
    if (count > 0)
        block->table = cv__binlog_table_described(schema, name, described, count);
    return put(f, block);
}

static int fail_statement(feed *f, const cv__binlog_query *query)
{
    fail(f, CV_E_CONFIG, "a change of rows was logged as a statement: its rows are not known");
    snprintf(f->failure.detail, sizeof f->failure.detail, "%.*s", query->sql.len < 200 ? (int)query->sql.len : 200,
             query->sql.ptr);
    return hint(f, "no session may set binlog_format to anything but ROW");
}

static int on_statement(feed *f, const cv__binlog_query *query)
{
    const char *schema, *name;
    cv__binlog_statement_kind kind = cv__binlog_statement(f->arena, query, &schema, &name);
    switch (kind) {
    case CV__BINLOG_END:
        return end_transaction(f);
    case CV__BINLOG_SCHEMA:
    case CV__BINLOG_TRUNCATE:
        forget_tables(f);
        if (is_repeated(f))
            return 0;
        return put_schema_change(f, kind == CV__BINLOG_SCHEMA ? CV_CHANGE_SCHEMA : CV_CHANGE_TRUNCATE, query, schema,
                                 name);
    case CV__BINLOG_DATA:
        return fail_statement(f, query);
    case CV__BINLOG_BEGIN:
    case CV__BINLOG_OTHER:
        break;
    }
    return 0;
}

static int on_query(feed *f, const cv__binlog_event *event)
{
    cv__binlog_query query;
    if (!cv__binlog_query_read(event, &query))
        return fail_corrupt(f, event);
    if (f->begin.is_completed)
        CV_TRY(decide_prepared(f, query.sql.len > 8 && strncmp(query.sql.ptr, "XA COMMI", 8) == 0));
    else
        CV_TRY(on_statement(f, &query));
    return f->begin.alone ? end_transaction(f) : 0;
}

/* ---- events ---- */

static int on_begin(feed *f, const cv__binlog_event *event)
{
    cv__binlog_begin begin;
    if (!cv__binlog_begin_read(event, &begin) || begin.xid.len > sizeof f->xid)
        return fail_corrupt(f, event);
    if (begin.xid.len > 0)
        begin.xid.ptr = memcpy(f->xid, begin.xid.ptr, begin.xid.len);
    bool again = f->inside && memcmp(&begin.gtid, &f->begin.gtid, sizeof begin.gtid) == 0;
    f->passes = again ? f->handed : 0;
    f->handed = again ? f->handed : 0;
    f->begin = begin;
    f->inside = true;
    f->seconds = event->seconds;
    f->preparing = NULL;
    return begin.is_prepared ? begin_prepared(f) : 0;
}

static int on_event(feed *f, const cv__binlog_event *event)
{
    switch (event->type) {
    case CV__BINLOG_GTID:
        return on_begin(f, event);
    case CV__BINLOG_TABLE_MAP:
        return on_map(f, event);
    case CV__BINLOG_WRITE_ROWS:
    case CV__BINLOG_UPDATE_ROWS:
    case CV__BINLOG_DELETE_ROWS:
        return on_rows(f, event);
    case CV__BINLOG_QUERY:
        return on_query(f, event);
    case CV__BINLOG_XID:
    case CV__BINLOG_XA_PREPARE:
        return end_transaction(f);
    case CV__BINLOG_INCIDENT:
        fail(f, CV_E_GAP, "the server says that its binary log lacks changes");
        return hint(f, "read the tables anew, and open from now before that");
    case CV__BINLOG_QUERY_COMPRESSED:
    case CV__BINLOG_WRITE_ROWS_COMPRESSED:
    case CV__BINLOG_UPDATE_ROWS_COMPRESSED:
    case CV__BINLOG_DELETE_ROWS_COMPRESSED:
        fail(f, CV_E_CONFIG, "the binary log has compressed events");
        return hint(f, "set log_bin_compress = OFF, and open from a position behind them");
    default:
        return 0;
    }
}

/* ---- the stream ---- */

static int set_up_session(feed *f)
{
    char position[CV__BINLOG_POSITION_BYTES], *sql;
    cv__binlog_position_format(&f->position, position);
    sql = cv_arena_printf(f->arena,
                          "SET @mariadb_slave_capability = 4, @slave_gtid_strict_mode = 0, "
                          "@slave_gtid_ignore_duplicates = 0, @master_binlog_checksum = @@global.binlog_checksum, "
                          "@master_heartbeat_period = %" PRId64 ", @slave_connect_state = '%s', "
                          "SESSION net_write_timeout = 31536000",
                          f->heartbeat_ms * 1000000, position);
    return sql ? run(f, LOG, sql, "ask for the binary log") : fail_nomem(f);
}

static uint64_t next_random(feed *f)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return f->random;
}

/* A number that no server has, and no other reader. */
static MARIADB_RPL *ask_for_log(feed *f)
{
    MARIADB_RPL *stream = mariadb_rpl_init(f->connections[LOG]);
    uint32_t number = 1000000000u + (uint32_t)(next_random(f) % 3000000000u);
    if (!stream)
        return NULL;
    (void)mariadb_rpl_optionsv(stream, MARIADB_RPL_SERVER_ID, number);
    (void)mariadb_rpl_optionsv(stream, MARIADB_RPL_START, 4UL);
    (void)mariadb_rpl_optionsv(stream, MARIADB_RPL_FLAGS, 0U);
    (void)mariadb_rpl_optionsv(stream, MARIADB_RPL_VERIFY_CHECKSUM, 1);
    if (mariadb_rpl_open(stream) == 0)
        return stream;
    mariadb_rpl_close(stream);
    return NULL;
}

/* The first event is the answer: from here on it tells. */
static int tell_start(feed *f)
{
    char text[CV__BINLOG_POSITION_BYTES];
    if (f->started)
        return 0;
    f->started = true;
    size_t len = cv__binlog_position_format(&f->position, text);
    return put_now(f, cv__binlog_block_new(CV__BLOCK_STARTED, NULL, NULL, cv_str_make(text, len)));
}

static int take_event(feed *f, const MARIADB_RPL_EVENT *fetched)
{
    cv__binlog_event event;
    size_t ahead = fetched->raw_data_ofs;
    if (fetched->raw_data_size < ahead + HEADER_BYTES ||
        !cv__binlog_event_read(fetched->raw_data + ahead, fetched->raw_data_size - ahead, &event))
        return fail(f, CV_E_CORRUPT, "the server sent something that is no event of its binary log");
    CV_TRY(tell_start(f));
    if (event.type == CV__BINLOG_FORMAT)
        f->has_checksums = event.len > CHECKSUM_BYTES && event.body[event.len - CHECKSUM_BYTES - 1] == 1;
    if (f->has_checksums)
        event.len -= event.len > CHECKSUM_BYTES ? CHECKSUM_BYTES : event.len;
    int rc = on_event(f, &event);
    cv_arena_rewind(f->arena, f->empty);
    return rc;
}

/* An event is used for the next one, and freed by the fetch that fails. */
static int fetch_all(feed *f, MARIADB_RPL *stream)
{
    MARIADB_RPL_EVENT *event = NULL;
    int rc = 0;
    while (rc == 0 && (event = mariadb_rpl_fetch(stream, event)))
        rc = take_event(f, event);
    if (event) {
        mariadb_free_rpl_event(event);
        return rc;
    }
    if (mysql_errno(f->connections[LOG]) != 0)
        return fail_log(f, f->connections[LOG]);
    rc = fail(f, CV_E_CONNECTION_LOST, "the server ended the stream of its binary log: %s", mariadb_rpl_error(stream));
    f->failure.transient = true;
    return rc;
}

/* Until something fails. Numbers of tables are those of the server's present run. */
static int read_log(feed *f)
{
    forget_tables(f);
    f->advanced = f->has_checksums = false;
    CV_TRY(connect_log(f));
    CV_TRY(connect_control(f));
    CV_TRY(look_at_settings(f));
    CV_TRY(set_up_session(f));
    MARIADB_RPL *stream = ask_for_log(f);
    if (!stream)
        return fail_server(f, f->connections[LOG], "ask for the binary log");
    int rc = fetch_all(f, stream);
    mariadb_rpl_close(stream);
    return rc;
}

/* ---- the thread ---- */

static void free_feed(feed *f)
{
    while (!cv_list_is_empty(&f->undecided))
        free_prepared(f, cv_list_entry(f->undecided.next, prepared, link));
    forget_tables(f);
    cv_arena_free(f->arena);
    cv__my_shared_free(f->shared);
    cv__binlog_queue_unref(f->queue);
    free(f->name);
    free(f);
}

static void tell_failure(feed *f)
{
    const failure *told = &f->failure;
    cv__binlog_block *block =
        cv__binlog_block_new(CV__BLOCK_FAILED, told->detail, told->hint, cv_str_of(told->message));
    if (block)
        block->code = told->code;
    (void)cv__binlog_queue_put(f->queue, block);
}

/* Longer and longer, and at random, so that not all readers come back at once. */
static int64_t pause_ms(feed *f, int64_t last_ms)
{
    int64_t next_ms = f->advanced || last_ms == 0 ? FIRST_PAUSE_MS : last_ms * 2;
    next_ms = next_ms > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS : next_ms;
    return next_ms;
}

static void *run_thread(void *arg)
{
    feed *f = arg;
    int64_t paused_ms = 0;
    (void)mysql_thread_init();
    while (!cv__binlog_queue_is_stopped(f->queue)) {
        (void)read_log(f);
        disconnect(f, LOG);
        disconnect(f, CONTROL);
        cv_arena_rewind(f->arena, f->empty);
        if (!f->started || !f->failure.transient) {
            tell_failure(f);
            break;
        }
        paused_ms = pause_ms(f, paused_ms);
        if (cv__binlog_queue_wait_stop(f->queue, paused_ms / 2 + (int64_t)(next_random(f) % (uint64_t)paused_ms) / 2))
            break;
    }
    free_feed(f);
    mysql_thread_end();
    return NULL;
}

static int start_thread(cv_ctx *cx, feed *f)
{
    pthread_t thread;
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int error = pthread_create(&thread, NULL, run_thread, f);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (error)
        return cv_fail(cx, CV_E_SYSTEM, "could not start the thread that reads the binary log: %s", strerror(error));
    pthread_detach(thread);
    return 0;
}

static feed *new_feed(const cv__binlog_start *start)
{
    enum { EVENT_BYTES = 64 * 1024 * 1024 };
    feed *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    cv_list_init(&f->undecided);
    f->arena = cv_arena_new(EVENT_BYTES);
    f->name = start->name ? strdup(start->name) : NULL;
    if (!f->arena || (start->name && !f->name)) {
        cv_arena_free(f->arena);
        free(f->name);
        free(f);
        return NULL;
    }
    f->empty = cv_arena_save(f->arena);
    f->heartbeat_ms = start->heartbeat_ms;
    f->from_now = !start->position;
    cv_random_bytes(&f->random, sizeof f->random);
    f->random |= 1;
    return f;
}

int cv__binlog_feed_start(cv_ctx *cx, cv__my_shared *shared, const cv__binlog_start *start, cv__binlog_queue *queue)
{
    feed *f = new_feed(start);
    if (!f)
        return cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    f->shared = cv__my_shared_ref(shared);
    f->queue = cv__binlog_queue_ref(queue);
    int rc = start->position && !cv__binlog_position_parse(start->position, &f->position)
                 ? cv_fail(cx, CV_E_INVALID, "\"%.100s\" is no position of MariaDB", start->position)
                 : start_thread(cx, f);
    if (rc < 0)
        free_feed(f);
    return rc;
}
