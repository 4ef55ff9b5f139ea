#include "db/mariadb/changes/teller.h"

#include "db/mariadb/changes/describe.h"

#include <string.h>

enum { EVENT_BYTES = 64 * 1024 * 1024 };

int cv__teller_init(cv__teller *teller)
{
    cv__branches_init(&teller->branches);
    teller->arena = cv_arena_new(EVENT_BYTES);
    if (!teller->arena)
        return CV_E_NOMEM;
    teller->empty = cv_arena_save(teller->arena);
    return 0;
}

static void forget_tables(cv__teller *t)
{
    for (size_t i = 0; i < t->table_count; i++)
        cv__binlog_table_unref(t->tables[i].table);
    t->table_count = 0;
}

void cv__teller_done(cv__teller *teller)
{
    cv__branches_done(&teller->branches);
    forget_tables(teller);
    cv_arena_free(teller->arena);
}

void cv__teller_restart(cv__teller *teller)
{
    forget_tables(teller);
    teller->has_advanced = false;
}

static int fail_corrupt(const cv__teller *t, const cv__binlog_event *event)
{
    return cv__binlog_fail(t->failure, CV_E_CORRUPT, "the binary log has a malformed event of type %d", event->type);
}

/* ---- handing on ---- */

static int put_now(const cv__teller *t, cv__binlog_block *block)
{
    if (!block)
        return cv__binlog_fail_nomem(t->failure);
    return cv__binlog_queue_put(t->queue, block) ? 0
                                                 : cv__binlog_fail(t->failure, CV_E_CLOSED, "the reader was closed");
}

static int put_aside(cv__teller *t, cv__binlog_block *block)
{
    if (!block)
        return cv__binlog_fail_nomem(t->failure);
    cv__branch_keep(&t->branches, t->preparing, block);
    if (t->branches.bytes <= t->queue->limit)
        return 0;
    cv__binlog_fail(t->failure, CV_E_LIMIT,
                    "the XA transactions that are prepared and not decided have more than %zu bytes of changes",
                    t->queue->limit);
    return cv__binlog_hint(t->failure, "decide them (XA RECOVER lists them), or read with a larger queue_bytes");
}

/* It tells of the present transaction. */
static cv__binlog_block *sign(const cv__teller *t, cv__binlog_block *block)
{
    if (block) {
        block->gtid = t->begin.gtid;
        block->seconds = t->seconds;
    }
    return block;
}

static int put(cv__teller *t, cv__binlog_block *block)
{
    return t->preparing ? put_aside(t, sign(t, block)) : put_now(t, sign(t, block));
}

static cv__binlog_block *position_block(cv__binlog_block_kind kind, const cv__binlog_position *position)
{
    char text[CV__BINLOG_POSITION_BYTES];
    size_t len = cv__binlog_position_format(position, text);
    return cv__binlog_block_new(kind, NULL, NULL, cv_str_make(text, len));
}

int cv__teller_start(cv__teller *teller)
{
    return put_now(teller, position_block(CV__BLOCK_STARTED, &teller->position));
}

/* Whether an event of the transaction was handed on already, before the connection was lost. */
static bool is_repeated(cv__teller *t)
{
    if (t->passes == 0) {
        t->handed++;
        return false;
    }
    t->passes--;
    return true;
}

/* ---- tables and rows ---- */

/* The last ones are the likeliest. */
static cv__binlog_table *find_table(const cv__teller *t, uint64_t id)
{
    for (size_t i = t->table_count; i > 0; i--)
        if (t->tables[i - 1].id == id)
            return t->tables[i - 1].table;
    return NULL;
}

