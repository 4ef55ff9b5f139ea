/* Tables, columns, checks and indexes of a migration file. */
#include "migrate/file.h"

#define MAX_CHECKS       500
#define MAX_CHECK_VALUES 200
#define MAX_TEXT_LENGTH  10485760 /* what PostgreSQL allows for varchar */

const cv__type_word cv__type_words[CV__TYPE_WORD_COUNT] = {
    {"char", CV_TYPE_TEXT},   {"text", CV_TYPE_TEXT}, {"boolean", CV_TYPE_BOOL},    {"integer", CV_TYPE_I64},
    {"float", CV_TYPE_F64},   {"date", CV_TYPE_DATE}, {"decimal", CV_TYPE_DECIMAL}, {"datetime", CV_TYPE_TIME},
    {"uuid", CV_TYPE_UUID},   {"json", CV_TYPE_JSON}, {"binary", CV_TYPE_BYTES},    {"array", CV_TYPE_ARRAY},
    {"range", CV_TYPE_RANGE},
};

const char *const cv__on_delete_words[3] = {"protect", "cascade", "set_null"};

/* ---- types ---- */

/* A key that another type has is not silently ignored. */
static int refuse_key(const cv__taking *t, const cv__yaml_node *node, const char *key, const char *type)
{
    const cv__yaml_node *child = cv__yaml_get(node, key);
    if (!child)
        return 0;
    return cv__fail_at(t->cx, cv__take_key_place(t, child), "a column of type %s has no \"%s\"", type, key);
}

static int take_char(const cv__taking *t, const cv__yaml_node *node, cv__column_type *type)
{
    const cv__yaml_node *needed;
    int64_t length = 0;
    CV_TRY(cv__take_child(t, node, "a column of type char", "max_length", &needed));
    CV_TRY(cv__take_number(t, node, "max_length", 1, MAX_TEXT_LENGTH, &length));
    type->max_length = (uint32_t)length;
    return 0;
}

static int take_integer(const cv__taking *t, const cv__yaml_node *node, cv__column_type *type)
{
    int64_t bits = 64;
    CV_TRY(cv__take_number(t, node, "bits", 16, 64, &bits));
    if (bits != 16 && bits != 32 && bits != 64)
        return cv__fail_at(t->cx, cv__take_place(t, cv__yaml_get(node, "bits")), "an integer has 16, 32 or 64 bits");
    type->bits = (uint16_t)bits;
    return 0;
}

static int take_decimal(const cv__taking *t, const cv__yaml_node *node, cv__column_type *type)
{
    const cv__yaml_node *needed;
    int64_t digits = 0, places = 0;
    CV_TRY(cv__take_child(t, node, "a column of type decimal", "digits", &needed));
    CV_TRY(cv__take_child(t, node, "a column of type decimal", "places", &needed));
    CV_TRY(cv__take_number(t, node, "digits", 1, CV_DECIMAL_MAX_DIGITS, &digits));
    CV_TRY(cv__take_number(t, node, "places", 0, digits, &places));
    type->digits = (uint16_t)digits;
    type->places = (uint16_t)places;
    return 0;
}

/* What an array or a range is made of. */
static int take_element(const cv__taking *t, const cv__yaml_node *node, cv__column_type *type)
{
    static const char *const words[] = {"text", "boolean", "integer", "float", "date", "decimal", "datetime", "uuid"};
    static const cv_type types[] = {CV_TYPE_TEXT, CV_TYPE_BOOL,    CV_TYPE_I64,  CV_TYPE_F64,
                                    CV_TYPE_DATE, CV_TYPE_DECIMAL, CV_TYPE_TIME, CV_TYPE_UUID};
    const cv__yaml_node *child;
    size_t at;
    CV_TRY(cv__take_child(t, node, "a column of this type", "of", &child));
    CV_TRY(cv__take_kind(t, child, CV__YAML_SCALAR, "the type of the elements"));
    CV_TRY(cv__take_word(t, cv__take_place(t, child), "type", child->text, words, 8, &at));
    type->element = types[at];
    bool ordered = types[at] == CV_TYPE_I64 || types[at] == CV_TYPE_DECIMAL || types[at] == CV_TYPE_TIME ||
                   types[at] == CV_TYPE_DATE;
    if (type->type == CV_TYPE_RANGE && !ordered)
        return cv__fail_at(t->cx, cv__take_place(t, child), "there are no ranges of type %s", words[at]);
    return 0;
}

