#include "db/sqlite/settings.h"

#include "db/options.h"
#include <stdio.h>

typedef struct setting {
    const char *name;
    const char *const *choices; /* NULL: a number between min and max */
    int64_t min, max;
    const char *fallback; /* set when nothing is given; NULL: left as it is */
    bool of_new_file;
} setting;

static const char *const switches[] = {"off", "on", NULL};
static const char *const stores[] = {"default", "file", "memory", NULL};
static const char *const deletions[] = {"off", "on", "fast", NULL};
static const char *const vacuums[] = {"none", "incremental", "full", NULL};
static const char *const page_sizes[] = {"512", "1024", "2048", "4096", "8192", "16384", "32768", "65536", NULL};

/* https://www.sqlite.org/pragma.html */
static const setting settings_known[] = {
    {.name = "analysis_limit", .max = 1000000, .fallback = "0"},
    {.name = "automatic_index", .choices = switches, .fallback = "on"},
    {.name = "cache_spill", .choices = switches, .fallback = "on"},
    {.name = "cell_size_check", .choices = switches, .fallback = "off"},
    {.name = "journal_size_limit", .min = -1, .max = INT64_C(1) << 40, .fallback = NULL},
    {.name = "max_page_count", .min = 1, .max = 4294967294, .fallback = NULL},
    {.name = "recursive_triggers", .choices = switches, .fallback = "off"},
    {.name = "reverse_unordered_selects", .choices = switches, .fallback = "off"},
    {.name = "secure_delete", .choices = deletions, .fallback = NULL},
    {.name = "temp_store", .choices = stores, .fallback = "default"},
    {.name = "page_size", .choices = page_sizes, .of_new_file = true}, /* first: the other one writes a page */
    {.name = "auto_vacuum", .choices = vacuums, .of_new_file = true},
};
#define KNOWN (sizeof settings_known / sizeof settings_known[0])
_Static_assert(KNOWN == CV__SQLITE_SETTINGS, "one value for each");

static const struct {
    const char *name, *reason;
} refused[] = {
    {"mmap_size", "a page of a mapped file that is not in memory would stop the whole loop"},
    {"cache", "connections that share a cache lock each other out of tables, and cannot wait for it"},
    {"shared_cache", "connections that share a cache lock each other out of tables, and cannot wait for it"},
    {"locking_mode", "the readers and the writer of the pool need the file side by side"},
    {"read_uncommitted", "it has a meaning with a shared cache only"},
    {"case_sensitive_like", "it would change what the look-ups of queries find"},
    {"encoding", "texts are UTF-8"},
    {"trusted_schema", "a file must not run functions by its schema; it is off"},
    {"writable_schema", "it is how files are damaged; it is off"},
    {"query_only", "use mode=ro"},
    {"vfs", "connections have a file system of their own, which suspends the fiber"},
    {"nolock", "writers without locks damage the file; immutable=1 is for a file that nobody changes"},
};

const char *cv__sqlite_setting_name(size_t index)
{
    return index < KNOWN ? settings_known[index].name : NULL;
}

static int fail_choice(cv_ctx *cx, const char *name, cv_str value, const char *const *choices)
{
    cv_buf list;
    cv_buf_init_arena(&list, cv_ctx_arena(cx), 0);
    for (size_t i = 0; choices[i]; i++)
        cv_buf_printf(&list, "%s\"%s\"", i ? ", " : "", choices[i]);
    cv_fail(cx, CV_E_CONFIG, "the database option \"%s\" cannot be \"%.*s\"", name, CV_STR_ARG(value));
    cv_error_hint(cx, "choose one of %.*s", CV_STR_ARG(cv_buf_str(&list)));
    return CV_E_CONFIG;
}

int cv__sqlite_choose(cv_ctx *cx, const char *name, cv_str value, const char *const *choices, const char **ret_choice)
{
    for (size_t i = 0; choices[i]; i++) {
        if (!cv_str_equal_nocase(value, cv_str_of(choices[i])))
            continue;
        *ret_choice = choices[i];
        return 0;
    }
    return fail_choice(cx, name, value, choices);
}

static int check_refused(cv_ctx *cx, cv_str name)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (!cv_str_equal(name, cv_str_of(refused[i].name)))
            continue;
        cv_fail(cx, CV_E_CONFIG, "the database option \"%s\" cannot be set", refused[i].name);
        cv_error_hint(cx, "%s", refused[i].reason);
        return CV_E_CONFIG;
    }
    return 0;
}

static int take_number(cv_ctx *cx, const setting *known, cv_str value, char *ret_value)
{
    int64_t number;
    CV_TRY(cv__db_option_number(cx, cv_str_of(known->name), value, known->min, known->max, &number));
    snprintf(ret_value, CV__SQLITE_SETTING_BYTES, "%lld", (long long)number);
    return 0;
}

static int take(cv_ctx *cx, const setting *known, cv_str value, char *ret_value)
{
    if (!known->choices)
        return take_number(cx, known, value, ret_value);
    const char *choice;
    CV_TRY(cv__sqlite_choose(cx, known->name, value, known->choices, &choice));
    snprintf(ret_value, CV__SQLITE_SETTING_BYTES, "%s", choice);
    return 0;
}

int cv__sqlite_setting_take(cv_ctx *cx, cv__sqlite_settings *settings, cv_str name, cv_str value)
{
    for (size_t i = 0; i < KNOWN; i++) {
        if (!cv_str_equal(name, cv_str_of(settings_known[i].name)))
            continue;
        CV_TRY(take(cx, &settings_known[i], value, settings->values[i]));
        return 1;
    }
    return check_refused(cx, name);
}

static void add(cv_buf *out, const cv__sqlite_settings *settings, bool of_new_file)
{
    for (size_t i = 0; i < KNOWN; i++) {
        const char *value = *settings->values[i] ? settings->values[i] : settings_known[i].fallback;
        if (value && settings_known[i].of_new_file == of_new_file)
            cv_buf_printf(out, "PRAGMA %s = %s; ", settings_known[i].name, value);
    }
}

void cv__sqlite_settings_add(cv_buf *out, const cv__sqlite_settings *settings)
{
    add(out, settings, false);
}

void cv__sqlite_settings_add_new(cv_buf *out, const cv__sqlite_settings *settings)
{
    add(out, settings, true);
}
