/* Accept and Accept-Encoding: whatever the bytes, the choice is one of the candidates or none, it does not depend on
 * white space at the ends, and what was chosen is still chosen when it is the only candidate. */
#include "http/negotiation.h"

#include <stdlib.h>

static const char *const types[] = {"application/json", "text/html", "image/png", "text/plain"};
static const char *const encodings[] = {"zstd", "br", "gzip", "identity"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check(int (*prefer)(cv_str header, const char *const *names, size_t count), const char *const *names,
                  cv_str header)
{
    int all = prefer(header, names, 4);
    require(all >= -1 && all < 4);
    require(prefer(cv_str_trim(header), names, 4) == all);
    for (int i = 0; i < 4; i++) {
        int alone = prefer(header, names + i, 1);
        require(alone == 0 || alone == -1);
        require(alone == -1 || all >= 0);
        require(i != all || alone == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    check(cv__prefer_type, types, cv_str_make(copy, size));
    check(cv__prefer_encoding, encodings, cv_str_make(copy, size));
    free(copy);
    return 0;
}