static int on_map(cv__teller *t, const cv__binlog_event *event)
{
    cv__binlog_map map;
    cv__binlog_description *described;
    size_t count;
    if (!cv__binlog_map_read(event, &map))
        return fail_corrupt(t, event);
    if (find_table(t, map.table_id))
        return 0;
    CV_TRY(cv__binlog_describe(t->replica, t->arena, map.database, map.table, &described, &count));
    cv__binlog_table *table = cv__binlog_table_new(&map, described, count);
    if (!table)
        return fail_corrupt(t, event);
    if (t->table_count == CV__TELLER_TABLES)
        forget_tables(t);
    t->tables[t->table_count].id = map.table_id;
    t->tables[t->table_count++].table = table;
    return 0;
}

static int on_rows(cv__teller *t, const cv__binlog_event *event)
{
    cv__binlog_rows rows;
    if (!cv__binlog_rows_read(event, &rows))
        return fail_corrupt(t, event);
    cv__binlog_table *table = find_table(t, rows.table_id);
    if (!table || table->column_count != rows.column_count)
        return rows.column_count == 0 ? 0 : fail_corrupt(t, event);
    return is_repeated(t) ? 0 : put(t, cv__binlog_block_rows(event, table));
}

/* ---- transactions ---- */

static int on_begin(cv__teller *t, const cv__binlog_event *event)
{
    cv__binlog_begin begin;
    if (!cv__binlog_begin_read(event, &begin) || begin.xid.len > sizeof t->xid)
        return fail_corrupt(t, event);
    if (begin.xid.len > 0)
        begin.xid.ptr = memcpy(t->xid, begin.xid.ptr, begin.xid.len);
    bool again = t->is_inside && memcmp(&begin.gtid, &t->begin.gtid, sizeof begin.gtid) == 0;
    t->passes = again ? t->handed : 0;
    t->handed = again ? t->handed : 0;
    t->begin = begin;
    t->is_inside = true;
    t->seconds = event->seconds;
    t->preparing = begin.is_prepared ? cv__branch_begin(&t->branches, begin.xid, &t->position) : NULL;
    return begin.is_prepared && !t->preparing ? cv__binlog_fail_nomem(t->failure) : 0;
}

/* A transaction that is prepared comes again until it is decided, for whoever starts there. */
static int put_commit(cv__teller *t)
{
    const cv__binlog_position *before = cv__branches_before(&t->branches);
    return put(t, position_block(CV__BLOCK_COMMIT, before ? before : &t->position));
}

static int end_transaction(cv__teller *t)
{
    if (!t->is_inside)
        return 0;
    t->is_inside = false;
    t->handed = t->passes = 0;
    t->has_advanced = true;
    if (!cv__binlog_position_pass(&t->position, t->begin.gtid))
        return cv__binlog_fail(t->failure, CV_E_LIMIT, "the binary log has more than %d domains", CV__BINLOG_DOMAINS);
    if (!t->preparing)
        return put_commit(t);
    t->preparing = NULL;
    return 0;
}

static int fail_unknown_branch(const cv__teller *t)
{
    cv__binlog_fail(t->failure, CV_E_GAP,
                    "an XA transaction was committed that was prepared before the position: its rows are not known");
    return cv__binlog_hint(t->failure, "read the tables anew, and open from now before that");
}

static int decide_branch(cv__teller *t, bool commits)
{
    cv__branch *branch = cv__branch_find(&t->branches, t->begin.xid);
    cv__binlog_block *block;
    if (!branch)
        return commits ? fail_unknown_branch(t) : 0;
    while (commits && (block = cv__branch_take(branch)))
        CV_TRY(put_now(t, sign(t, block)));
    cv__branch_free(&t->branches, branch);
    return 0;
}

/* ---- statements ---- */

static int put_schema_change(cv__teller *t, cv_change_kind kind, const cv__binlog_query *query, const char *schema,
                             const char *name)
{
    cv__binlog_description *described = NULL;
    size_t count = 0;
    cv__binlog_block *block = cv__binlog_block_new(CV__BLOCK_STATEMENT, schema, name, query->sql);
    if (!block)
        return cv__binlog_fail_nomem(t->failure);
    block->change = kind;
    int rc =
        name ? cv__binlog_describe(t->replica, t->arena, cv_str_of(schema), cv_str_of(name), &described, &count) : 0;
    if (rc < 0) {
        cv__binlog_block_free(block);
        return rc;
    }
    if (count > 0)
        block->table = cv__binlog_table_described(schema, name, described, count);
    return put(t, block);
}

