/* UUIDs (RFC 9562). Random bits come from getrandom(2). Nothing here suspends. */
#ifndef COVET_UUID_H
#define COVET_UUID_H

#include <covet/str.h>

CV_BEGIN_DECLS

typedef struct cv_uuid {
    uint8_t bytes[16];
} cv_uuid;

#define CV_UUID_TEXT_BYTES 37

/** A random UUID, version 4. */
CV_API cv_uuid cv_uuid_v4(void);

/** A time-ordered UUID, version 7: milliseconds since 1970, then random bits. Within one process and millisecond later
 *  calls give greater values (RFC 9562 6.2, method 1: a counter seeded at random). Safe from several threads. */
CV_API cv_uuid cv_uuid_v7(void);

/** "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", lower case. Returns the length, 36. */
CV_API size_t cv_uuid_format(cv_uuid uuid, char out[CV_UUID_TEXT_BYTES]);

/** Accepts upper and lower case, with hyphens in their places or with none. CV_E_SYNTAX, without a story. */
CV_API CV_CHECKED int cv_uuid_parse(cv_str text, cv_uuid *ret_uuid);

CV_API int cv_uuid_compare(cv_uuid a, cv_uuid b);

/** Fill with random bytes from the kernel; cannot fail (it aborts where the kernel has no random source at all). */
CV_API void cv_random_bytes(void *out, size_t len);

CV_END_DECLS

#endif
