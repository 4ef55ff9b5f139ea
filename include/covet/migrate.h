/* Migrations: operations in files, dialect-neutral, replayed to know the state, rendered to SQL on demand.
 *
 * A migration is one YAML file, FOLDER/LABEL/NNNN_name.yaml:
 *
 *     covet: 1
 *     depends_on: [authors/0001_initial]        # the former one of its own label comes by itself
 *     operations:
 *       - create_table:
 *           name: books
 *           columns:
 *             - {name: id, type: integer, bits: 64, identity: true}
 *             - {name: title, type: char, max_length: 200}
 *             - {name: price, type: decimal, digits: 8, places: 2}
 *             - {name: author_id, type: integer, references: {table: authors, column: id, on_delete: protect}}
 *           unique:
 *             - {name: books_title_author_id_uniq, columns: [title, author_id]}
 *           checks:
 *             - {name: books_price_min, column: price, lookup: gte, value: "0"}
 *       - create_index: {name: books_author_id_idx, table: books, columns: [author_id]}
 *
 * Further operations: drop_table, add_column, drop_column, drop_index, run_sql (`{sqlite: [...], postgres: [...],
 * mariadb: [...], reverse: {sqlite: [...], postgres: [...], mariadb: [...]}}`). docs/migrations.md describes the format
 * in full. Comments are allowed; anchors, aliases, tags and duplicate keys are not. A file's checksum is the SHA-256 of
 * its bytes. What was applied stands in the table covet_migrations (label, name, checksum, applied_at, duration_us).
 * Each migration runs in one transaction with its history row; one runner works at a time. */
#ifndef COVET_MIGRATE_H
#define COVET_MIGRATE_H

#include <covet/db.h>
#include <covet/model.h>

CV_BEGIN_DECLS

typedef struct cv_migrations cv_migrations;

/** A migration compiled into the program by `covet embed`. Static storage. */
typedef struct cv_embedded_migration {
    const char *label;
    const char *name;
    const char *text;
    size_t len;
} cv_embedded_migration;

/** Where migrations come from. A folder that exists wins over the embedded ones as a whole; a difference between them
 * is reported as a warning of the set (cv_migrations_warning). A missing folder is an empty one; with embedded ones
 * given, those are used, with a warning. */
typedef struct cv_migrations_source {
    const char *folder;
    const cv_embedded_migration *embedded;
    size_t embedded_count;
} cv_migrations_source;

/** Read, check and order all migrations: file and path names that cannot escape the folder, syntax, operations against
 * the replayed state, the dependency graph. Lives in the context's arena. CV_E_MIGRATION and CV_E_SYNTAX name file,
 * line and what is expected, with the nearest known word for an unknown one. Suspends while reading. */
CV_API CV_CHECKED int cv_migrations_load(cv_ctx *cx, const cv_migrations_source *source,
                                         cv_migrations **ret_migrations);

/** The next warning, or NULL; `*position` starts at 0. */
CV_API const char *cv_migrations_warning(const cv_migrations *migrations, size_t *position);

/** One migration and how it stands in a database. */
typedef struct cv_migration_status {
    const char *label;
    const char *name;
    bool applied;
    cv_time applied_at;
    bool changed; /* applied, but the file differs from what was applied */
    bool missing; /* applied, but there is no such file */
    /* Being applied, or when `applied` undone, and not finished: a runner is at it, or it failed there. Only where the
     * data definition is no part of transactions (MariaDB). */
    bool begun;
    size_t statements_done; /* of one that was begun */
} cv_migration_status;

/** All migrations in the order in which they apply, with what only the history knows behind. In the context's arena.
 *  A database without history has nothing applied; it is not changed. Suspends. */
CV_API CV_CHECKED int cv_migrations_status(cv_ctx *cx, const cv_migrations *migrations,
                                           cv_migration_status **ret_status, size_t *ret_count);

typedef struct cv_migrate_options {
    const char *label; /* NULL: all labels */
    const char *
        name; /* up or down to this one; "zero": undo all of the label; a unique beginning suffices; NULL: the newest */
    bool dry_run;            /* only report */
    int64_t lock_timeout_ms; /* wait for another runner: 30,000 */
    /** Called before and after each migration; `forward` false when it is undone. May be NULL. */
    void (*progress)(void *arg, const char *label, const char *name, bool forward, bool finished, size_t done,
                     size_t total);
    void *progress_arg;
} cv_migrate_options;

/** Bring the context's database to a state. Refuses before changing anything when an applied migration was changed
 *  (CV_E_CHECKSUM, naming it and what to do) or is missing (CV_E_MIGRATION), or when one to be undone cannot be.
 * `ret_done` (may be NULL) gets the number applied or undone. Suspends. */
CV_API CV_CHECKED int cv_migrate(cv_ctx *cx, const cv_migrations *migrations, const cv_migrate_options *options,
                                 size_t *ret_done);

/** Append the SQL of one migration for an engine ("sqlite", "postgres", "mariadb"), forward or backward, statements
 * ended by ";\n". CV_E_NOT_FOUND: no such migration; CV_E_INVALID: no such engine; CV_E_MIGRATION: what the engine
 * cannot have, or what cannot be undone; the buffer's own. Does not suspend. */
CV_API CV_CHECKED int cv_migration_sql(cv_ctx *cx, const cv_migrations *migrations, const char *label, const char *name,
                                       const char *engine, bool forward, cv_buf *out);

/** Whether an engine can have all of the set: each migration is rendered for it. CV_E_MIGRATION with the place (a key
 * that is too long for it, a run_sql without statements for it), CV_E_INVALID for an unknown engine. Does not suspend.
 */
CV_API CV_CHECKED int cv_migrations_check_engine(cv_ctx *cx, const cv_migrations *migrations, const char *engine);

/** A file that cv_makemigrations wrote, or would write. */
typedef struct cv_new_migration {
    const char *label;
    const char *name;
    const char *path;
    const char *text;
    const char *const *summary; /* "create table books", ...; NULL-terminated */
} cv_new_migration;

typedef struct cv_makemigrations_options {
    const char *folder; /* where files go; needed unless dry_run */
    const char *label;  /* NULL: all labels */
    const char *name;   /* NULL: "initial", or made from the operations */
    bool dry_run;
    const char *engine; /* also refuse what this engine ("mariadb") cannot have; NULL: none in particular */
} cv_makemigrations_options;

/** Compare the registry's models with the replayed state and write what is missing: new tables with columns, keys,
 * indexes and checks; tables, columns and indexes that came or went. A change that these operations cannot express is
 * CV_E_UNSUPPORTED and says so. Files are written completely or not at all and never overwritten. In the context's
 * arena. Suspends. */
CV_API CV_CHECKED int cv_makemigrations(cv_ctx *cx, const cv_registry *registry, const cv_migrations *migrations,
                                        const cv_makemigrations_options *options, cv_new_migration **ret_new,
                                        size_t *ret_count);

/** Append a C source that defines `const cv_embedded_migration SYMBOL[]` and `const size_t SYMBOL_count` with all files
 * of the set. */
CV_API CV_CHECKED int cv_migrations_embed(cv_ctx *cx, const cv_migrations *migrations, const char *symbol, cv_buf *out);

CV_END_DECLS

#endif
