/* Rows of SQLite into structs: cv_all against the loop that one writes by hand, sqlite3_step with sqlite3_column_*,
 * into the same structs, with texts copied into a plain bump buffer and a growing array. */
#include "sqlite_file.h"

#include <covet/query.h>
#include <covet/runtime.h>

enum { ROWS = 100000, RUNS = 15 };

struct item {
    int64_t id;
    char *name, *summary, *vendor;
    double weight;
    bool active;
    cv_time created;
    cv_opt_i64 stock;
};

CV_MODEL(item, "items", CV_ID(id), CV_CHAR(name, .max_length = 100), CV_TEXT(summary),
         CV_CHAR(vendor, .max_length = 50), CV_FLOAT(weight), CV_BOOLEAN(active), CV_DATETIME(created),
         CV_INTEGER(stock))

static void fill(const sqlite_file *file)
{
    sqlite3 *db = sqlite_file_open(file);
    static const char sql[] =
        "CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(100) NOT NULL, summary TEXT NOT NULL,"
        " vendor VARCHAR(50) NOT NULL, weight REAL NOT NULL, active BOOLEAN NOT NULL, created DATETIME NOT NULL,"
        " stock BIGINT);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
        " INSERT INTO items SELECT i, 'item number ' || i, 'a text of some forty to fifty bytes, about ' || i,"
        " 'vendor ' || (i % 97), i * 0.25, i % 2, 1700000000000000 + i, CASE WHEN i % 3 THEN i END FROM n";
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "could not fill the table: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
    sqlite3_close(db);
}

/* ---- by hand ---- */

typedef struct block {
    struct block *next;
    char *at, *end;
} block;

static char *keep(block **blocks, sqlite3_stmt *statement, int column)
{
    const void *text = sqlite3_column_text(statement, column);
    size_t len = (size_t)sqlite3_column_bytes(statement, column);
    if (!*blocks || (size_t)((*blocks)->end - (*blocks)->at) <= len) {
        size_t bytes = len < 32000 ? 65536 : len + 256;
        block *added = malloc(bytes);
        if (!added)
            exit(1);
        *added = (block){*blocks, (char *)(added + 1), (char *)added + bytes};
        *blocks = added;
    }
    char *copy = (*blocks)->at;
    memcpy(copy, text, len);
    copy[len] = '\0';
    (*blocks)->at += len + 1;
    return copy;
}

static double by_hand(sqlite3 *db, int64_t *ret_sum)
{
    sqlite3_stmt *statement;
    struct item *items = NULL;
    size_t count = 0, room = 0;
    block *blocks = NULL;
    double start = now_ns();
    if (sqlite3_prepare_v2(db, "SELECT id, name, summary, vendor, weight, active, created, stock FROM items", -1,
                           &statement, NULL) != SQLITE_OK)
        exit(1);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        if (count == room) {
            room = room ? room * 2 : 64;
            items = realloc(items, room * sizeof *items);
            if (!items)
                exit(1);
        }
        struct item *item = &items[count++];
        item->id = sqlite3_column_int64(statement, 0);
        item->name = keep(&blocks, statement, 1);
        item->summary = keep(&blocks, statement, 2);
        item->vendor = keep(&blocks, statement, 3);
        item->weight = sqlite3_column_double(statement, 4);
        item->active = sqlite3_column_int(statement, 5) != 0;
        item->created.us = sqlite3_column_int64(statement, 6);
        item->stock.set = sqlite3_column_type(statement, 7) != SQLITE_NULL;
        if (item->stock.set)
            item->stock.value = sqlite3_column_int64(statement, 7);
    }
    sqlite3_finalize(statement);
    double took = now_ns() - start;
    *ret_sum = (int64_t)count + items[count - 1].id + (int64_t)strlen(items[count / 2].summary);
    free(items);
    while (blocks) {
        block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
    return took;
}

/* ---- with Covet ---- */

static double with_covet(cv_ctx *cx, int64_t *ret_sum)
{
    double start = now_ns(), took = 0;
    CV_SCOPE(cx)
    {
        struct item *items;
        size_t count;
        if (cv_all(cx, cv_objects(cx, item), item, &items, &count) < 0) {
            fprintf(stderr, "%s\n", cv_error_last(cx)->message);
            exit(1);
        }
        took = now_ns() - start;
        *ret_sum = (int64_t)count + items[count - 1].id + (int64_t)strlen(items[count / 2].summary);
    }
    return took;
}

static int open_covet(const sqlite_file *file, cv_ctx **ret_cx, cv_registry **ret_registry, cv_db **ret_db)
{
    cv_ctx *cx;
    CV_TRY(cv_runtime_new(&(cv_runtime_options){.arena_limit_bytes = (size_t)512 << 20}, &cx));
    cv_registry *registry = cv_registry_new(cx);
    if (!registry)
        return CV_E_NOMEM;
    CV_TRY(cv_registry_add(cx, registry, "bench", item_model()));
    CV_TRY(cv_registry_check(cx, registry));
    cv_use_registry(cx, registry);
    CV_TRY(cv_db_open(cx, file->url, NULL, ret_db));
    cv_use_db(cx, *ret_db);
    *ret_cx = cx;
    *ret_registry = registry;
    return 0;
}

int main(void)
{
    sqlite_file file;
    cv_ctx *cx;
    cv_registry *registry;
    cv_db *covet;
    double ours[RUNS], theirs[RUNS];
    int64_t our_sum = 0, their_sum = 1;
    if (!sqlite_file_make(&file))
        return 1;
    fill(&file);
    if (open_covet(&file, &cx, &registry, &covet) < 0)
        return 1;
    sqlite3 *db = sqlite_file_open(&file);
    for (int i = -2; i < RUNS; i++) {
        double hand = by_hand(db, &their_sum), mine = with_covet(cx, &our_sum);
        if (i < 0) /* both warm up */
            continue;
        theirs[i] = ROWS * 1e9 / hand;
        ours[i] = ROWS * 1e9 / mine;
    }
    sqlite3_close(db);
    cv_db_close(cx, covet);
    cv_runtime_free(cx);
    cv_registry_free(registry);
    sqlite_file_remove(&file);
    if (our_sum != their_sum)
        return 1;
    double us = median(ours, RUNS), them = median(theirs, RUNS);
    printf("{\"bench\":\"sqlite-decode\",\"unit\":\"rows/s\",\"ours\":%.0f,\"peer\":\"sqlite3_column_* by hand\","
           "\"theirs\":%.0f,\"ratio\":%.3f,\"runs\":%d}\n",
           us, them, us / them, RUNS);
    return 0;
}
