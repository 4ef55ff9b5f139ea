/* Reading: libyaml's events become a tree. Each event is consumed by one function; the open containers are a bounded
 * stack, so nothing recurses. */
#include "base/yaml.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

enum { DEFAULT_DEPTH = 32, HIGHEST_DEPTH = 64, DEFAULT_BYTES = 1024 * 1024 };

struct reading {
    cv_ctx *cx;
    cv__yaml_options options;
    cv__yaml_node *open[HIGHEST_DEPTH];
    int depth;
    cv__yaml_node *root;
    int documents;
    cv__yaml_node key; /* of a mapping, waiting for its value: key, key_line, key_column */
};

static cv__yaml_options with_defaults(const cv__yaml_options *options)
{
    cv__yaml_options o = options ? *options : (cv__yaml_options){0};
    if (!o.name)
        o.name = "yaml";
    if (!o.error_code)
        o.error_code = CV_E_SYNTAX;
    if (o.max_depth <= 0)
        o.max_depth = DEFAULT_DEPTH;
    if (o.max_depth > HIGHEST_DEPTH)
        o.max_depth = HIGHEST_DEPTH;
    if (!o.max_bytes)
        o.max_bytes = DEFAULT_BYTES;
    return o;
}

static int refuse(struct reading *r, yaml_mark_t mark, const char *reason)
{
    return cv_fail(r->cx, r->options.error_code, "%s:%zu:%zu: %s", r->options.name, mark.line + 1, mark.column + 1,
                   reason);
}

static int fail_parser(struct reading *r, const yaml_parser_t *parser)
{
    const char *problem = parser->problem ? parser->problem : "not well-formed";
    if (parser->error == YAML_MEMORY_ERROR)
        return cv_fail(r->cx, CV_E_NOMEM, "%s: out of memory", r->options.name);
    if (parser->error == YAML_READER_ERROR)
        return cv_fail(r->cx, r->options.error_code, "%s: %s at byte %zu", r->options.name, problem,
                       parser->problem_offset);
    return refuse(r, parser->problem_mark, problem);
}

static cv__yaml_node *innermost(const struct reading *r)
{
    return r->depth ? r->open[r->depth - 1] : NULL;
}

static cv__yaml_node *new_node(struct reading *r, cv__yaml_kind kind, yaml_mark_t mark)
{
    cv__yaml_node *node = cv_zalloc(r->cx, 1, sizeof *node);
    if (!node)
        return NULL;
    node->kind = kind;
    node->line = (int)mark.line + 1;
    node->column = (int)mark.column + 1;
    node->key = r->key.key;
    node->key_line = r->key.key_line;
    node->key_column = r->key.key_column;
    r->key = (cv__yaml_node){0};
    return node;
}

static void attach(struct reading *r, cv__yaml_node *node)
{
    cv__yaml_node *parent = innermost(r);
    if (!parent) {
        r->root = node;
        return;
    }
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->count++;
}

static int copy_text(struct reading *r, const yaml_event_t *event, cv_str *ret_text)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (memchr(value, '\0', len))
        return refuse(r, event->start_mark, "a text must not contain NUL");
    char *copy = cv_strndup(r->cx, value, len);
    if (!copy)
        return CV_E_NOMEM;
    *ret_text = cv_str_make(copy, len);
    return 0;
}

static bool key_is_due(const struct reading *r)
{
    const cv__yaml_node *parent = innermost(r);
    return parent && parent->kind == CV__YAML_MAPPING && !r->key.key.ptr;
}

static int take_scalar(struct reading *r, const yaml_event_t *event)
{
    cv_str text;
    if (event->data.scalar.anchor)
        return refuse(r, event->start_mark, "anchors are not supported");
    if (event->data.scalar.tag)
        return refuse(r, event->start_mark, "tags are not supported");
    CV_TRY(copy_text(r, event, &text));
    if (key_is_due(r)) {
        r->key.key = text;
        r->key.key_line = (int)event->start_mark.line + 1;
        r->key.key_column = (int)event->start_mark.column + 1;
        return 0;
    }
    cv__yaml_node *node = new_node(r, CV__YAML_SCALAR, event->start_mark);
    if (!node)
        return CV_E_NOMEM;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = text;
    attach(r, node);
    return 0;
}

