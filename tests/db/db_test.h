/* Set-up shared by the tests of databases: a runtime, a folder of its own, a database file in it. */
#ifndef COVET_TESTS_DB_DB_TEST_H
#define COVET_TESTS_DB_DB_TEST_H

#include "folder.h"

#include <covet/db.h>
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/transaction.h>
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

typedef struct db_test {
    cv_ctx *cx;
    cv_db *db;
    char folder[64];
    char path[96];
    char url[256];
} db_test;

static inline void db_test_empty_folder(const char *folder)
{
    test_folder_remove(folder);
}

/* A runtime and a path; no database yet. */
static inline void db_test_init_bare(db_test *t)
{
    memset(t, 0, sizeof *t);
    test_folder_make(t->folder);
    snprintf(t->path, sizeof t->path, "%s/test.db", t->folder);
    snprintf(t->url, sizeof t->url, "sqlite:///%s", t->path);
    assert_int_equal(cv_runtime_new(NULL, &t->cx), 0);
}

/* The same with an open database, which is the context's default. `query` is the URL's, or NULL. */
static inline void db_test_init(db_test *t, const char *query)
{
    db_test_init_bare(t);
    char url[512];
    snprintf(url, sizeof url, "%s%s%s", t->url, query ? "?" : "", query ? query : "");
    assert_ok(t->cx, cv_db_open(t->cx, url, NULL, &t->db));
    cv_use_db(t->cx, t->db);
}

static inline void db_test_done(db_test *t)
{
    cv_db_close(t->cx, t->db);
    cv_runtime_free(t->cx);
    db_test_empty_folder(t->folder);
}

/* The integer that a statement returns. */
#define count_of(cx, ...)                                                                                              \
    __extension__({                                                                                                    \
        cv_value count_value_ = CV_NULL;                                                                               \
        assert_ok(cx, cv_scalar(cx, &count_value_, __VA_ARGS__));                                                      \
        count_value_.as.i64;                                                                                           \
    })

#endif
