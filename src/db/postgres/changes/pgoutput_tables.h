/* The two lower halves of pgoutput.c: the bytes of a message, and the tables that messages have described. */
#ifndef COVET_SRC_DB_POSTGRES_CHANGES_PGOUTPUT_TABLES_H
#define COVET_SRC_DB_POSTGRES_CHANGES_PGOUTPUT_TABLES_H

#include "db/postgres/changes/pgoutput.h"

#include <covet/map.h>
#include <endian.h>

/* --- reading a message: beyond its end there are zeros, and `bad` --- */

typedef struct cv__pgoutput_input {
    const char *at, *end;
    bool bad;
} cv__pgoutput_input;

static inline const char *cv__take(cv__pgoutput_input *in, size_t len)
{
    static const char zeros[8];
    if ((size_t)(in->end - in->at) < len) {
        in->bad = true;
        in->at = in->end;
        return len <= sizeof zeros ? zeros : NULL;
    }
    in->at += len;
    return in->at - len;
}

static inline uint8_t cv__take_u8(cv__pgoutput_input *in)
{
    return (uint8_t)*cv__take(in, 1);
}

static inline uint16_t cv__take_u16(cv__pgoutput_input *in)
{
    uint16_t big;
    memcpy(&big, cv__take(in, sizeof big), sizeof big);
    return be16toh(big);
}

static inline uint32_t cv__take_u32(cv__pgoutput_input *in)
{
    uint32_t big;
    memcpy(&big, cv__take(in, sizeof big), sizeof big);
    return be32toh(big);
}

static inline uint64_t cv__take_u64(cv__pgoutput_input *in)
{
    uint64_t big;
    memcpy(&big, cv__take(in, sizeof big), sizeof big);
    return be64toh(big);
}

static inline const char *cv__take_text(cv__pgoutput_input *in)
{
    const char *end = memchr(in->at, '\0', (size_t)(in->end - in->at));
    if (!end) {
        in->bad = true;
        in->at = in->end;
        return "";
    }
    const char *text = in->at;
    in->at = end + 1;
    return text;
}

/* --- pgoutput_tables.c --- */

/** A table as it was described last. Lives until it is described again, or the tables end. */
typedef struct cv__pgoutput_table {
    cv_arena *arena; /* holds all of it */
    uint32_t id;
    const char *schema, *table;
    cv_change_column *columns;
    cv__pgoutput_reader *readers;
    size_t count;
    char identity; /* 'd'efault, 'n'othing, 'f'ull, 'i'ndex */
    bool wanted;
} cv__pgoutput_table;

/** Those that a reader knows, and the types of the database's own. The descriptions stay beyond a connection: what
 * comes again and is another is a change of the schema. */
typedef struct cv__pgoutput_tables {
    cv_map *tables;           /* by their numbers */
    cv__pgoutput_table *last; /* the one found last */
    cv_map *types;            /* by their numbers */
    bool text;                /* values come as texts */
} cv__pgoutput_tables;

/** CV_E_NOMEM, without a story: then it must be ended, too. */
CV_CHECKED int cv__pgoutput_tables_init(cv__pgoutput_tables *tables);
void cv__pgoutput_tables_done(cv__pgoutput_tables *tables);

/** See cv__pgoutput_add_type; `replace`: also one that is known. */
CV_CHECKED int cv__pgoutput_tables_add_type(cv__pgoutput_tables *tables, Oid type, Oid base, const char *name,
                                            bool replace);
void cv__pgoutput_tables_forget_types(cv__pgoutput_tables *tables);

/** Read a description (what is behind the 'R' of its message); `*ret_changed`: there was one before, and it was
 * another. CV_E_CORRUPT, CV_E_NOMEM, without a story. */
CV_CHECKED int cv__pgoutput_tables_read(cv__pgoutput_tables *tables, const cv_changes *changes, cv__pgoutput_input *in,
                                        const cv__pgoutput_table **ret_table, bool *ret_changed);

/** The table with a number; NULL: it was not described. */
const cv__pgoutput_table *cv__pgoutput_tables_find(cv__pgoutput_tables *tables, uint32_t id);

#endif
