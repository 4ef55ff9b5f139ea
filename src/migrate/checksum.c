#include "migrate/migrations.h"

#include <openssl/evp.h>
#include <stdio.h>

int cv__checksum(cv_ctx *cx, cv_str text, char ret_checksum[CV__CHECKSUM_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(text.ptr, text.len, digest, &len, EVP_sha256(), NULL) != 1 || len != 32)
        return cv_fail(cx, CV_E_INTERNAL, "could not compute a SHA-256");
    for (unsigned i = 0; i < len; i++)
        snprintf(ret_checksum + 2 * (size_t)i, 3, "%02x", digest[i]);
    return 0;
}