static int take_type(const cv__taking *t, const cv__yaml_node *node, cv__column_type *ret_type)
{
    const cv__yaml_node *child;
    const char *words[CV__TYPE_WORD_COUNT];
    size_t at;
    for (size_t i = 0; i < CV__TYPE_WORD_COUNT; i++)
        words[i] = cv__type_words[i].name;
    CV_TRY(cv__take_child(t, node, "a column", "type", &child));
    CV_TRY(cv__take_kind(t, child, CV__YAML_SCALAR, "a type"));
    CV_TRY(cv__take_word(t, cv__take_place(t, child), "type", child->text, words, CV__TYPE_WORD_COUNT, &at));
    cv__column_type type = {.type = cv__type_words[at].type};
    bool is_char = strcmp(words[at], "char") == 0;
    bool packed = type.type == CV_TYPE_ARRAY || type.type == CV_TYPE_RANGE;
    CV_TRY(packed ? take_element(t, node, &type) : refuse_key(t, node, "of", words[at]));
    cv_type inner = packed ? type.element : type.type;
    if (!is_char)
        CV_TRY(refuse_key(t, node, "max_length", words[at]));
    if (inner != CV_TYPE_I64)
        CV_TRY(refuse_key(t, node, "bits", words[at]));
    if (inner != CV_TYPE_DECIMAL) {
        CV_TRY(refuse_key(t, node, "digits", words[at]));
        CV_TRY(refuse_key(t, node, "places", words[at]));
    }
    if (is_char)
        CV_TRY(take_char(t, node, &type));
    if (inner == CV_TYPE_I64)
        CV_TRY(take_integer(t, node, &type));
    if (type.type == CV_TYPE_RANGE && type.bits == 16)
        return cv__fail_at(t->cx, cv__take_place(t, cv__yaml_get(node, "bits")),
                           "a range of integers has 32 or 64 bits");
    if (inner == CV_TYPE_DECIMAL)
        CV_TRY(take_decimal(t, node, &type));
    *ret_type = type;
    return 0;
}

/* ---- columns ---- */

static int take_references(const cv__taking *t, const cv__yaml_node *node, cv__column *column)
{
    static const char *const known[] = {"table", "column", "on_delete", NULL};
    static const char what[] = "a reference";
    const cv__yaml_node *references = cv__yaml_get(node, "references"), *on_delete;
    size_t word = CV_PROTECT;
    if (!references)
        return 0;
    CV_TRY(cv__take_keys(t, references, what, known));
    CV_TRY(cv__take_name(t, references, what, "table", &column->references_table));
    CV_TRY(cv__take_name(t, references, what, "column", &column->references_column));
    on_delete = cv__yaml_get(references, "on_delete");
    if (on_delete) {
        CV_TRY(cv__take_kind(t, on_delete, CV__YAML_SCALAR, "\"on_delete\""));
        CV_TRY(
            cv__take_word(t, cv__take_place(t, on_delete), "action", on_delete->text, cv__on_delete_words, 3, &word));
    }
    column->on_delete = (cv_on_delete)word;
    return 0;
}

int cv__take_column(const cv__taking *t, const cv__yaml_node *node, cv__column *ret_column)
{
    static const char *const known[] = {"name",    "type",       "of",   "max_length", "bits",
                                        "digits",  "places",     "null", "identity",   "primary_key",
                                        "default", "references", NULL};
    cv__column column = {.place = cv__take_place(t, node)};
    CV_TRY(cv__take_keys(t, node, "a column", known));
    CV_TRY(cv__take_name(t, node, "a column", "name", &column.name));
    CV_TRY(take_type(t, node, &column.type));
    CV_TRY(cv__take_bool(t, node, "null", &column.null));
    CV_TRY(cv__take_bool(t, node, "identity", &column.identity));
    CV_TRY(cv__take_bool(t, node, "primary_key", &column.primary_key));
    column.primary_key = column.primary_key || column.identity;
    const cv__yaml_node *default_node = cv__yaml_get(node, "default");
    if (default_node) {
        CV_TRY(cv__take_value(t, default_node, "the default", &column.type, &column.default_value));
        column.has_default = true;
    }
    CV_TRY(take_references(t, node, &column));
    *ret_column = column;
    return cv__column_check(t->cx, ret_column);
}

static int take_columns(const cv__taking *t, const cv__yaml_node *node, cv__schema_table *table)
{
    const cv__yaml_node *list;
    CV_TRY(cv__take_child(t, node, "create_table", "columns", &list));
    CV_TRY(cv__take_kind(t, list, CV__YAML_SEQUENCE, "\"columns\""));
    if (list->count > CV__MAX_COLUMNS)
        return cv__fail_at(t->cx, cv__take_place(t, list), "a table cannot have more than %d columns", CV__MAX_COLUMNS);
    cv__column *columns = cv_zalloc(t->cx, list->count + 1, sizeof *columns);
    if (!columns)
        return CV_E_NOMEM;
    table->columns = columns;
    for (const cv__yaml_node *at = list->first; at; at = at->next)
        CV_TRY(cv__take_column(t, at, &columns[table->column_count++]));
    return 0;
}

