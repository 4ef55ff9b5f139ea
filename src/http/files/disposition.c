#include "http/files/naming.h"

/* What a name must not have where it is stored: nothing in it may lead to another folder or another line. */
static char made_safe(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f || c == '/' || c == '\\' ? '_' : c;
}

/* Clients disagree about escapes in quoted strings, and some decode percent signs (RFC 6266 appendix D): both are left
 * to the exact form. */
static bool is_plain(char c)
{
    return (unsigned char)c < 0x80 && c != '"' && c != '%';
}

static bool is_attr_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$&+-.^_`|~", c));
}

/* Of a character in UTF-8 the first byte becomes "_", the others vanish. */
static bool add_plain(cv_str name, cv_buf *out)
{
    bool exact = true;
    for (size_t i = 0; i < name.len; i++) {
        char c = made_safe(name.ptr[i]);
        bool plain = is_plain(c), continues = ((unsigned char)c & 0xc0) == 0x80;
        if (plain || !continues)
            cv_buf_add_char(out, plain ? c : '_');
        exact = exact && plain;
    }
    return exact;
}

static void add_exact(cv_str name, cv_buf *out)
{
    cv_buf_add_str(out, CV_STR("; filename*=UTF-8''"));
    for (size_t i = 0; i < name.len; i++) {
        char c = made_safe(name.ptr[i]);
        if (is_attr_char(c))
            cv_buf_add_char(out, c);
        else
            cv_buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

void cv__content_disposition(cv_str name, cv_buf *out)
{
    cv_buf_add_str(out, CV_STR("attachment; filename=\""));
    bool exact = add_plain(name, out);
    cv_buf_add_char(out, '"');
    if (!exact && cv_utf8_valid(name))
        add_exact(name, out);
}
