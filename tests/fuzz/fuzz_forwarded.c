/* Forwarding headers: whatever a client puts on the left, an entry that our proxy adds on the right wins or nobody is
 * believed, and from a stranger nothing is. */
#include "http/forwarded.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static cv__address address_of(const char *text)
{
    cv__address address;
    require(cv__address_parse(cv_str_of(text), false, &address));
    return address;
}

static bool same(const cv__address *a, const cv__address *b)
{
    return a->is_unix == b->is_unix && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static void require_proxy_wins(const cv__networks *trusted, cv_str header, bool standard)
{
    const cv_str none = {NULL, 0};
    cv__address proxy = address_of("10.0.0.1"), client = address_of("192.0.2.1"), stranger = address_of("192.0.2.9");
    cv__origin origin;
    if (standard)
        cv__forwarded_read(&proxy, trusted, header, &origin);
    else
        cv__forwarded_read_x(&proxy, trusted, header, none, none, &origin);
    require(same(&origin.client, &client) || (standard && same(&origin.client, &proxy)));
    if (standard)
        cv__forwarded_read(&stranger, trusted, header, &origin);
    else
        cv__forwarded_read_x(&stranger, trusted, header, header, header, &origin);
    require(same(&origin.client, &stranger) && !origin.scheme.ptr && !origin.host.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ours[] = {", 192.0.2.1", ", for=192.0.2.1;proto=http",
                                       ", for=\"192.0.2.1:80\";host=\"a.example\""};
    cv__networks *trusted = NULL;
    cv_ctx *cx = cv_ctx_new(0);
    require(cx && cv__networks_parse(cx, (const char *const[]){"10.0.0.0/8", NULL}, &trusted) == 0);
    for (size_t i = 0; i < 3; i++) {
        char *text = malloc(size + strlen(ours[i]));
        require(text != NULL);
        if (size)
            memcpy(text, data, size);
        memcpy(text + size, ours[i], strlen(ours[i]));
        require_proxy_wins(trusted, cv_str_make(text, size + strlen(ours[i])), i > 0);
        free(text);
    }
    cv__networks_free(trusted);
    cv_ctx_free(cx);
    return 0;
}