/* ---- checks ---- */

static int take_lookup(const cv__taking *t, const cv__yaml_node *node, const cv__column *column, cv__check *check)
{
    static const struct {
        const char *name;
        cv__lookup lookup;
    } allowed[] = {{"exact", CV__EXACT},
                   {"gt", CV__GT},
                   {"gte", CV__GTE},
                   {"lt", CV__LT},
                   {"lte", CV__LTE},
                   {"in", CV__IN},
                   {"startswith", CV__STARTSWITH}};
    enum { COUNT = sizeof allowed / sizeof *allowed };
    const char *words[COUNT];
    const cv__yaml_node *child;
    size_t at;
    for (size_t i = 0; i < COUNT; i++)
        words[i] = allowed[i].name;
    CV_TRY(cv__take_child(t, node, "a check", "lookup", &child));
    CV_TRY(cv__take_kind(t, child, CV__YAML_SCALAR, "\"lookup\""));
    CV_TRY(cv__take_word(t, cv__take_place(t, child), "look-up", child->text, words, COUNT, &at));
    check->lookup = allowed[at].lookup;
    if (check->lookup == CV__STARTSWITH && column->type.type != CV_TYPE_TEXT)
        return cv__fail_at(t->cx, cv__take_place(t, child), "only texts have the look-up \"startswith\"");
    bool unordered = column->type.type == CV_TYPE_JSON || column->type.type == CV_TYPE_BOOL;
    if (column->type.element)
        return cv__fail_at(t->cx, cv__take_place(t, child), "an array or a range cannot have a check");
    if (unordered && check->lookup != CV__EXACT && check->lookup != CV__IN)
        return cv__fail_at(t->cx, cv__take_place(t, child), "values of type %s have no order",
                           cv_type_name(column->type.type));
    return 0;
}

static int take_values(const cv__taking *t, const cv__yaml_node *list, const cv__column *column, cv__check *check)
{
    CV_TRY(cv__take_kind(t, list, CV__YAML_SEQUENCE, "\"values\""));
    if (list->count < 1 || list->count > MAX_CHECK_VALUES)
        return cv__fail_at(t->cx, cv__take_place(t, list), "a check has from 1 to %d values", MAX_CHECK_VALUES);
    cv_value *values = cv_zalloc(t->cx, list->count, sizeof *values);
    if (!values)
        return CV_E_NOMEM;
    check->values = values;
    for (const cv__yaml_node *at = list->first; at; at = at->next)
        CV_TRY(cv__take_value(t, at, "the value", &column->type, &values[check->value_count++]));
    return 0;
}

/* Exactly one of `value`, `values` (for in) and `other`. */
static int take_right_side(const cv__taking *t, const cv__yaml_node *node, const cv__column *column, cv__check *check)
{
    const cv__yaml_node *one = cv__yaml_get(node, "value"), *many = cv__yaml_get(node, "values"),
                        *other = cv__yaml_get(node, "other");
    bool in = check->lookup == CV__IN;
    if (in ? (!many || one || other) : (many || !one == !other)) {
        cv__fail_at(t->cx, cv__take_place(t, node), "the check \"%s\" needs %s", check->name,
                    in ? "\"values\" alone" : "either \"value\" or \"other\"");
        return CV_E_MIGRATION;
    }
    if (in)
        return take_values(t, many, column, check);
    if (other) {
        if (check->lookup == CV__STARTSWITH)
            return cv__fail_at(t->cx, cv__take_place(t, other), "\"startswith\" needs a \"value\"");
        return cv__take_name_node(t, other, &check->other);
    }
    cv_value *value = cv_zalloc(t->cx, 1, sizeof *value);
    if (!value)
        return CV_E_NOMEM;
    check->values = value;
    check->value_count = 1;
    return cv__take_value(t, one, "the value", &column->type, value);
}

