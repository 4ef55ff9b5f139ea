#include "models.h"

CV_MODEL(shelf, "shelves", CV_CHAR(code, .max_length = 5, .primary_key = true))

CV_MODEL(writer, "writers", CV_ID(id), CV_CHAR(name, .max_length = 10, .unique = true), CV_FOREIGN_KEY(best, work))

CV_MODEL(work, "works", CV_ID(id), CV_CHAR(title, .max_length = 20, .default_value = "it's \"new\""),
         CV_TEXT(body, .null = true), CV_BOOLEAN(sold, .default_value = "true"), CV_BOOLEAN(checked),
         CV_INTEGER(small, .min = "-3", .max = "300"), CV_INTEGER(medium, .default_value = "-7"), CV_INTEGER(large),
         CV_FLOAT(weight, .default_value = "0.1"),
         CV_DECIMAL(price, .digits = 8, .places = 2, .min = "0.50", .default_value = "9.90"),
         CV_DECIMAL(exact, .digits = 30, .places = 10, .max = "12345678901234567890.5"),
         CV_DATETIME(published, .default_value = "2026-01-02T03:04:05.000006Z"),
         CV_DATE(day, .min = "2000-01-01", .default_value = "2026-01-02"),
         CV_UUID(code, .default_value = "01234567-89ab-4def-8123-456789abcdef"),
         CV_JSON(extra, .default_value = "{\"a\": [1, null]}"), CV_BINARY(cover, .null = true),
         CV_FOREIGN_KEY(writer, writer, .on_delete = CV_CASCADE),
         CV_FOREIGN_KEY(editor, writer, .on_delete = CV_SET_NULL), CV_FOREIGN_KEY(shelf, shelf),
         CV_FOREIGN_KEY(sequel, work, .unique = true), CV_INDEX("day", "-price"), CV_UNIQUE_TOGETHER("title", "day"),
         CV_CHECK("works_prefix", "title__startswith", "it"), CV_CHECK("works_medium", "medium__in", "-7,1,2"),
         CV_CHECK_FIELDS("works_order", "small__lte", "medium"))

CV_MODEL(note_1, "notes", CV_ID(id), CV_CHAR(title, .max_length = 20), CV_CHAR(author, .max_length = 20, .index = true))
CV_MODEL(note_2, "notes", CV_ID(id), CV_CHAR(title, .max_length = 20, .unique = true),
         CV_CHAR(author, .max_length = 20), CV_INTEGER(pages, .min = "1"), CV_INTEGER(rank, .default_value = "3"),
         CV_INDEX("author", "-rank"))
CV_MODEL(note_3, "notes", CV_ID(id), CV_CHAR(title, .max_length = 20),
         CV_CHAR(writer, .max_length = 20, .default_value = "x"))

struct note_wider {
    int64_t id;
    char *title;
    char *author;
};
CV_MODEL(note_wider, "notes", CV_ID(id), CV_CHAR(title, .max_length = 40),
         CV_CHAR(author, .max_length = 20, .index = true))
struct note_checked {
    int64_t id;
    char *title;
    char *author;
};
CV_MODEL(note_checked, "notes", CV_ID(id), CV_CHAR(title, .max_length = 20),
         CV_CHAR(author, .max_length = 20, .index = true), CV_CHECK("notes_title", "title__startswith", "a"))
struct note_required {
    int64_t id;
    char *title;
    char *author;
    int64_t pages;
};
CV_MODEL(note_required, "notes", CV_ID(id), CV_CHAR(title, .max_length = 20),
         CV_CHAR(author, .max_length = 20, .index = true), CV_INTEGER(pages))
struct note_renamed {
    int64_t id;
    char *title;
    char *author;
};
CV_MODEL(note_renamed, "memos", CV_ID(id), CV_CHAR(title, .max_length = 20),
         CV_CHAR(author, .max_length = 20, .index = true))

struct note_plain {
    int64_t id;
    char *title;
    char *author;
};
CV_MODEL(note_plain, "notes", CV_ID(id), CV_CHAR(title, .max_length = 20), CV_CHAR(author, .max_length = 20))
struct note_paged {
    int64_t id;
    char *title;
    char *author;
    cv_opt_i32 pages;
};
CV_MODEL(note_paged, "notes", CV_ID(id), CV_CHAR(title, .max_length = 20),
         CV_CHAR(author, .max_length = 20, .index = true), CV_INTEGER(pages))
