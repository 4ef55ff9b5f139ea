#include "db/mariadb/changes/position.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t cv__gtid_format(cv__gtid gtid, char out[CV__GTID_TEXT_BYTES])
{
    return (size_t)snprintf(out, CV__GTID_TEXT_BYTES, "%" PRIu32 "-%" PRIu32 "-%" PRIu64, gtid.domain, gtid.server,
                            gtid.number);
}

/* Where the domain is, or belongs. */
static size_t place_of(const cv__binlog_position *position, uint32_t domain)
{
    size_t i = 0;
    while (i < position->count && position->last[i].domain < domain)
        i++;
    return i;
}

static bool has(const cv__binlog_position *position, size_t place, uint32_t domain)
{
    return place < position->count && position->last[place].domain == domain;
}

bool cv__binlog_position_pass(cv__binlog_position *position, cv__gtid gtid)
{
    size_t place = place_of(position, gtid.domain);
    if (!has(position, place, gtid.domain)) {
        if (position->count == CV__BINLOG_DOMAINS)
            return false;
        memmove(&position->last[place + 1], &position->last[place],
                (position->count++ - place) * sizeof position->last[0]);
    }
    position->last[place] = gtid;
    return true;
}

/* Digits and nothing else, that fit. */
static bool take_number(const char **at, uint64_t most, uint64_t *ret_number)
{
    const char *start = *at;
    uint64_t number = 0;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        unsigned digit = (unsigned)(**at - '0');
        if (number > (most - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return *at > start;
}

static bool take_char(const char **at, char wanted)
{
    if (**at != wanted)
        return false;
    ++*at;
    return true;
}

static bool take_gtid(const char **at, cv__gtid *ret_gtid)
{
    uint64_t domain, server, number;
    if (!take_number(at, UINT32_MAX, &domain) || !take_char(at, '-') || !take_number(at, UINT32_MAX, &server) ||
        !take_char(at, '-') || !take_number(at, UINT64_MAX, &number))
        return false;
    *ret_gtid = (cv__gtid){(uint32_t)domain, (uint32_t)server, number};
    return true;
}

bool cv__binlog_position_parse(const char *text, cv__binlog_position *ret_position)
{
    ret_position->count = 0;
    while (*text) {
        cv__gtid gtid;
        if (!take_gtid(&text, &gtid) || has(ret_position, place_of(ret_position, gtid.domain), gtid.domain) ||
            !cv__binlog_position_pass(ret_position, gtid))
            return false;
        if (*text && (!take_char(&text, ',') || !*text))
            return false;
    }
    return true;
}

size_t cv__binlog_position_format(const cv__binlog_position *position, char out[CV__BINLOG_POSITION_BYTES])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < position->count; i++) {
        if (i > 0)
            out[len++] = ',';
        len += cv__gtid_format(position->last[i], out + len);
    }
    return len;
}

/* Whether b has a transaction that is behind, or beside, those of a. */
static bool is_ahead(const cv__binlog_position *b, const cv__binlog_position *a)
{
    for (size_t i = 0; i < b->count; i++) {
        size_t place = place_of(a, b->last[i].domain);
        if (!has(a, place, b->last[i].domain) || a->last[place].number < b->last[i].number)
            return true;
    }
    return false;
}

int cv__binlog_position_compare(const cv__binlog_position *a, const cv__binlog_position *b)
{
    bool a_ahead = is_ahead(a, b), b_ahead = is_ahead(b, a);
    return a_ahead && b_ahead ? 2 : a_ahead - b_ahead;
}