static int take_check(const cv__taking *t, const cv__yaml_node *node, const cv__schema_table *table, cv__check *check)
{
    static const char *const known[] = {"name", "column", "lookup", "value", "values", "other", NULL};
    CV_TRY(cv__take_keys(t, node, "a check", known));
    CV_TRY(cv__take_name(t, node, "a check", "name", &check->name));
    CV_TRY(cv__take_name(t, node, "a check", "column", &check->column));
    const cv__column *column = cv__table_column(table, check->column);
    if (!column) {
        cv__place place = cv__take_place(t, cv__yaml_get(node, "column"));
        return cv__fail_at(t->cx, place, "the check \"%s\" names the column \"%s\", which is not created here",
                           check->name, check->column);
    }
    CV_TRY(take_lookup(t, node, column, check));
    return take_right_side(t, node, column, check);
}

int cv__take_checks(const cv__taking *t, const cv__yaml_node *node, const cv__schema_table *columns,
                    const cv__check **ret_checks, size_t *ret_count)
{
    const cv__yaml_node *list = cv__yaml_get(node, "checks");
    *ret_checks = NULL;
    *ret_count = 0;
    if (!list)
        return 0;
    CV_TRY(cv__take_kind(t, list, CV__YAML_SEQUENCE, "\"checks\""));
    if (list->count > MAX_CHECKS)
        return cv__fail_at(t->cx, cv__take_place(t, list), "a table cannot have more than %d checks", MAX_CHECKS);
    cv__check *checks = cv_zalloc(t->cx, list->count + 1, sizeof *checks);
    if (!checks)
        return CV_E_NOMEM;
    size_t count = 0;
    for (const cv__yaml_node *at = list->first; at; at = at->next)
        CV_TRY(take_check(t, at, columns, &checks[count++]));
    *ret_checks = checks;
    *ret_count = count;
    return 0;
}

/* ---- indexes ---- */

int cv__take_index_columns(const cv__taking *t, const cv__yaml_node *node, const char *what, bool descending,
                           cv__index *index)
{
    const cv__yaml_node *list;
    CV_TRY(cv__take_child(t, node, what, "columns", &list));
    CV_TRY(cv__take_kind(t, list, CV__YAML_SEQUENCE, "\"columns\""));
    if (list->count < 1 || list->count > CV__MAX_INDEX_COLUMNS)
        return cv__fail_at(t->cx, cv__take_place(t, list), "%s has from 1 to %d columns", what, CV__MAX_INDEX_COLUMNS);
    for (const cv__yaml_node *at = list->first; at; at = at->next) {
        cv__yaml_node column = *at;
        size_t i = index->column_count++;
        index->descending[i] = descending && at->kind == CV__YAML_SCALAR && cv_str_starts_with(at->text, CV_STR("-"));
        if (index->descending[i])
            column.text = cv_str_sub(at->text, 1, SIZE_MAX);
        CV_TRY(cv__take_name_node(t, &column, &index->columns[i]));
    }
    return 0;
}

static int take_unique(const cv__taking *t, const cv__yaml_node *node, cv__schema_table *table)
{
    static const char *const known[] = {"name", "columns", NULL};
    static const char what[] = "a unique constraint";
    const cv__yaml_node *list = cv__yaml_get(node, "unique");
    if (!list)
        return 0;
    CV_TRY(cv__take_kind(t, list, CV__YAML_SEQUENCE, "\"unique\""));
    if (list->count > MAX_CHECKS)
        return cv__fail_at(t->cx, cv__take_place(t, list), "a table cannot have more than %d unique constraints",
                           MAX_CHECKS);
    cv__index *indexes = cv_zalloc(t->cx, list->count + 1, sizeof *indexes);
    if (!indexes)
        return CV_E_NOMEM;
    table->indexes = indexes;
    for (const cv__yaml_node *at = list->first; at; at = at->next) {
        cv__index *index = &indexes[table->index_count++];
        *index = (cv__index){.table = table->name, .unique = true};
        CV_TRY(cv__take_keys(t, at, what, known));
        CV_TRY(cv__take_name(t, at, what, "name", &index->name));
        CV_TRY(cv__take_index_columns(t, at, what, false, index));
    }
    return 0;
}

int cv__take_table(const cv__taking *t, const cv__yaml_node *node, const cv__schema_table **ret_table)
{
    static const char *const known[] = {"name", "columns", "unique", "checks", NULL};
    cv__schema_table *table = cv_zalloc(t->cx, 1, sizeof *table);
    if (!table)
        return CV_E_NOMEM;
    CV_TRY(cv__take_keys(t, node, "create_table", known));
    CV_TRY(cv__take_name(t, node, "create_table", "name", &table->name));
    CV_TRY(take_columns(t, node, table));
    CV_TRY(take_unique(t, node, table));
    CV_TRY(cv__take_checks(t, node, table, &table->checks, &table->check_count));
    *ret_table = table;
    return 0;
}
