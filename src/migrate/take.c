#include "migrate/take.h"

cv__place cv__take_place(const cv__taking *t, const cv__yaml_node *node)
{
    return (cv__place){t->file, node->line, node->column};
}

cv__place cv__take_key_place(const cv__taking *t, const cv__yaml_node *node)
{
    return (cv__place){t->file, node->key_line, node->key_column};
}

int cv__take_kind(const cv__taking *t, const cv__yaml_node *node, cv__yaml_kind kind, const char *what)
{
    if (node->kind == kind)
        return 0;
    return cv__fail_at(t->cx, cv__take_place(t, node), "%s must be %s, not %s", what, cv__yaml_kind_name(kind),
                       cv__yaml_kind_name(node->kind));
}

int cv__take_keys(const cv__taking *t, const cv__yaml_node *node, const char *what, const char *const *known)
{
    size_t count = 0;
    while (known[count])
        count++;
    CV_TRY(cv__take_kind(t, node, CV__YAML_MAPPING, what));
    for (const cv__yaml_node *at = node->first; at; at = at->next) {
        size_t i = 0;
        while (i < count && !cv_str_equal(at->key, cv_str_of(known[i])))
            i++;
        if (i < count)
            continue;
        cv__fail_at(t->cx, cv__take_key_place(t, at), "%s has the unknown key \"%.*s\"", what,
                    (int)(at->key.len < 64 ? at->key.len : 64), at->key.ptr);
        cv__hint_nearest(t->cx, at->key.ptr, known, count);
        return CV_E_MIGRATION;
    }
    return 0;
}

int cv__take_child(const cv__taking *t, const cv__yaml_node *node, const char *what, const char *key,
                   const cv__yaml_node **ret_child)
{
    *ret_child = cv__yaml_get(node, key);
    if (*ret_child)
        return 0;
    return cv__fail_at(t->cx, cv__take_place(t, node), "%s needs the key \"%s\"", what, key);
}

int cv__take_name_node(const cv__taking *t, const cv__yaml_node *node, const char **ret_name)
{
    CV_TRY(cv__take_kind(t, node, CV__YAML_SCALAR, "a name"));
    if (!cv__identifier_ok(node->text)) {
        cv__fail_at(t->cx, cv__take_place(t, node), "\"%.*s\" cannot be a name",
                    (int)(node->text.len < 80 ? node->text.len : 80), node->text.ptr);
        cv_error_hint(t->cx, "use 1 to 63 letters, digits and underscores, not beginning with a digit");
        return CV_E_MIGRATION;
    }
    *ret_name = node->text.ptr;
    return 0;
}

int cv__take_name(const cv__taking *t, const cv__yaml_node *node, const char *what, const char *key,
                  const char **ret_name)
{
    const cv__yaml_node *child;
    CV_TRY(cv__take_child(t, node, what, key, &child));
    return cv__take_name_node(t, child, ret_name);
}

int cv__take_bool(const cv__taking *t, const cv__yaml_node *node, const char *key, bool *ret_value)
{
    const cv__yaml_node *child = cv__yaml_get(node, key);
    if (!child || cv__yaml_to_bool(child, ret_value))
        return 0;
    return cv__fail_at(t->cx, cv__take_place(t, child), "\"%s\" must be true or false", key);
}

int cv__take_number(const cv__taking *t, const cv__yaml_node *node, const char *key, int64_t min, int64_t max,
                    int64_t *ret_value)
{
    const cv__yaml_node *child = cv__yaml_get(node, key);
    int64_t value = 0;
    if (!child)
        return 0;
    if (child->kind != CV__YAML_SCALAR || !child->plain || cv_str_to_i64(child->text, &value) < 0 || value < min ||
        value > max)
        return cv__fail_at(t->cx, cv__take_place(t, child), "\"%s\" must be a number from %lld to %lld", key,
                           (long long)min, (long long)max);
    *ret_value = value;
    return 0;
}

int cv__take_word(const cv__taking *t, cv__place place, const char *what, cv_str word, const char *const *words,
                  size_t count, size_t *ret_position)
{
    for (size_t i = 0; i < count; i++)
        if (cv_str_equal(word, cv_str_of(words[i]))) {
            *ret_position = i;
            return 0;
        }
    cv__fail_at(t->cx, place, "unknown %s \"%.*s\"", what, (int)(word.len < 64 ? word.len : 64),
                word.ptr ? word.ptr : "");
    const char *nearest = cv_str_nearest(word, words, count);
    if (nearest) {
        cv_error_hint(t->cx, "did you mean \"%s\"?", nearest);
        return CV_E_MIGRATION;
    }
    cv_buf all;
    cv_buf_init_arena(&all, cv_ctx_arena(t->cx), 1024);
    for (size_t i = 0; i < count; i++)
        cv_buf_printf(&all, "%s%s", i ? ", " : "", words[i]);
    cv_error_hint(t->cx, "there are %.*s", CV_STR_ARG(cv_buf_str(&all)));
    return CV_E_MIGRATION;
}

int cv__take_value(const cv__taking *t, const cv__yaml_node *node, const char *what, const cv__column_type *type,
                   cv_value *ret_value)
{
    cv_value value;
    CV_TRY(cv__take_kind(t, node, CV__YAML_SCALAR, what));
    if (cv__yaml_is_null(node)) {
        cv__fail_at(t->cx, cv__take_place(t, node), "%s cannot be null", what);
        cv_error_hint(t->cx, "leave the key out; for the text, write \"null\" in quotes");
        return CV_E_MIGRATION;
    }
    int rc = cv__column_convert(cv_ctx_arena(t->cx), cv_value_str(node->text), type, &value);
    if (rc == CV_E_NOMEM || rc == CV_E_LIMIT)
        return cv_fail(t->cx, rc, "could not read %s: out of memory", what);
    if (rc < 0 || !cv__value_fits(cv_ctx_arena(t->cx), value, type))
        return cv__fail_at(t->cx, cv__take_place(t, node), "%s \"%.*s\" does not fit the column: it is of type %s",
                           what, (int)(node->text.len < 64 ? node->text.len : 64), node->text.ptr,
                           cv_type_name(type->type));
    *ret_value = value;
    return 0;
}
