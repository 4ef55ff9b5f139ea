/* Whatever the bytes: no crash, and what the reader accepts the writer turns into text that the reader accepts again.
 */
#include <covet/json.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void read_numbers(const cv_json_reader *reader)
{
    int64_t whole;
    double real;
    cv_decimal decimal;
    int codes[] = {cv_json_number_i64(reader, &whole), cv_json_number_f64(reader, &real),
                   cv_json_number_decimal(reader, &decimal)};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        must(codes[i] == 0 || codes[i] == CV_E_RANGE || codes[i] == CV_E_TYPE);
}

static void write_event(cv_json_writer *writer, const cv_json_reader *reader, cv_json_event event)
{
    switch (event) {
    case CV_JSON_NULL:
        cv_json_null(writer);
        break;
    case CV_JSON_BOOL:
        cv_json_bool(writer, reader->boolean);
        break;
    case CV_JSON_NUMBER:
        read_numbers(reader);
        cv_json_raw(writer, reader->text);
        break;
    case CV_JSON_STRING:
        must(cv_utf8_valid(reader->text));
        cv_json_str(writer, reader->text);
        break;
    case CV_JSON_KEY:
        cv_json_key(writer, reader->text);
        break;
    case CV_JSON_ARRAY_START:
        cv_json_array_start(writer);
        break;
    case CV_JSON_ARRAY_END:
        cv_json_array_end(writer);
        break;
    case CV_JSON_OBJECT_START:
        cv_json_object_start(writer);
        break;
    case CV_JSON_OBJECT_END:
        cv_json_object_end(writer);
        break;
    case CV_JSON_END:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cv_ctx *cx = cv_ctx_new(0);
    cv_str text = {(const char *)data, size};
    cv_json_reader reader;
    cv_json_writer writer;
    cv_json_event event = CV_JSON_NULL;
    cv_buf out;
    int rc = 0;
    must(cx != NULL);
    cv_buf_init(&out, 0);
    cv_json_writer_init(&writer, &out, 0);
    cv_json_reader_init(&reader, cx, text, NULL);
    while (rc == 0 && event != CV_JSON_END) {
        rc = cv_json_next(&reader, &event);
        if (rc == 0)
            write_event(&writer, &reader, event);
    }
    must(rc <= 0 && (cv_json_check(cx, text, NULL) == 0) == (rc == 0));
    if (rc == 0) {
        must(out.error == 0);
        must(cv_json_check(cx, cv_buf_str(&out), NULL) == 0);
    }
    cv_buf_done(&out);
    cv_ctx_free(cx);
    return 0;
}
