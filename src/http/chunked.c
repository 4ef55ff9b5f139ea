#include "http/chunked.h"

#include "http/head.h"

/* What the next byte must be. The names of two-byte ends say what is still missing. */
enum {
    CHUNK_SIZE,
    EXTENSION_START,
    EXTENSION_NAME,
    EXTENSION_VALUE_START,
    EXTENSION_VALUE,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPED,
    EXTENSION_END,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    TRAILER_START,
    TRAILER,
    TRAILER_LF,
    FINAL_LF,
};

void cv__chunked_init(cv__chunked *chunked, cv_buf *trailers)
{
    *chunked = (cv__chunked){.state = CHUNK_SIZE, .trailers = trailers};
}

static bool is_text(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte == '\t' || (byte >= ' ' && byte != 0x7f);
}

/* One byte of the size; anything else ends it. */
static bool take_size(cv__chunked *chunked, char c)
{
    int digit = cv__hex_digit(c);
    if (digit >= 0) {
        if (chunked->size >> 56)
            return false;
        chunked->size = chunked->size * 16 + (uint64_t)digit;
        chunked->digits = true;
        return true;
    }
    if (!chunked->digits)
        return false;
    if (c == '\r')
        chunked->state = CHUNK_SIZE_LF;
    else if (c == ';')
        chunked->state = EXTENSION_START;
    else
        return false;
    return true;
}

static bool take_text(cv__chunked *chunked, char c, uint8_t after_cr)
{
    if (c == '\r') {
        chunked->state = after_cr;
        return true;
    }
    return is_text(c);
}

/* The first byte of a name. */
static bool take_token(cv__chunked *chunked, char c, uint8_t next)
{
    chunked->state = next;
    return cv__is_token(cv_str_make(&c, 1));
}

static bool take_extension_end(cv__chunked *chunked, char c)
{
    if (c == ';')
        chunked->state = EXTENSION_START;
    else if (c == '\r')
        chunked->state = CHUNK_SIZE_LF;
    else
        return false;
    return true;
}

/* A byte of a quoted text: not even an escape makes a line end part of it. */
static bool take_quoted(cv__chunked *chunked, char c)
{
    if (c == '"')
        chunked->state = EXTENSION_END;
    else if (c == '\\')
        chunked->state = EXTENSION_ESCAPED;
    return is_text(c);
}

/* chunk-ext = *( ";" name [ "=" ( token / quoted-string ) ] ): what it says is of no interest, but a line that others
 * would cut elsewhere is refused. */
static bool take_extension(cv__chunked *chunked, char c)
{
    switch (chunked->state) {
    case EXTENSION_START:
        return take_token(chunked, c, EXTENSION_NAME);
    case EXTENSION_NAME:
        if (c == '=')
            chunked->state = EXTENSION_VALUE_START;
        return c == '=' || cv__is_token(cv_str_make(&c, 1)) || take_extension_end(chunked, c);
    case EXTENSION_VALUE_START:
        chunked->state = c == '"' ? EXTENSION_QUOTED : EXTENSION_VALUE;
        return c == '"' || cv__is_token(cv_str_make(&c, 1));
    case EXTENSION_VALUE:
        return cv__is_token(cv_str_make(&c, 1)) || take_extension_end(chunked, c);
    case EXTENSION_QUOTED:
        return take_quoted(chunked, c);
    case EXTENSION_ESCAPED:
        chunked->state = EXTENSION_QUOTED;
        return is_text(c);
    default: /* EXTENSION_END */
        return take_extension_end(chunked, c);
    }
}

static bool take_trailer_start(cv__chunked *chunked, char c)
{
    if (c != '\r') {
        cv_buf_add_char(chunked->trailers, c);
        return take_token(chunked, c, TRAILER);
    }
    chunked->state = FINAL_LF;
    return true;
}

static bool expect(cv__chunked *chunked, char c, char wanted, uint8_t next)
{
    chunked->state = next;
    return c == wanted;
}

/* One byte that is not data. False when it may not stand there. */
static bool take_framing(cv__chunked *chunked, char c)
{
    switch (chunked->state) {
    case CHUNK_SIZE:
        return take_size(chunked, c);
    case EXTENSION_START:
    case EXTENSION_NAME:
    case EXTENSION_VALUE_START:
    case EXTENSION_VALUE:
    case EXTENSION_QUOTED:
    case EXTENSION_ESCAPED:
    case EXTENSION_END:
        return ++chunked->extension_bytes <= CV__CHUNK_EXTENSION_BYTES && take_extension(chunked, c);
    case CHUNK_SIZE_LF:
        return expect(chunked, c, '\n', chunked->size ? CHUNK_DATA : TRAILER_START);
    case CHUNK_DATA_CR:
        return expect(chunked, c, '\r', CHUNK_DATA_LF);
    case CHUNK_DATA_LF:
        chunked->digits = false;
        return expect(chunked, c, '\n', CHUNK_SIZE);
    case TRAILER_START:
        return take_trailer_start(chunked, c);
    case TRAILER:
        cv_buf_add_char(chunked->trailers, c);
        return take_text(chunked, c, TRAILER_LF);
    default: /* TRAILER_LF */
        cv_buf_add_char(chunked->trailers, c);
        return expect(chunked, c, '\n', TRAILER_START);
    }
}

/* Move what is there of the present chunk to the end of the body. */
static size_t take_data(cv__chunked *chunked, char *data, size_t *body_len, size_t at, size_t len)
{
    size_t part = len - at < chunked->size ? len - at : (size_t)chunked->size;
    memmove(data + *body_len, data + at, part);
    *body_len += part;
    chunked->size -= part;
    if (!chunked->size) {
        chunked->state = CHUNK_DATA_CR;
        chunked->line_bytes = 0;
    }
    return at + part;
}

cv__chunked_result cv__chunked_decode(cv__chunked *chunked, char *data, size_t *body_len, size_t len, size_t max_body,
                                      size_t *ret_used)
{
    size_t start = *body_len, at = start;
    cv__chunked_result result = CV__CHUNKED_MORE;
    while (at < len && result == CV__CHUNKED_MORE) {
        if (chunked->state == CHUNK_DATA) {
            at = take_data(chunked, data, body_len, at, len);
            continue;
        }
        char c = data[at++];
        if (chunked->state == FINAL_LF)
            result = c == '\n' ? CV__CHUNKED_DONE : CV__CHUNKED_BAD;
        else if (++chunked->line_bytes > CV__CHUNK_LINE_BYTES || !take_framing(chunked, c))
            result = CV__CHUNKED_BAD;
        else if (chunked->state == CHUNK_DATA && chunked->size > max_body - *body_len)
            result = CV__CHUNKED_TOO_LARGE;
    }
    *ret_used = at - start;
    return result;
}
