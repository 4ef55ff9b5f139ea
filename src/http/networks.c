#include "http/networks.h"

#include <arpa/inet.h>
#include <covet/error.h>
#include <stdlib.h>
#include <string.h>

/* The first 12 bytes of an IPv4 address in IPv6 (RFC 4291 2.5.5.2). */
static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

typedef struct network {
    cv__address address;
    unsigned prefix_bits; /* of 128 */
} network;

struct cv__networks {
    size_t count;
    network items[];
};

/* ---- addresses ---- */

static cv__address from_v4(const void *bytes)
{
    cv__address address = {0};
    memcpy(address.bytes, mapped, sizeof mapped);
    memcpy(address.bytes + sizeof mapped, bytes, 4);
    return address;
}

static cv__address from_v6(const void *bytes)
{
    cv__address address = {0};
    memcpy(address.bytes, bytes, sizeof address.bytes);
    return address;
}

cv__address cv__address_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return from_v4(&((const struct sockaddr_in *)address)->sin_addr);
    if (address->ss_family == AF_INET6)
        return from_v6(&((const struct sockaddr_in6 *)address)->sin6_addr);
    return (cv__address){.is_unix = true};
}

static bool is_v4(const cv__address *address)
{
    return !address->is_unix && memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

static bool parse_plain(cv_str text, cv__address *ret_address, bool *ret_v4)
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *ret_v4 = inet_pton(AF_INET, copy, bytes) == 1;
    if (!*ret_v4 && inet_pton(AF_INET6, copy, bytes) != 1)
        return false;
    *ret_address = *ret_v4 ? from_v4(bytes) : from_v6(bytes);
    return true;
}

static bool is_port(cv_str text)
{
    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return true;
}

/* "[address]" or "[address]:port" */
static bool parse_bracketed(cv_str text, cv__address *ret_address)
{
    const char *end = memchr(text.ptr, ']', text.len);
    cv__address address;
    bool v4;
    if (!end || !parse_plain(cv_str_make(text.ptr + 1, (size_t)(end - text.ptr) - 1), &address, &v4) || v4)
        return false;
    cv_str rest = cv_str_make(end + 1, text.len - (size_t)(end + 1 - text.ptr));
    if (rest.len > 0 && (rest.ptr[0] != ':' || !is_port(cv_str_make(rest.ptr + 1, rest.len - 1))))
        return false;
    *ret_address = address;
    return true;
}

bool cv__address_parse(cv_str text, bool with_port, cv__address *ret_address)
{
    bool v4;
    if (parse_plain(text, ret_address, &v4))
        return true;
    if (!with_port || text.len == 0)
        return false;
    if (text.ptr[0] == '[')
        return parse_bracketed(text, ret_address);
    const char *colon = memchr(text.ptr, ':', text.len);
    if (!colon || !is_port(cv_str_make(colon + 1, text.len - (size_t)(colon + 1 - text.ptr))))
        return false;
    cv__address address;
    if (!parse_plain(cv_str_make(text.ptr, (size_t)(colon - text.ptr)), &address, &v4) || !v4)
        return false;
    *ret_address = address;
    return true;
}

const char *cv__address_text(const cv__address *address, char text[CV__ADDRESS_TEXT_BYTES])
{
    if (address->is_unix)
        return memcpy(text, "unix", sizeof "unix");
    bool v4 = is_v4(address);
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address->bytes + sizeof mapped : address->bytes, text,
                    CV__ADDRESS_TEXT_BYTES);
    return text;
}

/* ---- networks ---- */

static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

/* A slip such as "10.1.0.0/8" would trust other addresses than those it seems to name. */
static bool has_bits_behind(const network *net)
{
    uint8_t cut[16] = {0};
    unsigned whole = net->prefix_bits / 8, rest = net->prefix_bits % 8;
    memcpy(cut, net->address.bytes, whole);
    if (rest)
        cut[whole] = (uint8_t)(net->address.bytes[whole] & (0xff << (8 - rest)));
    return memcmp(cut, net->address.bytes, sizeof cut) != 0;
}

static bool parse_prefix(cv_str text, unsigned most, unsigned *ret_bits)
{
    unsigned bits = 0;
    if (text.len == 0 || text.len > 3 || !is_port(text))
        return false;
    for (size_t i = 0; i < text.len; i++)
        bits = bits * 10 + (unsigned)(text.ptr[i] - '0');
    *ret_bits = bits;
    return bits <= most;
}

static bool parse_network(cv_str text, network *ret_network)
{
    network net = {.prefix_bits = 128};
    bool v4;
    if (cv_str_equal(text, CV_STR("unix"))) {
        *ret_network = (network){.address = {.is_unix = true}};
        return true;
    }
    const char *slash = memchr(text.ptr, '/', text.len);
    size_t address_len = slash ? (size_t)(slash - text.ptr) : text.len;
    if (!parse_plain(cv_str_make(text.ptr, address_len), &net.address, &v4))
        return false;
    if (slash) {
        cv_str prefix = cv_str_make(slash + 1, text.len - address_len - 1);
        if (!parse_prefix(prefix, v4 ? 32 : 128, &net.prefix_bits))
            return false;
        net.prefix_bits += v4 ? 96 : 0;
    }
    *ret_network = net;
    return true;
}

static int read_network(cv_ctx *cx, const char *text, network *ret_network)
{
    if (!parse_network(cv_str_of(text), ret_network))
        return cv_fail(cx, CV_E_INVALID,
                       "\"%s\" is no network: it is an address, an address with a prefix (\"10.0.0.0/8\"), or \"unix\"",
                       text);
    if (has_bits_behind(ret_network))
        return cv_fail(cx, CV_E_INVALID, "\"%s\" is no network: the address has bits set behind its prefix", text);
    return 0;
}

int cv__networks_parse(cv_ctx *cx, const char *const *list, cv__networks **ret_networks)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    if (count == 0) {
        *ret_networks = NULL;
        return 0;
    }
    cv__networks *networks = malloc(sizeof *networks + count * sizeof networks->items[0]);
    if (!networks)
        return cv_fail(cx, CV_E_NOMEM, "could not read the list of networks: out of memory");
    networks->count = count;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = read_network(cx, list[i], &networks->items[i]);
    if (rc < 0)
        free(networks);
    else
        *ret_networks = networks;
    return rc;
}

void cv__networks_free(cv__networks *networks)
{
    free(networks);
}

/* "::/0" means all of IPv6: what is above the mapped range holds no IPv4. */
static bool network_contains(const network *net, const cv__address *address)
{
    if (net->address.is_unix || address->is_unix)
        return net->address.is_unix && address->is_unix;
    if (is_v4(address) && net->prefix_bits < 8 * sizeof mapped)
        return false;
    return prefix_equal(net->address.bytes, address->bytes, net->prefix_bits);
}

bool cv__networks_contain(const cv__networks *networks, const cv__address *address)
{
    for (size_t i = 0; networks && i < networks->count; i++)
        if (network_contains(&networks->items[i], address))
            return true;
    return false;
}