static int open_container(struct reading *r, cv__yaml_kind kind, yaml_mark_t mark, const void *anchor, const void *tag)
{
    if (anchor)
        return refuse(r, mark, "anchors are not supported");
    if (tag)
        return refuse(r, mark, "tags are not supported");
    if (key_is_due(r))
        return refuse(r, mark, "a key must be a scalar");
    if (r->depth == r->options.max_depth)
        return cv_fail(r->cx, CV_E_LIMIT, "%s:%zu:%zu: nested deeper than %d levels", r->options.name, mark.line + 1,
                       mark.column + 1, r->options.max_depth);
    cv__yaml_node *node = new_node(r, kind, mark);
    if (!node)
        return CV_E_NOMEM;
    attach(r, node);
    r->open[r->depth++] = node;
    return 0;
}

static int compare_keys(const void *left, const void *right)
{
    const cv__yaml_node *a = *(cv__yaml_node *const *)left, *b = *(cv__yaml_node *const *)right;
    int order = cv_str_compare(a->key, b->key);
    if (order == 0 && a->key_line != b->key_line)
        return a->key_line < b->key_line ? -1 : 1;
    return order ? order : a->key_column - b->key_column;
}

/* Sorting finds duplicates in bounded time whatever the keys are. */
static int check_keys(struct reading *r, const cv__yaml_node *mapping)
{
    if (mapping->count < 2)
        return 0;
    cv_arena_mark mark = cv_arena_save(cv_ctx_arena(r->cx));
    const cv__yaml_node **sorted = cv_zalloc(r->cx, mapping->count, sizeof(cv__yaml_node *));
    if (!sorted)
        return CV_E_NOMEM;
    size_t count = 0;
    const cv__yaml_node *twice = NULL;
    for (const cv__yaml_node *at = mapping->first; at; at = at->next)
        sorted[count++] = at;
    qsort((void *)sorted, count, sizeof *sorted, compare_keys);
    for (size_t i = 1; i < count && !twice; i++)
        if (cv_str_equal(sorted[i - 1]->key, sorted[i]->key))
            twice = sorted[i];
    cv_arena_rewind(cv_ctx_arena(r->cx), mark);
    if (!twice)
        return 0;
    return cv_fail(r->cx, r->options.error_code, "%s:%d:%d: duplicate key \"%s\"", r->options.name, twice->key_line,
                   twice->key_column, twice->key.ptr);
}

static int close_container(struct reading *r)
{
    assert(r->depth > 0); /* libyaml ends only what it began */
    const cv__yaml_node *node = r->open[--r->depth];
    return node->kind == CV__YAML_MAPPING ? check_keys(r, node) : 0;
}

static int start_document(struct reading *r, const yaml_event_t *event)
{
    if (event->data.document_start.version_directive ||
        event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end)
        return refuse(r, event->start_mark, "directives are not supported");
    if (r->documents++)
        return refuse(r, event->start_mark, "only one document is allowed");
    return 0;
}

