/* The text on the left of a forwarding header may come from anybody; what counts is found from the right, one trusted
 * proxy after the other. In `Forwarded`, quoted strings make it necessary to cut from the left: quotes that somebody
 * left open swallow the proxies' own entries, and the last one is then malformed in any case, because the number of
 * quotes is odd. So the walk ends at once and the peer counts, never an entry made up by the client. */
#include "http/forwarded.h"

#include "base/ctx.h"
#include "http/connection.h"
#include "http/head.h"
#include "http/request.h"

/* Entries that are looked at, from the right: chains of proxies are short. */
enum { MAX_ENTRIES = 32 };

static cv__origin start(const cv__address *peer)
{
    return (cv__origin){.client = *peer, .scheme = {NULL, 0}, .host = {NULL, 0}};
}

static cv_str known_scheme(cv_str text)
{
    if (cv_str_equal_nocase(text, CV_STR("https")))
        return CV_STR("https");
    return cv_str_equal_nocase(text, CV_STR("http")) ? CV_STR("http") : cv_str_make(NULL, 0);
}

static cv_str known_host(cv_str text)
{
    return text.len && cv__authority_is_valid(text) ? text : cv_str_make(NULL, 0);
}

/* ---- X-Forwarded-* ---- */

/* Take the last entry off the list; false when it is exhausted. */
static bool take_last(cv_str *list, cv_str *ret_entry)
{
    if (!list->ptr)
        return false;
    size_t at = list->len;
    while (at && list->ptr[at - 1] != ',')
        at--;
    *ret_entry = cv_str_trim(cv_str_make(list->ptr + at, list->len - at));
    *list = at ? cv_str_make(list->ptr, at - 1) : cv_str_make(NULL, 0);
    return true;
}

/* The entry at a position counted from the right; the first of all when there are fewer: proxies that replace the value
 * give one for all. */
static cv_str entry_from_right(cv_str list, size_t position)
{
    cv_str entry = {NULL, 0};
    for (size_t i = 0; i <= position && take_last(&list, &entry); i++)
        ;
    return entry;
}

void cv__forwarded_read_x(const cv__address *peer, const cv__networks *trusted, cv_str addresses, cv_str schemes,
                          cv_str hosts, cv__origin *ret_origin)
{
    *ret_origin = start(peer);
    if (!cv__networks_contain(trusted, peer))
        return;
    size_t position = 0;
    cv_str entry;
    cv__address address;
    for (size_t i = 0; i < MAX_ENTRIES && take_last(&addresses, &entry); i++) {
        if (!cv__address_parse(entry, true, &address))
            break;
        ret_origin->client = address;
        position = i;
        if (!cv__networks_contain(trusted, &address))
            break;
    }
    ret_origin->scheme = known_scheme(entry_from_right(schemes, position));
    ret_origin->host = known_host(entry_from_right(hosts, position));
}

/* ---- Forwarded ---- */

/* What one entry says: `for=192.0.2.1;proto=https;host="example.org"`. */
typedef struct entry {
    cv_str node, scheme, host;
} entry;

/* The end of a quoted string that begins at `at`; 0 when it does not end. */
static size_t quoted_end(cv_str text, size_t at)
{
    for (at++; at < text.len && text.ptr[at] != '"'; at++)
        if (text.ptr[at] == '\\')
            at++;
    return at < text.len ? at + 1 : 0;
}

/* A token or a quoted string without escapes, which none of our values needs. */
static bool read_value(cv_str *rest, cv_str *ret_value)
{
    size_t end = 0;
    if (rest->len && rest->ptr[0] == '"') {
        end = quoted_end(*rest, 0);
        if (!end)
            return false;
        *ret_value = cv_str_make(rest->ptr + 1, end - 2);
    } else {
        while (end < rest->len && rest->ptr[end] != ';')
            end++;
        *ret_value = cv_str_trim(cv_str_make(rest->ptr, end));
        if (!ret_value->len || memchr(ret_value->ptr, '"', ret_value->len))
            return false;
    }
    *rest = cv_str_trim(cv_str_make(rest->ptr + end, rest->len - end));
    return !rest->len || rest->ptr[0] == ';';
}

static bool read_entry(cv_str text, entry *ret_entry)
{
    const cv_str none = {NULL, 0};
    *ret_entry = (entry){none, none, none};
    while (text.len) {
        cv_str name, value;
        ptrdiff_t equals = cv_str_find_char(text, '=');
        if (equals < 1)
            return false;
        name = cv_str_sub(text, 0, (size_t)equals);
        text = cv_str_sub(text, (size_t)equals + 1, text.len);
        if (!cv__is_token(name) || !read_value(&text, &value))
            return false;
        if (cv_str_equal_nocase(name, CV_STR("for")))
            ret_entry->node = value;
        else if (cv_str_equal_nocase(name, CV_STR("proto")))
            ret_entry->scheme = value;
        else if (cv_str_equal_nocase(name, CV_STR("host")))
            ret_entry->host = value;
        if (text.len)
            text = cv_str_trim(cv_str_sub(text, 1, text.len));
    }
    return true;
}

