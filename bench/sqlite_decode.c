/* Rows of SQLite into structs: cv_all against the loop that one writes by hand, sqlite3_step with sqlite3_column_*,
 * into the same structs, with texts copied into a plain bump buffer and a growing array. */
#include "sqlite_bench.h"

enum { ROWS = 100000 };

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

static const char fill[] =
    "CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(100) NOT NULL, summary TEXT NOT NULL,"
    " vendor VARCHAR(50) NOT NULL, weight REAL NOT NULL, active BOOLEAN NOT NULL, created DATETIME NOT NULL,"
    " stock BIGINT);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
    " INSERT INTO items SELECT i, 'item number ' || i, 'a text of some forty to fifty bytes, about ' || i,"
    " 'vendor ' || (i % 97), i * 0.25, i % 2, 1700000000000000 + i, CASE WHEN i % 3 THEN i END FROM n";

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

int main(void)
{
    return sqlite_bench_run(&(sqlite_bench){
        .name = "sqlite-decode",
        .unit = "rows/s",
        .peer = "sqlite3_column_* by hand",
        .model = item_model,
        .fill = fill,
        .units = ROWS,
        .by_hand = by_hand,
        .with_covet = with_covet,
    });
}
