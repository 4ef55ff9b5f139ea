/* The tables that messages of "pgoutput" have described, and the types of their columns. */
#include "db/postgres/changes/pgoutput_tables.h"
#include "db/postgres/values.h"

#include <stdlib.h>

enum { MAX_COLUMNS = 1664, SCHEMA_BYTES = 1 << 20 };

typedef struct own_type {
    Oid base;
    char name[];
} own_type;

static cv_str key_of(const uint32_t *id)
{
    return cv_str_make((const char *)id, sizeof *id);
}

/* --- types of the database's own --- */

void cv__pgoutput_tables_forget_types(cv__pgoutput_tables *known)
{
    size_t position = 0;
    cv_str key;
    void *value;
    while (known->types && cv_map_next(known->types, &position, &key, &value)) {
        (void)cv_map_remove(known->types, key);
        free(value);
    }
}

int cv__pgoutput_tables_add_type(cv__pgoutput_tables *known, Oid type, Oid base, const char *name, bool replace)
{
    uint32_t id = type;
    if (!replace && cv_map_has(known->types, key_of(&id)))
        return 0;
    own_type *own = malloc(sizeof *own + strlen(name) + 1);
    void *old = NULL;
    if (!own)
        return CV_E_NOMEM;
    own->base = base;
    memcpy(own->name, name, strlen(name) + 1);
    int rc = cv_map_set(known->types, key_of(&id), own, &old);
    free(rc < 0 ? own : old);
    return rc;
}

static Oid base_of(const cv__pgoutput_tables *known, Oid type)
{
    enum { DEPTH = 32 }; /* domains over domains */
    for (int i = 0; i < DEPTH; i++) {
        uint32_t id = type;
        const own_type *own = cv_map_get(known->types, key_of(&id));
        if (!own || !own->base)
            break;
        type = own->base;
    }
    return type;
}

static const char *name_type(const cv__pgoutput_tables *known, cv_arena *arena, Oid type, int32_t modifier)
{
    uint32_t id = type;
    const own_type *own = cv_map_get(known->types, key_of(&id));
    return own ? cv_arena_strdup(arena, own->name) : cv__pgoutput_type_name(arena, type, modifier);
}

/* --- life --- */

static void free_table(cv__pgoutput_table *rel)
{
    if (rel)
        cv_arena_free(rel->arena);
}

int cv__pgoutput_tables_init(cv__pgoutput_tables *known)
{
    *known = (cv__pgoutput_tables){.tables = cv_map_new(0), .types = cv_map_new(0)};
    return known->tables && known->types ? 0 : CV_E_NOMEM;
}

void cv__pgoutput_tables_done(cv__pgoutput_tables *known)
{
    size_t position = 0;
    cv_str key;
    void *value;
    while (known->tables && cv_map_next(known->tables, &position, &key, &value))
        free_table(value);
    cv_map_free(known->tables);
    cv__pgoutput_tables_forget_types(known);
    cv_map_free(known->types);
}

/* --- descriptions --- */

static int take_column(cv__pgoutput_tables *known, cv__pgoutput_input *in, cv__pgoutput_table *rel, size_t i)
{
    bool key = cv__take_u8(in) & 1;
    const char *name = cv_arena_strdup(rel->arena, cv__take_text(in));
    Oid type = cv__take_u32(in);
    int32_t modifier = (int32_t)cv__take_u32(in);
    Oid base = base_of(known, type);
    rel->readers[i] = (cv__pgoutput_reader){
        .type = type, .base = base, .modifier = modifier, .decode = known->text ? NULL : cv__pg_decoder(base)};
    rel->columns[i] = (cv_change_column){.name = name,
                                         .sql_type = name_type(known, rel->arena, type, modifier),
                                         .type = cv__pgoutput_type(base, known->text),
                                         .key = key};
    return name ? 0 : CV_E_NOMEM;
}

