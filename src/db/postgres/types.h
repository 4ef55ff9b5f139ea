/* What PostgreSQL calls its types (pg_type.dat: these numbers never change), and its epoch, 2000-01-01. */
#ifndef COVET_SRC_DB_POSTGRES_TYPES_H
#define COVET_SRC_DB_POSTGRES_TYPES_H

#include <stdint.h>

enum cv__pg_type {
    CV__PG_BOOL = 16,
    CV__PG_BYTEA = 17,
    CV__PG_CHAR = 18,
    CV__PG_NAME = 19,
    CV__PG_INT8 = 20,
    CV__PG_INT2 = 21,
    CV__PG_INT4 = 23,
    CV__PG_REGPROC = 24,
    CV__PG_TEXT = 25,
    CV__PG_OID = 26,
    CV__PG_XID = 28,
    CV__PG_CID = 29,
    CV__PG_JSON = 114,
    CV__PG_XML = 142,
    CV__PG_FLOAT4 = 700,
    CV__PG_FLOAT8 = 701,
    CV__PG_UNKNOWN = 705,
    CV__PG_BPCHAR = 1042,
    CV__PG_VARCHAR = 1043,
    CV__PG_DATE = 1082,
    CV__PG_TIMESTAMP = 1114,
    CV__PG_TIMESTAMPTZ = 1184,
    CV__PG_NUMERIC = 1700,
    CV__PG_REGCLASS = 2205,
    CV__PG_REGTYPE = 2206,
    CV__PG_VOID = 2278,
    CV__PG_UUID = 2950,
    CV__PG_JSONB = 3802,
};

#define CV__PG_EPOCH_DAYS 10957
#define CV__PG_EPOCH_US   INT64_C(946684800000000)

#endif
