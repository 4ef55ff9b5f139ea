/* UUIDs and random bytes. */
#include <covet/uuid.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

void cv_random_bytes(void *out, size_t len)
{
    char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno != EINTR) {
            fputs("covet: the kernel has no source of random bytes\n", stderr);
            abort();
        }
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

static void set_version(cv_uuid *uuid, unsigned version)
{
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0F) | version << 4);
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3F) | 0x80);
}

cv_uuid cv_uuid_v4(void)
{
    cv_uuid uuid;
    cv_random_bytes(uuid.bytes, sizeof uuid.bytes);
    set_version(&uuid, 4);
    return uuid;
}

/* The next place in time: 48 bits of milliseconds and a counter of 16 bits. A new millisecond seeds the counter with 15
 * random bits; a counter that runs over borrows from the next millisecond. The only state is the last place given out
 * in the process. */
static uint64_t next_place(uint16_t seed)
{
    static _Atomic uint64_t last;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    uint64_t fresh = ms << 16 | (seed & 0x7FFF);
    uint64_t former = atomic_load_explicit(&last, memory_order_relaxed), place;
    do {
        place = former >> 16 < ms ? fresh : former + 1;
    } while (!atomic_compare_exchange_weak_explicit(&last, &former, place, memory_order_relaxed, memory_order_relaxed));
    return place;
}

cv_uuid cv_uuid_v7(void)
{
    cv_uuid uuid;
    cv_random_bytes(uuid.bytes + 6, sizeof uuid.bytes - 6);
    uint16_t seed = (uint16_t)(uuid.bytes[6] << 8 | uuid.bytes[7]);
    uint64_t place = next_place(seed);
    for (int i = 0; i < 6; i++)
        uuid.bytes[i] = (uint8_t)(place >> (56 - 8 * i));
    uuid.bytes[6] = (uint8_t)(place >> 12 & 0x0F); /* the counter: twelve bits here, four behind the variant */
    uuid.bytes[7] = (uint8_t)(place >> 4);
    uuid.bytes[8] = (uint8_t)((place & 0x0F) << 2 | (uuid.bytes[8] & 0x03));
    set_version(&uuid, 7);
    return uuid;
}

size_t cv_uuid_format(cv_uuid uuid, char out[CV_UUID_TEXT_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    char *at = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = hex[uuid.bytes[i] >> 4];
        *at++ = hex[uuid.bytes[i] & 0x0F];
    }
    *at = '\0';
    return (size_t)(at - out);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int cv_uuid_parse(cv_str text, cv_uuid *ret_uuid)
{
    if (text.len != 32 && text.len != 36)
        return CV_E_SYNTAX;
    cv_uuid uuid;
    const char *at = text.ptr;
    for (int i = 0; i < 16; i++) {
        bool hyphen = text.len == 36 && (i == 4 || i == 6 || i == 8 || i == 10);
        if (hyphen && *at++ != '-')
            return CV_E_SYNTAX;
        int high = hex_value(at[0]), low = hex_value(at[1]);
        if (high < 0 || low < 0)
            return CV_E_SYNTAX;
        uuid.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *ret_uuid = uuid;
    return 0;
}

int cv_uuid_compare(cv_uuid a, cv_uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes);
}
