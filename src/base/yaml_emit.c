#include "base/utf8.h"
#include "base/yaml.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_plain_char(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '/' || c == ' ';
}

/* Words that some reader takes for a boolean or null. */
static bool is_reserved(cv_str text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (cv_str_equal_nocase(text, cv_str_of(words[i])))
            return true;
    return false;
}

/* A first letter excludes numbers, dates and indicators. */
static bool may_be_plain(cv_str text)
{
    if (!text.len || text.len > 200 || !is_letter(text.ptr[0]) || text.ptr[text.len - 1] == ' ' || is_reserved(text))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_plain_char(text.ptr[i]))
            return false;
    return true;
}

/* What the YAML character set lacks or breaks lines at. */
static bool needs_number(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029 || point == 0xFEFF ||
           point == 0xFFFE || point == 0xFFFF;
}

static void add_point(cv_buf *buf, const char *at, size_t len, uint32_t point)
{
    if (point == '"' || point == '\\')
        cv_buf_printf(buf, "\\%c", (char)point);
    else if (point == '\n')
        cv_buf_add_text(buf, "\\n");
    else if (point == '\t')
        cv_buf_add_text(buf, "\\t");
    else if (needs_number(point))
        cv_buf_printf(buf, "\\u%04X", (unsigned)point);
    else
        cv_buf_add(buf, at, len);
}

static void add_quoted(cv_buf *buf, cv_str text)
{
    cv_buf_add_char(buf, '"');
    for (size_t i = 0; i < text.len && !buf->error;) {
        uint32_t point;
        size_t len = cv__utf8_decode(text.ptr + i, text.ptr + text.len, &point);
        if (len)
            add_point(buf, text.ptr + i, len, point);
        else
            cv_buf_add_text(buf, "\xEF\xBF\xBD");
        i += len ? len : 1;
    }
    cv_buf_add_char(buf, '"');
}

void cv__yaml_add_scalar(cv_buf *buf, cv_str text)
{
    if (may_be_plain(text))
        cv_buf_add_str(buf, text);
    else
        add_quoted(buf, text);
}