/* Cut at the commas outside quoted strings and keep the last MAX_ENTRIES, in a ring. Returns how many there were. */
static size_t cut_entries(cv_str text, cv_str ring[MAX_ENTRIES])
{
    size_t count = 0, from = 0, at = 0;
    while (at <= text.len) {
        if (at == text.len || text.ptr[at] == ',') {
            ring[count++ % MAX_ENTRIES] = cv_str_trim(cv_str_make(text.ptr + from, at - from));
            from = ++at;
            continue;
        }
        size_t end = text.ptr[at] == '"' ? quoted_end(text, at) : at + 1;
        at = end ? end : text.len;
    }
    return count;
}

/* IPv6 is written in brackets here; names that hide something ("unknown", "_x") are no addresses. */
static bool node_address(cv_str node, cv__address *ret_address)
{
    bool bare_v6 = node.len && node.ptr[0] != '[' && memchr(node.ptr, ':', node.len) &&
                   memchr(node.ptr, ':', node.len) != memrchr(node.ptr, ':', node.len);
    return node.len && !bare_v6 && cv__address_parse(node, true, ret_address);
}

void cv__forwarded_read(const cv__address *peer, const cv__networks *trusted, cv_str value, cv__origin *ret_origin)
{
    *ret_origin = start(peer);
    if (!value.ptr || !cv__networks_contain(trusted, peer))
        return;
    cv_str ring[MAX_ENTRIES];
    size_t count = cut_entries(value, ring), kept = count < MAX_ENTRIES ? count : MAX_ENTRIES;
    for (size_t i = 0; i < kept; i++) {
        entry e;
        cv__address address;
        if (!read_entry(ring[(count - 1 - i) % MAX_ENTRIES], &e))
            break;
        bool named = node_address(e.node, &address);
        if (named || i == 0) {
            ret_origin->scheme = known_scheme(e.scheme);
            ret_origin->host = known_host(e.host);
        }
        if (!named)
            break;
        ret_origin->client = address;
        if (!cv__networks_contain(trusted, &address))
            break;
    }
}

/* ---- of a request ---- */

/* Where the request goes by its own words: the authority of an absolute target, or the Host header. */
static cv_str own_host(const cv_request *req)
{
    cv_str target = cv_request_target(req);
    ptrdiff_t slashes = target.len && target.ptr[0] != '/' ? cv_str_find(target, CV_STR("://")) : -1;
    if (slashes < 0)
        return cv_request_header(req, "host");
    cv_str rest = cv_str_sub(target, (size_t)slashes + 3, target.len);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;
    return cv_str_make(rest.ptr, end);
}

static void read_origin(const cv_request *req, const cv__networks *trusted, cv_forwarded kind, cv__origin *ret_origin)
{
    cv__address peer;
    if (!cv__address_parse(cv_str_of(cv_request_peer(req)), false, &peer))
        peer = (cv__address){.is_unix = true};
    if (kind == CV_FORWARDED_STANDARD)
        cv__forwarded_read(&peer, trusted, cv_request_header(req, "forwarded"), ret_origin);
    else
        cv__forwarded_read_x(&peer, trusted, cv_request_header(req, "x-forwarded-for"),
                             cv_request_header(req, "x-forwarded-proto"), cv_request_header(req, "x-forwarded-host"),
                             ret_origin);
}

/* Found once a request, when somebody asks; NULL without trusted proxies or memory: then the connection itself counts.
 */
static const cv__origin *origin_of(const cv_request *req)
{
    const struct cv_server *server = req->connection ? req->connection->server : NULL;
    if (req->origin || !server || !server->trusted)
        return req->origin;
    cv__origin *origin = cv_arena_alloc(cv_ctx_arena(req->cx), sizeof *origin);
    if (!origin)
        return NULL;
    read_origin(req, server->trusted, server->options.forwarded, origin);
    ((cv_request *)(uintptr_t)req)->origin = origin;
    return origin;
}

const char *cv_request_client(const cv_request *req)
{
    const cv__origin *origin = origin_of(req);
    char *text = origin ? cv_arena_alloc(cv_ctx_arena(req->cx), CV__ADDRESS_TEXT_BYTES) : NULL;
    return text ? cv__address_text(&origin->client, text) : cv_request_peer(req);
}

const char *cv_request_scheme(const cv_request *req)
{
    const cv__origin *origin = origin_of(req);
    return origin && origin->scheme.len == 5 ? "https" : "http";
}

cv_str cv_request_host(const cv_request *req)
{
    const cv__origin *origin = origin_of(req);
    return origin && origin->host.ptr ? origin->host : own_host(req);
}

bool cv__request_peer_is_trusted(const cv_request *req)
{
    cv__address peer;
    const struct cv_server *server = req->connection ? req->connection->server : NULL;
    if (!server || !server->trusted)
        return false;
    if (!cv__address_parse(cv_str_of(cv_request_peer(req)), false, &peer))
        peer = (cv__address){.is_unix = true};
    return cv__networks_contain(server->trusted, &peer);
}
