/* Types that have no C type of their own and come as text, as the server itself writes them: times of day, intervals,
 * network addresses, bit strings, positions in the log, JSON paths. Formats: the ..._send functions of the backend. */
#include "db/postgres/types.h"
#include "db/postgres/values.h"
#include <arpa/inet.h>
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND_US INT64_C(1000000)

static uint32_t u32_at(const char *at)
{
    uint32_t big;
    memcpy(&big, at, sizeof big);
    return be32toh(big);
}

static int64_t i64_at(const char *at)
{
    uint64_t big;
    memcpy(&big, at, sizeof big);
    return (int64_t)be64toh(big);
}

static int give_text(cv_arena *arena, const char *text, size_t len, cv_value *ret_value)
{
    char *copy = cv_arena_strndup(arena, text, len);
    if (!copy)
        return CV_E_NOMEM;
    *ret_value = cv_value_str(cv_str_make(copy, len));
    return 0;
}

/* "hh:mm:ss", with a fraction when there is one; returns the length. */
static size_t format_clock(uint64_t us, char out[40])
{
    uint64_t seconds = us / SECOND_US;
    unsigned fraction = (unsigned)(us % SECOND_US);
    size_t len = (size_t)snprintf(out, 40, "%02" PRIu64 ":%02u:%02u", seconds / 3600, (unsigned)(seconds / 60 % 60),
                                  (unsigned)(seconds % 60));
    if (fraction == 0)
        return len;
    len += (size_t)snprintf(out + len, 40 - len, ".%06u", fraction);
    while (out[len - 1] == '0')
        len--;
    return len;
}

static int decode_time_of_day(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    char text[40];
    if (cell.len != 8 || i64_at(cell.data) < 0)
        return CV_E_TYPE;
    return give_text(arena, text, format_clock((uint64_t)i64_at(cell.data), text), ret_value);
}

/* The zone counts seconds to the west. */
static int decode_time_with_zone(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    char text[64];
    if (cell.len != 12 || i64_at(cell.data) < 0)
        return CV_E_TYPE;
    size_t len = format_clock((uint64_t)i64_at(cell.data), text);
    int32_t west = (int32_t)u32_at(cell.data + 8);
    unsigned offset = (unsigned)(west < 0 ? -(int64_t)west : west);
    len += (size_t)snprintf(text + len, sizeof text - len, "%c%02u", west > 0 ? '-' : '+', offset / 3600);
    if (offset % 3600)
        len += (size_t)snprintf(text + len, sizeof text - len, ":%02u", offset / 60 % 60);
    if (offset % 60)
        len += (size_t)snprintf(text + len, sizeof text - len, ":%02u", offset % 60);
    return give_text(arena, text, len, ret_value);
}

/* "1 year 2 mons -3 days +04:05:06.7": a part that is not negative has a sign behind a negative one. */
typedef struct interval_text {
    char text[160];
    size_t len;
    bool negative; /* the part before */
} interval_text;

static void add_part(interval_text *t, int32_t count, const char *unit)
{
    if (count == 0)
        return;
    t->len += (size_t)snprintf(t->text + t->len, sizeof t->text - t->len, "%s%s%" PRId32 " %s%s", t->len ? " " : "",
                               t->negative && count > 0 ? "+" : "", count, unit, count == 1 ? "" : "s");
    t->negative = count < 0;
}

static int decode_interval(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    interval_text t = {.len = 0};
    char clock[40];
    if (cell.len != 16)
        return CV_E_TYPE;
    int64_t us = i64_at(cell.data);
    int32_t days = (int32_t)u32_at(cell.data + 8), months = (int32_t)u32_at(cell.data + 12);
    add_part(&t, months / 12, "year");
    add_part(&t, months % 12, "mon");
    add_part(&t, days, "day");
    if (us != 0 || t.len == 0) {
        size_t len = format_clock(us < 0 ? (uint64_t)0 - (uint64_t)us : (uint64_t)us, clock);
        t.len += (size_t)snprintf(t.text + t.len, sizeof t.text - t.len, "%s%s%.*s", t.len ? " " : "",
                                  us < 0       ? "-"
                                  : t.negative ? "+"
                                               : "",
                                  (int)len, clock);
    }
    return give_text(arena, t.text, t.len, ret_value);
}

/* Family (2: version 4, 3: version 6), bits of the network, whether it is a network, bytes of the address, address. */
static int decode_address(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    char text[INET6_ADDRSTRLEN + 8];
    const uint8_t *head = (const uint8_t *)cell.data;
    if (cell.len < 4 || cell.len != 4 + head[3] || head[3] != (head[0] == 2 ? 4 : 16))
        return CV_E_TYPE;
    if (!inet_ntop(head[0] == 2 ? AF_INET : AF_INET6, head + 4, text, INET6_ADDRSTRLEN))
        return CV_E_TYPE;
    size_t len = strlen(text);
    if (head[2] || head[1] != head[3] * 8)
        len += (size_t)snprintf(text + len, sizeof text - len, "/%u", head[1]);
    return give_text(arena, text, len, ret_value);
}

/* Of six or eight bytes. */
static int decode_hardware_address(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    char text[8 * 3 + 1];
    if (cell.len != 6 && cell.len != 8)
        return CV_E_TYPE;
    for (int i = 0; i < cell.len; i++)
        snprintf(text + 3 * i, 4, "%02x:", (unsigned char)cell.data[i]);
    return give_text(arena, text, (size_t)cell.len * 3 - 1, ret_value);
}

static int decode_bits(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    if (cell.len < 4 || (int64_t)u32_at(cell.data) > ((int64_t)cell.len - 4) * 8)
        return CV_E_TYPE;
    size_t count = u32_at(cell.data);
    char *text = cv_arena_alloc(arena, count + 1);
    if (!text)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        text[i] = (unsigned char)cell.data[4 + i / 8] >> (7 - i % 8) & 1 ? '1' : '0';
    *ret_value = cv_value_str(cv_str_make(text, count));
    return 0;
}

static int decode_log_position(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    char text[40];
    if (cell.len != 8)
        return CV_E_TYPE;
    int len = snprintf(text, sizeof text, "%" PRIX32 "/%" PRIX32, u32_at(cell.data), u32_at(cell.data + 4));
    return give_text(arena, text, (size_t)len, ret_value);
}

/* A version byte, then the text. */
static int decode_json_path(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    if (cell.len < 1 || cell.data[0] != 1)
        return CV_E_TYPE;
    return give_text(arena, cell.data + 1, (size_t)cell.len - 1, ret_value);
}

cv__pg_decode_fn *cv__pg_textual_decoder(Oid type)
{
    switch (type) {
    case CV__PG_TIME:
        return decode_time_of_day;
    case CV__PG_TIMETZ:
        return decode_time_with_zone;
    case CV__PG_INTERVAL:
        return decode_interval;
    case CV__PG_INET:
    case CV__PG_CIDR:
        return decode_address;
    case CV__PG_MACADDR:
    case CV__PG_MACADDR8:
        return decode_hardware_address;
    case CV__PG_BIT:
    case CV__PG_VARBIT:
        return decode_bits;
    case CV__PG_LSN:
        return decode_log_position;
    case CV__PG_JSONPATH:
        return decode_json_path;
    default:
        return NULL;
    }
}