static int take_event(struct reading *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return start_document(r, event);
    case YAML_SCALAR_EVENT:
        return take_scalar(r, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_container(r, CV__YAML_SEQUENCE, event->start_mark, event->data.sequence_start.anchor,
                              event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return open_container(r, CV__YAML_MAPPING, event->start_mark, event->data.mapping_start.anchor,
                              event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_container(r);
    case YAML_ALIAS_EVENT:
        return refuse(r, event->start_mark, "aliases are not supported");
    default:
        return 0;
    }
}

static int read_events(struct reading *r, yaml_parser_t *parser)
{
    for (bool ended = false; !ended;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return fail_parser(r, parser);
        ended = event.type == YAML_STREAM_END_EVENT;
        int rc = take_event(r, &event);
        yaml_event_delete(&event);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int cv__yaml_read(cv_ctx *cx, cv_str text, const cv__yaml_options *options, const cv__yaml_node **ret_root)
{
    struct reading r = {.cx = cx, .options = with_defaults(options)};
    yaml_parser_t parser;
    if (text.len > r.options.max_bytes)
        return cv_fail(cx, CV_E_LIMIT, "%s: more than %zu bytes", r.options.name, r.options.max_bytes);
    if (!yaml_parser_initialize(&parser))
        return cv_fail(cx, CV_E_NOMEM, "%s: out of memory", r.options.name);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.ptr ? text.len : 0);
    int rc = read_events(&r, &parser);
    yaml_parser_delete(&parser);
    if (rc < 0)
        return rc;
    /* A document with nothing in it is reported by libyaml as an empty plain scalar. */
    *ret_root = r.root && r.root->plain && !r.root->text.len ? NULL : r.root;
    return 0;
}

static int fail_file(cv_ctx *cx, const char *path, int number)
{
    int code = number == ENOENT || number == ENOTDIR ? CV_E_NOT_FOUND
               : number == EACCES || number == EPERM ? CV_E_PERMISSION
                                                     : CV_E_IO;
    return cv_fail(cx, code, "could not read \"%s\": %s", path, strerror(number));
}

/* At most `max_bytes` + 1 bytes, so that the caller sees that there are more. */
static int read_descriptor(cv_ctx *cx, const char *path, int fd, size_t max_bytes, cv_buf *text)
{
    struct stat facts;
    if (fstat(fd, &facts) < 0)
        return fail_file(cx, path, errno);
    if (S_ISDIR(facts.st_mode))
        return fail_file(cx, path, EISDIR);
    while (text->len <= max_bytes) {
        size_t wanted = max_bytes + 1 - text->len;
        wanted = wanted > 65536 ? 65536 : wanted;
        char *room = cv_buf_reserve(text, wanted);
        if (!room)
            return cv_fail(cx, text->error, "could not read \"%s\": %s", path, cv_error_text(text->error));
        ssize_t got = read(fd, room, wanted);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_file(cx, path, errno);
        if (got == 0)
            return 0;
        cv_buf_commit(text, (size_t)got);
    }
    return 0;
}

int cv__yaml_read_file(cv_ctx *cx, const char *path, const cv__yaml_options *options, const cv__yaml_node **ret_root)
{
    cv__yaml_options o = with_defaults(options);
    if (!options || !options->name)
        o.name = path;
    /* Without O_NONBLOCK a named pipe would hold the program for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_file(cx, path, errno);
    cv_buf text;
    cv_buf_init(&text, o.max_bytes + 65536);
    int rc = read_descriptor(cx, path, fd, o.max_bytes, &text);
    close(fd);
    if (rc == 0)
        rc = cv__yaml_read(cx, cv_buf_str(&text), &o, ret_root);
    cv_buf_done(&text);
    return rc;
}

const cv__yaml_node *cv__yaml_get(const cv__yaml_node *node, const char *key)
{
    if (!node || node->kind != CV__YAML_MAPPING)
        return NULL;
    for (const cv__yaml_node *at = node->first; at; at = at->next)
        if (strcmp(at->key.ptr, key) == 0)
            return at;
    return NULL;
}

static bool is_plain(const cv__yaml_node *node, const char *text)
{
    return node->kind == CV__YAML_SCALAR && node->plain && strcmp(node->text.ptr, text) == 0;
}

bool cv__yaml_is_null(const cv__yaml_node *node)
{
    return is_plain(node, "") || is_plain(node, "~") || is_plain(node, "null");
}

bool cv__yaml_to_bool(const cv__yaml_node *node, bool *ret_value)
{
    if (!is_plain(node, "true") && !is_plain(node, "false"))
        return false;
    *ret_value = node->text.ptr[0] == 't';
    return true;
}

const char *cv__yaml_kind_name(cv__yaml_kind kind)
{
    static const char *const names[] = {"a scalar", "a sequence", "a mapping"};
    return names[kind];
}
