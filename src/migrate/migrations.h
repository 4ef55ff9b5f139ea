/* A set of migrations: loaded, checked and ordered. Everything lies in the arena of the context that loaded it. */
#ifndef COVET_SRC_MIGRATE_MIGRATIONS_H
#define COVET_SRC_MIGRATE_MIGRATIONS_H

#include "migrate/file.h"
#include "migrate/state.h"
#include <covet/migrate.h>

#define CV__MAX_MIGRATIONS   4000
#define CV__CHECKSUM_BYTES   65 /* SHA-256 in hexadecimal, with the NUL */
#define CV__MIGRATE_HISTORY  "covet_migrations"
#define CV__MIGRATE_WARNINGS 50

typedef struct cv__migration cv__migration;
struct cv__migration {
    const char *label, *name; /* "shop", "0001_initial" */
    const char *path;         /* for messages */
    cv_str text;
    char checksum[CV__CHECKSUM_BYTES];
    cv__file file;
    cv__migration *former;        /* of its label, or NULL */
    cv__migration **dependencies; /* without the former */
    size_t position;              /* in the order */
    bool ordered;
};

struct cv_migrations {
    cv__migration **list; /* in the order in which they apply */
    size_t count;
    cv__state state; /* after all of them */
    const char *warnings[CV__MIGRATE_WARNINGS];
    size_t warning_count;
};

/** A migration's text, before it is read. */
typedef struct cv__source_file {
    const char *label, *name, *path;
    cv_str text;
} cv__source_file;

/** The SHA-256 of a text, in hexadecimal (checksum.c). CV_E_INTERNAL when the library refuses. */
CV_CHECKED int cv__checksum(cv_ctx *cx, cv_str text, char ret_checksum[CV__CHECKSUM_BYTES]);

/** Read a folder's files through the lane for files (folder.c). `*ret_exists` false: there is no such folder, which is
 *  no error. CV_E_MIGRATION for names that are not allowed and for links that lead outside, CV_E_IO, CV_E_PERMISSION,
 *  CV_E_TOO_LARGE. Suspends. */
CV_CHECKED int cv__folder_read(cv_ctx *cx, const char *folder, cv__source_file **ret_files, size_t *ret_count,
                               bool *ret_exists);

/** Write new files through the lane for files (publish.c): all of them completely, or none; nothing is overwritten
 *  (CV_E_EXISTS). Folders of labels are made. Suspends. */
CV_CHECKED int cv__publish(cv_ctx *cx, const char *folder, const cv_new_migration *files, size_t count);

/** Read texts into a set: parse, order, replay (migrations.c). Does not suspend. */
CV_CHECKED int cv__migrations_build(cv_ctx *cx, const cv__source_file *files, size_t count,
                                    cv_migrations **ret_migrations);

/** Put the migrations into the order in which they apply (graph.c). CV_E_MIGRATION: two that follow the same one, a
 *  dependency that does not exist, a cycle. Does not suspend. */
CV_CHECKED int cv__graph_order(cv_ctx *cx, cv__migration **list, size_t count);

/** The last migration of a label, or NULL. */
cv__migration *cv__migrations_last(const cv_migrations *migrations, const char *label);

/** A migration by label and name, of which a unique beginning suffices. CV_E_NOT_FOUND with the nearest. */
CV_CHECKED int cv__migrations_find(cv_ctx *cx, const cv_migrations *migrations, const char *label, const char *name,
                                   cv__migration **ret_migration);

/** CV_E_NOT_FOUND, with the nearest, unless the set has migrations of this label. */
CV_CHECKED int cv__migrations_need_label(cv_ctx *cx, const cv_migrations *migrations, const char *label);

/** The state before the migration at a position. */
CV_CHECKED int cv__migrations_state_at(cv_ctx *cx, const cv_migrations *migrations, size_t position,
                                       cv__state *ret_state);

#endif
