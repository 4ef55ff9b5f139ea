/* Values into and out of SQLite. */
#include "base/packed.h"
#include "db/sqlite/sqlite.h"

#include <math.h>

static int fail_decimal(cv_ctx *cx, size_t index)
{
    cv_fail(cx, CV_E_TYPE, "cannot bind value %zu: SQLite has no decimals, and the column is not known here",
            index + 1);
    cv_error_hint(cx, "bind what the column holds: the scaled integer of cv_decimal_to_scaled up to 18 digits, the "
                      "text of cv_decimal_to_key beyond");
    return CV_E_TYPE;
}

static int bind_text(sqlite3_stmt *handle, int at, cv_str text)
{
    return sqlite3_bind_text64(handle, at, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_bytes(sqlite3_stmt *handle, int at, const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return sqlite3_bind_zeroblob(handle, at, 0);
    return sqlite3_bind_blob64(handle, at, bytes, len, SQLITE_STATIC);
}

static int64_t integer_of(const cv_value *value)
{
    switch (value->type) {
    case CV_TYPE_BOOL:
        return value->as.boolean;
    case CV_TYPE_TIME:
        return value->as.time.us;
    case CV_TYPE_DATE:
        return value->as.date.days;
    default:
        return value->as.i64;
    }
}

int cv__sqlite_bind_value(sqlite3_stmt *handle, int at, const cv_value *value)
{
    switch (value->type) {
    case CV_TYPE_BOOL:
    case CV_TYPE_I64:
    case CV_TYPE_TIME:
    case CV_TYPE_DATE:
        return sqlite3_bind_int64(handle, at, integer_of(value));
    case CV_TYPE_F64:
        return sqlite3_bind_double(handle, at, value->as.f64);
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        return bind_text(handle, at, value->as.text);
    case CV_TYPE_BYTES:
        return bind_bytes(handle, at, value->as.bytes.ptr, value->as.bytes.len);
    case CV_TYPE_UUID:
        return bind_bytes(handle, at, value->as.uuid.bytes, sizeof value->as.uuid.bytes);
    case CV_TYPE_NULL:
    case CV_TYPE_DECIMAL:
    case CV_TYPE_ARRAY:
    case CV_TYPE_RANGE:
        break;
    }
    return sqlite3_bind_null(handle, at);
}

/* Arrays and ranges, in the form that columns have. */
static int bind_packed(cv_ctx *cx, cv__sqlite_conn *conn, sqlite3_stmt *handle, int at, cv_value value)
{
    int failed = 0, rc = SQLITE_OK;
    CV_SCOPE(cx)
    {
        cv_value stored;
        failed = cv__dialect_sqlite.store(cv_ctx_arena(cx), value, NULL, &stored);
        if (failed == 0)
            rc = sqlite3_bind_text64(handle, at, stored.as.text.ptr, stored.as.text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    if (failed == CV_E_INVALID)
        return cv_fail(cx, failed,
                       "cannot bind value %d: a text in it is not UTF-8, or its lower bound lies above the upper", at);
    if (failed < 0)
        return cv_fail(cx, failed, "cannot bind value %d: %s", at, cv_error_text(failed));
    return rc == SQLITE_OK ? 0 : cv__sqlite_fail(cx, conn, rc, "bind a value");
}

void cv__sqlite_result(sqlite3_context *out, const cv_value *value)
{
    switch (value->type) {
    case CV_TYPE_BOOL:
    case CV_TYPE_I64:
    case CV_TYPE_TIME:
    case CV_TYPE_DATE:
        sqlite3_result_int64(out, integer_of(value));
        break;
    case CV_TYPE_F64:
        sqlite3_result_double(out, value->as.f64);
        break;
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        sqlite3_result_text64(out, value->as.text.ptr, value->as.text.len, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case CV_TYPE_BYTES:
        sqlite3_result_blob64(out, value->as.bytes.len ? value->as.bytes.ptr : (const uint8_t *)"", value->as.bytes.len,
                              SQLITE_STATIC);
        break;
    case CV_TYPE_UUID:
        sqlite3_result_blob64(out, value->as.uuid.bytes, sizeof value->as.uuid.bytes, SQLITE_STATIC);
        break;
    case CV_TYPE_NULL:
    case CV_TYPE_DECIMAL:
    case CV_TYPE_ARRAY: /* in stored form there are none */
    case CV_TYPE_RANGE:
        sqlite3_result_null(out);
        break;
    }
}

int cv__sqlite_bind(cv_ctx *cx, cv__sqlite_conn *conn, sqlite3_stmt *handle, const cv_value *params, size_t count)
{
    size_t wanted = (size_t)sqlite3_bind_parameter_count(handle);
    if (wanted != count)
        return cv_fail(cx, CV_E_SQL, "the statement has %zu placeholders but %zu values were given", wanted, count);
    for (size_t i = 0; i < count; i++) {
        const cv_value *value = &params[i];
        if (value->type == CV_TYPE_DECIMAL)
            return fail_decimal(cx, i);
        if (value->type == CV_TYPE_F64 && isnan(value->as.f64))
            return cv_fail(cx, CV_E_RANGE, "cannot bind value %zu: SQLite cannot store NaN", i + 1);
        if (value->type == CV_TYPE_ARRAY || value->type == CV_TYPE_RANGE) {
            CV_TRY(bind_packed(cx, conn, handle, (int)i + 1, *value));
            continue;
        }
        int rc = cv__sqlite_bind_value(handle, (int)i + 1, value);
        if (rc != SQLITE_OK)
            return cv__sqlite_fail(cx, conn, rc, "bind a value");
    }
    return 0;
}

static cv_value text_of(sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);
    return cv_value_str(cv_str_make(text, (size_t)sqlite3_value_bytes(value)));
}

static cv_value bytes_of(sqlite3_value *value)
{
    static const uint8_t nothing[1];
    const uint8_t *bytes = sqlite3_value_blob(value);
    size_t len = (size_t)sqlite3_value_bytes(value);
    return cv_value_bytes((cv_bytes){len ? bytes : nothing, len});
}

static cv_value natural_of(sqlite3_value *value, int storage)
{
    switch (storage) {
    case SQLITE_INTEGER:
        return cv_value_i64(sqlite3_value_int64(value));
    case SQLITE_FLOAT:
        return cv_value_f64(sqlite3_value_double(value));
    case SQLITE_TEXT:
        return text_of(value);
    default:
        return bytes_of(value);
    }
}

static bool decode_decimal(sqlite3_value *value, int storage, const cv__column_type *type, cv_value *cell)
{
    cv_decimal decimal;
    bool scaled = type->digits > 0 && type->digits <= CV__SCALED_DIGITS;
    if (scaled && storage == SQLITE_INTEGER) {
        if (cv_decimal_from_scaled(sqlite3_value_int64(value), type->places, &decimal) < 0)
            return false;
    } else if (!scaled && storage == SQLITE_TEXT) {
        if (cv_decimal_from_key(text_of(value).as.text, &decimal) < 0)
            return false;
        /* The key keeps the value, not the scale; the column has one. */
        cv_decimal at_scale;
        if (type->digits && cv_decimal_round(decimal, type->places, &at_scale) == 0)
            decimal = at_scale;
    } else {
        return false;
    }
    *cell = cv_value_decimal(decimal);
    return true;
}

static bool decode_integer_kinds(int64_t number, cv_type type, cv_value *cell)
{
    switch (type) {
    case CV_TYPE_BOOL:
        *cell = cv_value_bool(number != 0);
        return number == 0 || number == 1;
    case CV_TYPE_TIME:
        *cell = cv_value_time((cv_time){number});
        return number >= CV_TIME_MIN_US && number <= CV_TIME_MAX_US;
    case CV_TYPE_DATE:
        *cell = cv_value_date((cv_date){(int32_t)number});
        return number >= INT32_MIN && number <= INT32_MAX;
    default:
        *cell = cv_value_i64(number);
        return true;
    }
}

static bool decode_uuid(sqlite3_value *value, cv_value *cell)
{
    cv_uuid uuid;
    if (sqlite3_value_bytes(value) != (int)sizeof uuid.bytes)
        return false;
    memcpy(uuid.bytes, sqlite3_value_blob(value), sizeof uuid.bytes);
    *cell = cv_value_uuid(uuid);
    return true;
}

/* Strict: what is stored must be what the type says; false when it is not. */
static bool decode(sqlite3_value *value, int storage, const cv__column_type *type, cv_value *cell)
{
    switch (type->type) {
    case CV_TYPE_NULL:
        *cell = natural_of(value, storage);
        return true;
    case CV_TYPE_BOOL:
    case CV_TYPE_I64:
    case CV_TYPE_TIME:
    case CV_TYPE_DATE:
        return storage == SQLITE_INTEGER && decode_integer_kinds(sqlite3_value_int64(value), type->type, cell);
    case CV_TYPE_F64:
        *cell = cv_value_f64(sqlite3_value_double(value));
        return storage == SQLITE_FLOAT || storage == SQLITE_INTEGER;
    case CV_TYPE_DECIMAL:
        return decode_decimal(value, storage, type, cell);
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        if (storage != SQLITE_TEXT)
            return false;
        *cell = text_of(value);
        if (cell->as.text.ptr)
            cell->type = type->type;
        return true;
    case CV_TYPE_BYTES:
        *cell = bytes_of(value);
        return storage == SQLITE_BLOB;
    case CV_TYPE_UUID:
        return storage == SQLITE_BLOB && decode_uuid(value, cell);
    case CV_TYPE_ARRAY: /* decode_packed */
    case CV_TYPE_RANGE:
        break;
    }
    return false;
}

/* Out of a JSON text, into memory that lasts as long as the row. */
static bool decode_packed(cv__sqlite_statement *statement, sqlite3_value *value, int storage,
                          const cv__column_type *type, cv_value *cell)
{
    if (cv__row_memory_need(&statement->packed) < 0) {
        *cell = cv_value_null();
        return true;
    }
    if (storage != SQLITE_TEXT)
        return false;
    cv_str json = text_of(value).as.text;
    int rc = type->type == CV_TYPE_ARRAY
                 ? cv__array_parse(statement->packed.arena, json, type->element, type->bits, cell)
                 : cv__range_parse(statement->packed.arena, json, type->element, type->bits, cell);
    if (rc == CV_E_NOMEM)
        *cell = cv_value_null();
    return rc == 0 || rc == CV_E_NOMEM;
}

static bool decode_any(cv__sqlite_statement *statement, sqlite3_value *value, int storage, const cv__column_type *type,
                       cv_value *cell)
{
    return type->type == CV_TYPE_ARRAY || type->type == CV_TYPE_RANGE
               ? decode_packed(statement, value, storage, type, cell)
               : decode(value, storage, type, cell);
}

static int fail_decode(cv_ctx *cx, const cv__sqlite_statement *statement, size_t i, const cv__column_type *type)
{
    static const char *const storages[] = {"?", "an integer", "a float", "a text", "bytes", "NULL"};
    int storage = sqlite3_column_type(statement->handle, (int)i);
    const char *column = statement->names[i];
    cv_fail(cx, CV_E_TYPE, "the column \"%s\" holds %s that is no valid %s", column,
            storage >= 1 && storage <= 5 ? storages[storage] : storages[0], cv_type_name(type->type));
    cv_error_place(cx, NULL, NULL, column, NULL);
    cv_error_hint(cx, "SQLite stores any value in any column: correct the row, or read it as it is with CAST");
    return CV_E_TYPE;
}

/* What most columns are. False: something else. */
static bool decode_common(sqlite3_value *value, int storage, cv_type wanted, cv_value *cell)
{
    if (storage == SQLITE_INTEGER && wanted == CV_TYPE_I64) {
        cell->type = CV_TYPE_I64;
        cell->as.i64 = sqlite3_value_int64(value);
        return true;
    }
    if (storage != SQLITE_TEXT || wanted != CV_TYPE_TEXT)
        return false;
    cell->type = CV_TYPE_TEXT;
    cell->as.text.ptr = (const char *)sqlite3_value_text(value);
    cell->as.text.len = (size_t)sqlite3_value_bytes(value);
    return cell->as.text.ptr != NULL;
}

/* Columns are read through their values: one look into the row instead of three. */
int cv__sqlite_decode_row(cv_ctx *cx, cv__sqlite_statement *statement, cv_value *cells)
{
    sqlite3_stmt *handle = statement->handle;
    const cv__column_type *types = statement->wanted;
    size_t count = statement->cursor.column_count;
    if (!statement->is_kept)
        cv__row_memory_empty(&statement->packed);
    for (size_t i = 0; i < count; i++) {
        sqlite3_value *value = sqlite3_column_value(handle, (int)i);
        int storage = sqlite3_value_type(value);
        if (decode_common(value, storage, types[i].type, &cells[i]))
            continue;
        if (storage == SQLITE_NULL)
            cells[i] = cv_value_null();
        else if (!decode_any(statement, value, storage, &types[i], &cells[i]))
            return fail_decode(cx, statement, i, &types[i]);
        else if (cells[i].type == CV_TYPE_NULL)
            return cv_fail(cx, CV_E_NOMEM, "could not read the column \"%s\": out of memory", statement->names[i]);
    }
    return 0;
}

/* ---- values without a statement ---- */

static bool decimal_as(cv_value stored, const cv__column_type *type, cv_value *cell)
{
    cv_decimal decimal;
    bool scaled = type->digits > 0 && type->digits <= CV__SCALED_DIGITS;
    if (scaled)
        return stored.type == CV_TYPE_I64 && cv_decimal_from_scaled(stored.as.i64, type->places, &decimal) == 0 &&
               (*cell = cv_value_decimal(decimal), true);
    if (stored.type != CV_TYPE_TEXT || cv_decimal_from_key(stored.as.text, &decimal) < 0)
        return false;
    cv_decimal at_scale;
    bool rounds = type->digits && cv_decimal_round(decimal, type->places, &at_scale) == 0;
    *cell = cv_value_decimal(rounds ? at_scale : decimal);
    return true;
}

static bool uuid_as(cv_value stored, cv_value *cell)
{
    cv_uuid uuid;
    if (stored.type != CV_TYPE_BYTES || stored.as.bytes.len != sizeof uuid.bytes)
        return false;
    memcpy(uuid.bytes, stored.as.bytes.ptr, sizeof uuid.bytes);
    *cell = cv_value_uuid(uuid);
    return true;
}

static int packed_as(cv_arena *arena, cv_value stored, const cv__column_type *type, cv_value *cell)
{
    if (stored.type != CV_TYPE_TEXT)
        return CV_E_TYPE;
    return type->type == CV_TYPE_ARRAY ? cv__array_parse(arena, stored.as.text, type->element, type->bits, cell)
                                       : cv__range_parse(arena, stored.as.text, type->element, type->bits, cell);
}

static bool simple_as(cv_value stored, const cv__column_type *type, cv_value *cell)
{
    switch (type->type) {
    case CV_TYPE_BOOL:
    case CV_TYPE_TIME:
    case CV_TYPE_DATE:
        return stored.type == CV_TYPE_I64 && decode_integer_kinds(stored.as.i64, type->type, cell);
    case CV_TYPE_F64:
        *cell = cv_value_f64((double)stored.as.i64);
        return stored.type == CV_TYPE_I64;
    case CV_TYPE_DECIMAL:
        return decimal_as(stored, type, cell);
    case CV_TYPE_JSON:
        *cell = cv_value_json((cv_json){stored.as.text});
        return stored.type == CV_TYPE_TEXT;
    case CV_TYPE_UUID:
        return uuid_as(stored, cell);
    default:
        return false;
    }
}

int cv__sqlite_value_as(cv_arena *arena, cv_value stored, const cv__column_type *type, cv_value *ret_value)
{
    cv_value cell;
    bool typed;
    if (stored.type != CV_TYPE_NULL && (type->type == CV_TYPE_ARRAY || type->type == CV_TYPE_RANGE)) {
        int rc = packed_as(arena, stored, type, &cell);
        if (rc == CV_E_NOMEM || rc == CV_E_LIMIT)
            return CV_E_NOMEM;
        typed = rc == 0;
    } else {
        typed = stored.type != CV_TYPE_NULL && simple_as(stored, type, &cell);
    }
    *ret_value = typed ? cell : stored;
    return 0;
}