static int fail_statement(const cv__teller *t, const cv__binlog_query *query)
{
    cv__binlog_fail(t->failure, CV_E_CONFIG, "a change of rows was logged as a statement: its rows are not known");
    cv__binlog_detail(t->failure, "%.*s", query->sql.len < 200 ? (int)query->sql.len : 200, query->sql.ptr);
    return cv__binlog_hint(t->failure, "no session may set binlog_format to anything but ROW");
}

static int on_statement(cv__teller *t, const cv__binlog_query *query)
{
    const char *schema, *name;
    cv__binlog_statement_kind kind = cv__binlog_statement(t->arena, query, &schema, &name);
    switch (kind) {
    case CV__BINLOG_END:
        return end_transaction(t);
    case CV__BINLOG_SCHEMA:
    case CV__BINLOG_TRUNCATE:
        forget_tables(t);
        if (is_repeated(t))
            return 0;
        return put_schema_change(t, kind == CV__BINLOG_SCHEMA ? CV_CHANGE_SCHEMA : CV_CHANGE_TRUNCATE, query, schema,
                                 name);
    case CV__BINLOG_DATA:
        return fail_statement(t, query);
    case CV__BINLOG_BEGIN:
    case CV__BINLOG_OTHER:
        break;
    }
    return 0;
}

static int on_query(cv__teller *t, const cv__binlog_event *event)
{
    cv__binlog_query query;
    if (!cv__binlog_query_read(event, &query))
        return fail_corrupt(t, event);
    if (t->begin.is_completed)
        CV_TRY(decide_branch(t, query.sql.len > 8 && strncmp(query.sql.ptr, "XA COMMI", 8) == 0));
    else
        CV_TRY(on_statement(t, &query));
    return t->begin.alone ? end_transaction(t) : 0;
}

/* ---- events ---- */

static int fail_incident(const cv__teller *t)
{
    cv__binlog_fail(t->failure, CV_E_GAP, "the server says that its binary log lacks changes");
    return cv__binlog_hint(t->failure, "read the tables anew, and open from now before that");
}

static int fail_compressed(const cv__teller *t)
{
    cv__binlog_fail(t->failure, CV_E_CONFIG, "the binary log has compressed events");
    return cv__binlog_hint(t->failure, "set log_bin_compress = OFF, and open from a position behind them");
}

static int on_event(cv__teller *t, const cv__binlog_event *event)
{
    switch (event->type) {
    case CV__BINLOG_GTID:
        return on_begin(t, event);
    case CV__BINLOG_TABLE_MAP:
        return on_map(t, event);
    case CV__BINLOG_WRITE_ROWS:
    case CV__BINLOG_UPDATE_ROWS:
    case CV__BINLOG_DELETE_ROWS:
        return on_rows(t, event);
    case CV__BINLOG_QUERY:
        return on_query(t, event);
    case CV__BINLOG_XID:
    case CV__BINLOG_XA_PREPARE:
        return end_transaction(t);
    case CV__BINLOG_INCIDENT:
        return fail_incident(t);
    case CV__BINLOG_QUERY_COMPRESSED:
    case CV__BINLOG_WRITE_ROWS_COMPRESSED:
    case CV__BINLOG_UPDATE_ROWS_COMPRESSED:
    case CV__BINLOG_DELETE_ROWS_COMPRESSED:
        return fail_compressed(t);
    default:
        return 0;
    }
}

int cv__teller_take(cv__teller *teller, const cv__binlog_event *event)
{
    int rc = on_event(teller, event);
    cv_arena_rewind(teller->arena, teller->empty);
    return rc;
}
