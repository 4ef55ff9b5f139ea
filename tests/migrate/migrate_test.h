/* What the tests of migrations share: a folder of their own, texts as sets, databases of both engines. */
#ifndef COVET_TESTS_MIGRATE_TEST_H
#define COVET_TESTS_MIGRATE_TEST_H

#include "folder.h"

#include <covet/lane.h>
#include <covet/migrate.h>
#include <covet/runtime.h>
#include <covet/transaction.h>
#include <sys/stat.h>
#include <unistd.h>

/** One migration of the label "shop" (or another), as compiled in. */
#define ONE(name_, text_) AT("shop", name_, text_)
#define AT(label_, name_, text_)                                                                                       \
    {                                                                                                                  \
        .label = (label_), .name = (name_), .text = (text_), .len = sizeof(text_) - 1                                  \
    }
#define SET(...)                                                                                                       \
    (cv_migrations_source)                                                                                             \
    {                                                                                                                  \
        .embedded = (const cv_embedded_migration[]){__VA_ARGS__},                                                      \
        .embedded_count = sizeof((const cv_embedded_migration[]){__VA_ARGS__}) / sizeof(cv_embedded_migration)         \
    }

/** A migration with these operations; each line begins with two spaces. */
#define OPERATIONS(text) "covet: 1\noperations:\n" text

#define BOOKS                                                                                                          \
    "  - create_table:\n"                                                                                              \
    "      name: books\n"                                                                                              \
    "      columns:\n"                                                                                                 \
    "        - {name: id, type: integer, identity: true}\n"                                                            \
    "        - {name: title, type: char, max_length: 20}\n"

typedef struct folder {
    char path[64];
} folder;

static inline folder make_folder(void)
{
    folder f;
    test_folder_make(f.path);
    return f;
}

static inline void remove_folder(const folder *f)
{
    test_folder_remove(f->path);
}

/** Write LABEL/NAME into the folder. */
static inline void put_file(const folder *f, const char *label, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->path, label);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", f->path, label, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

static inline cv_ctx *new_runtime(void)
{
    cv_ctx *cx = NULL;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    return cx;
}

static inline cv_migrations *load_set(cv_ctx *cx, cv_migrations_source source)
{
    cv_migrations *set = NULL;
    assert_ok(cx, cv_migrations_load(cx, &source, &set));
    return set;
}

/** Loading must fail with the code and a message that contains the part. */
#define refuses(source, code, part)                                                                                    \
    do {                                                                                                               \
        cv_ctx *refused_cx_ = cv_ctx_new(0);                                                                           \
        cv_migrations_source refused_ = source;                                                                        \
        cv_migrations *refused_set_;                                                                                   \
        assert_fails(refused_cx_, cv_migrations_load(refused_cx_, &refused_, &refused_set_), code, part);              \
        cv_ctx_free(refused_cx_);                                                                                      \
    } while (0)

/** The same, with a part of the hint. */
#define refuses_with_hint(source, code, part, hint_part)                                                               \
    do {                                                                                                               \
        cv_ctx *refused_cx_ = cv_ctx_new(0);                                                                           \
        cv_migrations_source refused_ = source;                                                                        \
        cv_migrations *refused_set_;                                                                                   \
        assert_int_equal(cv_migrations_load(refused_cx_, &refused_, &refused_set_), code);                             \
        const cv_error *refused_error_ = cv_error_last(refused_cx_);                                                   \
        assert_non_null(strstr(refused_error_->message, part));                                                        \
        assert_non_null(refused_error_->hint);                                                                         \
        assert_non_null(strstr(refused_error_->hint, hint_part));                                                      \
        cv_ctx_free(refused_cx_);                                                                                      \
    } while (0)

#endif
