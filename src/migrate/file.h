/* A migration as text: reading it into operations (file.c, file_table.c) and writing operations as text (writer.c).
 * What was written reads back as the same operations. Nothing here suspends or touches files. */
#ifndef COVET_SRC_MIGRATE_FILE_H
#define COVET_SRC_MIGRATE_FILE_H

#include "migrate/operation.h"
#include "migrate/take.h"

#define CV__FILE_MAX_BYTES      (1024 * 1024)
#define CV__FILE_MAX_OPERATIONS 1000
#define CV__FILE_MAX_DEPENDS    100

/** Another migration that must come before, "label/name". */
typedef struct cv__dependency {
    const char *label, *name;
    cv__place place;
} cv__dependency;

/** What a file says. */
typedef struct cv__file {
    const cv__dependency *depends;
    size_t depend_count;
    const cv__operation *operations;
    size_t operation_count;
} cv__file;

/** Read a migration; `name` stands in front of messages. In the context's arena. CV_E_SYNTAX for what is not the YAML
 * that is accepted, CV_E_MIGRATION for what is not a migration, CV_E_LIMIT, CV_E_NOMEM. */
CV_CHECKED int cv__file_read(cv_ctx *cx, const char *name, cv_str text, cv__file *ret_file);

/** Append a migration as text; `comment` (may be NULL) stands on top, each line after "# ". Failures are sticky. */
void cv__file_write(cv_buf *out, const char *comment, const cv__file *file);

/** Append a column as it stands in a file: "{name: pages, type: integer, bits: 64, null: true}"; a check, an index. */
void cv__file_add_column(cv_buf *out, const cv__column *column);
void cv__file_add_check(cv_buf *out, const cv__check *check);
void cv__file_add_index(cv_buf *out, const cv__index *index);

/** Whether a text may be a label or a migration's name: 1 to 100 of [a-z0-9_]; a name begins with four digits and "_".
 */
bool cv__label_ok(cv_str label);
bool cv__migration_name_ok(cv_str name);

/* Shared by the two readers. */

/** The words for column types, by kind of field. */
typedef struct cv__type_word {
    const char *name;
    cv_type type;
} cv__type_word;
#define CV__TYPE_WORD_COUNT 13
extern const cv__type_word cv__type_words[CV__TYPE_WORD_COUNT];

/** "protect", "cascade", "set_null", in the order of cv_on_delete. */
extern const char *const cv__on_delete_words[3];

CV_CHECKED int cv__take_table(const cv__taking *t, const cv__yaml_node *node, const cv__schema_table **ret_table);
CV_CHECKED int cv__take_column(const cv__taking *t, const cv__yaml_node *node, cv__column *ret_column);
/** The sequence of checks below the key "checks" of `node` (none: count 0), over the columns given. */
CV_CHECKED int cv__take_checks(const cv__taking *t, const cv__yaml_node *node, const cv__schema_table *columns,
                               const cv__check **ret_checks, size_t *ret_count);
/** The columns of an index: a sequence of names, "-name" descending where it is allowed. */
CV_CHECKED int cv__take_index_columns(const cv__taking *t, const cv__yaml_node *node, const char *what, bool descending,
                                      cv__index *index);

#endif
