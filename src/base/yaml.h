/* The strict YAML subset that Covet reads and writes: mappings, sequences and scalars, comments, block and flow style.
 *
 * Refused, with file, line and column: anchors, aliases, tags, directives, duplicate keys, keys that are not scalars,
 * more than one document, NUL in a text, anything beyond the limits. The tree lies in the context's arena. Nothing here
 * suspends; reading a file blocks and belongs to start-up and commands. */
#ifndef COVET_SRC_BASE_YAML_H
#define COVET_SRC_BASE_YAML_H

#include <covet/ctx.h>
#include <covet/str.h>

typedef enum cv__yaml_kind { CV__YAML_SCALAR, CV__YAML_SEQUENCE, CV__YAML_MAPPING } cv__yaml_kind;

/** A node. The children of a sequence or mapping are linked in the order written:
 *  `for (const cv__yaml_node *at = node->first; at; at = at->next)`. */
typedef struct cv__yaml_node {
    cv__yaml_kind kind;
    int line, column; /* from 1 */
    bool plain;       /* a scalar written without quotes and not as a block */
    cv_str text;      /* of a scalar, NUL-terminated, valid UTF-8 without NUL */
    cv_str key;       /* of a mapping's child, NUL-terminated; NULL otherwise */
    int key_line, key_column;
    struct cv__yaml_node *first, *last; /* children */
    struct cv__yaml_node *next;         /* sibling */
    size_t count;                       /* of children */
} cv__yaml_node;

/** How to read; zeroes take the defaults. */
typedef struct cv__yaml_options {
    const char *name; /* names the text in messages: "app.yaml:3:5: ..."; NULL: "yaml" */
    int error_code;   /* what a text that is refused is reported as; 0: CV_E_SYNTAX */
    int max_depth;    /* open sequences and mappings; 0: 32, at most 64 */
    size_t max_bytes; /* of the text; 0: 1 MiB */
} cv__yaml_options;

/** Read one document. `*ret_root` is NULL when the text holds nothing but white space and comments. Nodes live in the
 *  arena of `cx` and do not point into `text`. Does not suspend. `options->error_code` with the position and the
 * reason, CV_E_LIMIT for size and depth, CV_E_NOMEM. `options` may be NULL. */
CV_CHECKED int cv__yaml_read(cv_ctx *cx, cv_str text, const cv__yaml_options *options, const cv__yaml_node **ret_root);

/** The same from a file, named by its path in messages unless `options->name` is set. Blocks. Also CV_E_NOT_FOUND,
 *  CV_E_PERMISSION, CV_E_IO. */
CV_CHECKED int cv__yaml_read_file(cv_ctx *cx, const char *path, const cv__yaml_options *options,
                                  const cv__yaml_node **ret_root);

/** The child of a mapping with this key, or NULL (also when `node` is NULL or no mapping). */
const cv__yaml_node *cv__yaml_get(const cv__yaml_node *node, const char *key);

/** Whether the node is a plain scalar that means null: nothing, "~", "null". */
bool cv__yaml_is_null(const cv__yaml_node *node);

/** A plain "true" or "false" as a boolean; false when the node is anything else. */
bool cv__yaml_to_bool(const cv__yaml_node *node, bool *ret_value);

/** "a scalar", "a sequence", "a mapping", for messages. Static storage. */
const char *cv__yaml_kind_name(cv__yaml_kind kind);

/** Append a text as a scalar on one line that reads back as the same text: plain when no reader could take it for
 *  anything else (null, a boolean, a number, a date), otherwise in double quotes. Bytes that are not UTF-8 become
 *  U+FFFD; a NUL is written escaped, and refused by the reader. */
void cv__yaml_add_scalar(cv_buf *buf, cv_str text);

#endif