static int take_columns(cv__pgoutput_tables *known, cv__pgoutput_input *in, cv__pgoutput_table *rel)
{
    rel->identity = (char)cv__take_u8(in);
    rel->count = cv__take_u16(in);
    if (rel->count > MAX_COLUMNS)
        return CV_E_CORRUPT;
    rel->columns = cv_arena_zalloc(rel->arena, rel->count + 1, sizeof *rel->columns);
    rel->readers = cv_arena_zalloc(rel->arena, rel->count + 1, sizeof *rel->readers);
    if (!rel->columns || !rel->readers)
        return CV_E_NOMEM;
    for (size_t i = 0; i < rel->count; i++)
        CV_TRY(take_column(known, in, rel, i));
    return in->bad ? CV_E_CORRUPT : 0;
}

static cv__pgoutput_table *new_table(void)
{
    cv_arena *arena = cv_arena_new(SCHEMA_BYTES);
    cv__pgoutput_table *rel = arena ? cv_arena_zalloc(arena, 1, sizeof *rel) : NULL;
    if (!rel) {
        cv_arena_free(arena);
        return NULL;
    }
    rel->arena = arena;
    return rel;
}

static int take_table(cv__pgoutput_tables *known, cv__pgoutput_input *in, cv__pgoutput_table *rel)
{
    rel->id = cv__take_u32(in);
    const char *schema = cv__take_text(in);
    rel->schema = cv_arena_strdup(rel->arena, *schema ? schema : "pg_catalog");
    rel->table = cv_arena_strdup(rel->arena, cv__take_text(in));
    return rel->schema && rel->table ? take_columns(known, in, rel) : CV_E_NOMEM;
}

static bool is_same(const cv__pgoutput_table *a, const cv__pgoutput_table *b)
{
    bool same = a->count == b->count && a->identity == b->identity && strcmp(a->schema, b->schema) == 0 &&
                strcmp(a->table, b->table) == 0;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->columns[i].name, b->columns[i].name) == 0 && a->columns[i].key == b->columns[i].key &&
               a->readers[i].type == b->readers[i].type && a->readers[i].modifier == b->readers[i].modifier;
    return same;
}

/* The description from before: of the same number, or, when the table was made anew, of the same name. */
static cv__pgoutput_table *former_of(cv__pgoutput_tables *known, const cv__pgoutput_table *rel)
{
    cv__pgoutput_table *former = cv_map_get(known->tables, key_of(&rel->id));
    size_t position = 0;
    cv_str key;
    void *value;
    while (!former && cv_map_next(known->tables, &position, &key, &value)) {
        cv__pgoutput_table *other = value;
        if (strcmp(other->schema, rel->schema) == 0 && strcmp(other->table, rel->table) == 0)
            former = other;
    }
    return former;
}

static int keep_table(cv__pgoutput_tables *known, cv__pgoutput_table *rel, bool *ret_changed)
{
    cv__pgoutput_table *former = former_of(known, rel);
    *ret_changed = former && !is_same(former, rel);
    known->last = NULL;
    if (former) {
        (void)cv_map_remove(known->tables, key_of(&former->id));
        free_table(former);
    }
    return cv_map_set(known->tables, key_of(&rel->id), rel, NULL);
}

int cv__pgoutput_tables_read(cv__pgoutput_tables *known, const cv_changes *changes, cv__pgoutput_input *in,
                             const cv__pgoutput_table **ret_table, bool *ret_changed)
{
    cv__pgoutput_table *rel = new_table();
    int rc = rel ? take_table(known, in, rel) : CV_E_NOMEM;
    if (rc == 0) {
        rel->wanted = cv__changes_wants(changes, rel->schema, rel->table);
        rc = keep_table(known, rel, ret_changed);
    }
    if (rc < 0)
        free_table(rel);
    else
        *ret_table = rel;
    return rc;
}

const cv__pgoutput_table *cv__pgoutput_tables_find(cv__pgoutput_tables *known, uint32_t id)
{
    if (!known->last || known->last->id != id)
        known->last = cv_map_get(known->tables, key_of(&id));
    return known->last;
}
