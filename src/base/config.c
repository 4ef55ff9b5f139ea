#include "base/config.h"
#include "base/secret.h"
#include <stdio.h>
#include <stdlib.h>

/* Of a value, in messages. */
enum { SHOWN_BYTES = 64 };

cv_config *cv_config_new(cv_ctx *cx)
{
    return cv_zalloc(cx, 1, sizeof(cv_config));
}

cv__config_entry *cv__config_find(const cv_config *config, cv_str name)
{
    for (size_t i = 0; i < config->count; i++)
        if (cv_str_equal(cv_str_of(config->entries[i].setting->name), name))
            return &config->entries[i];
    return NULL;
}

/* A number and its unit. */
struct unit {
    const char *name;
    int64_t factor;
};

static int parse_with_unit(cv_str text, const struct unit *units, size_t count, int64_t *ret_number)
{
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    cv_str suffix = cv_str_sub(text, digits, text.len);
    for (size_t i = 0; i < count; i++) {
        int64_t number;
        if (!cv_str_equal(suffix, cv_str_of(units[i].name)))
            continue;
        CV_TRY(cv_str_to_i64(cv_str_sub(text, 0, digits), &number));
        return __builtin_mul_overflow(number, units[i].factor, ret_number) ? CV_E_RANGE : 0;
    }
    return CV_E_SYNTAX;
}

static int parse_boolean(cv_str text, int64_t *ret_number)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (cv_str_equal_nocase(text, cv_str_of(words[i]))) {
            *ret_number = (int64_t)(i % 2);
            return 0;
        }
    }
    return CV_E_SYNTAX;
}

int cv__setting_parse(cv_setting_kind kind, cv_str text, int64_t *ret_number)
{
    static const struct unit durations[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};
    static const struct unit sizes[] = {{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
    switch (kind) {
    case CV_SETTING_TEXT:
        *ret_number = 0;
        return 0;
    case CV_SETTING_INTEGER:
        return cv_str_to_i64(text, ret_number);
    case CV_SETTING_BOOLEAN:
        return parse_boolean(text, ret_number);
    case CV_SETTING_DURATION:
        return parse_with_unit(text, durations, sizeof durations / sizeof *durations, ret_number);
    case CV_SETTING_SIZE:
        return parse_with_unit(text, sizes, sizeof sizes / sizeof *sizes, ret_number);
    }
    return CV_E_INVALID;
}

static const char *wanted_form(cv_setting_kind kind)
{
    static const char *const forms[] = {
        "a text",
        "an integer",
        "true or false",
        "a duration such as \"250ms\", \"5s\", \"2m\" or \"1h\"",
        "a size such as \"512\", \"16KiB\", \"1MiB\" or \"2GiB\"",
    };
    return forms[kind];
}

static int fail_value(cv_ctx *cx, const cv_setting *setting, cv_str text, const char *source, const char *wanted)
{
    if (setting->secret || cv__is_secret_name(cv_str_of(setting->name)))
        return cv_fail(cx, CV_E_CONFIG, "the value of setting \"%s\" from %s is not %s", setting->name, source, wanted);
    return cv_fail(cx, CV_E_CONFIG, "\"%.*s\" for setting \"%s\" from %s is not %s",
                   CV_STR_ARG(cv_str_sub(text, 0, SHOWN_BYTES)), setting->name, source, wanted);
}

static int check_value(cv_ctx *cx, const cv_setting *setting, cv_str text, const char *source, int64_t *ret_number)
{
    int rc = cv__setting_parse(setting->kind, text, ret_number);
    bool counts = setting->kind != CV_SETTING_TEXT && setting->kind != CV_SETTING_BOOLEAN;
    bool bounded = counts && (setting->min || setting->max);
    if (rc == CV_E_RANGE || (rc == 0 && bounded && (*ret_number < setting->min || *ret_number > setting->max))) {
        if (!bounded)
            return fail_value(cx, setting, text, source, "small enough");
        const char *unit = setting->kind == CV_SETTING_DURATION ? " ms"
                           : setting->kind == CV_SETTING_SIZE   ? " bytes"
                                                                : "";
        char wanted[96];
        snprintf(wanted, sizeof wanted, "between %lld%s and %lld%s", (long long)setting->min, unit,
                 (long long)setting->max, unit);
        return fail_value(cx, setting, text, source, wanted);
    }
    return rc < 0 ? fail_value(cx, setting, text, source, wanted_form(setting->kind)) : 0;
}

int cv__config_set(cv_ctx *cx, cv__config_entry *entry, enum cv__config_rank rank, cv_str text, const char *source)
{
    int64_t number;
    CV_TRY(check_value(cx, entry->setting, text, source, &number));
    if (rank < entry->rank)
        return 0;
    char *copy = cv_strndup(cx, text.ptr, text.len), *source_copy = cv_strdup(cx, source);
    if (!copy || !source_copy)
        return CV_E_NOMEM;
    entry->rank = rank;
    entry->text = copy;
    entry->number = number;
    entry->source = source_copy;
    return 0;
}

/* The name with dots and dashes replaced, in upper case where wanted. */
static const char *derive(cv_ctx *cx, const char *name, char separator, bool upper)
{
    char *copy = cv_strdup(cx, name);
    for (char *at = copy; at && *at; at++) {
        if (*at == '.' || *at == '-' || *at == '_')
            *at = separator;
        else if (upper && *at >= 'a' && *at <= 'z')
            *at = (char)(*at & ~0x20);
    }
    return copy;
}

static int check_free(cv_ctx *cx, const cv_config *config, const cv__config_entry *entry)
{
    for (size_t i = 0; i < config->count; i++) {
        const cv__config_entry *other = &config->entries[i];
        if (strcmp(other->setting->name, entry->setting->name) == 0)
            return cv_fail(cx, CV_E_EXISTS, "the setting \"%s\" exists already", entry->setting->name);
        if (strcmp(other->env, entry->env) == 0)
            return cv_fail(cx, CV_E_EXISTS, "the settings \"%s\" and \"%s\" share the variable %s",
                           other->setting->name, entry->setting->name, entry->env);
        if (strcmp(other->flag, entry->flag) == 0)
            return cv_fail(cx, CV_E_EXISTS, "the settings \"%s\" and \"%s\" share the flag --%s", other->setting->name,
                           entry->setting->name, entry->flag);
    }
    return 0;
}

static int add_setting(cv_ctx *cx, cv_config *config, const cv_setting *setting)
{
    cv__config_entry entry = {.setting = setting, .source = "default"};
    entry.env = setting->env ? setting->env : derive(cx, setting->name, '_', true);
    entry.flag = setting->flag ? setting->flag : derive(cx, setting->name, '-', false);
    if (!entry.env || !entry.flag)
        return CV_E_NOMEM;
    CV_TRY(check_free(cx, config, &entry));
    if (setting->default_value)
        CV_TRY(cv__config_set(cx, &entry, CV__FROM_DEFAULT, cv_str_of(setting->default_value), "default"));
    if (config->count == config->capacity) {
        size_t capacity = config->capacity ? config->capacity * 2 : 32;
        cv__config_entry *entries = cv_zalloc(cx, capacity, sizeof *entries);
        if (!entries)
            return CV_E_NOMEM;
        if (config->count)
            memcpy(entries, config->entries, config->count * sizeof *entries);
        config->entries = entries;
        config->capacity = capacity;
    }
    config->entries[config->count++] = entry;
    return 0;
}

int cv_config_add(cv_ctx *cx, cv_config *config, const cv_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CV_TRY(add_setting(cx, config, &settings[i]));
    return 0;
}

/* Wrong names and kinds are found by the first run of the program, not by its users. */
static const cv__config_entry *entry_of_kind(const cv_config *config, const char *name, cv_setting_kind kind)
{
    const cv__config_entry *entry = cv__config_find(config, cv_str_of(name));
    if (entry && entry->setting->kind == kind)
        return entry;
    fprintf(stderr,
            entry ? "covet: the setting \"%s\" is read as another kind than it has\n"
                  : "covet: the setting \"%s\" was never added\n",
            name);
    abort();
}

const char *cv_config_text(const cv_config *config, const char *name)
{
    return entry_of_kind(config, name, CV_SETTING_TEXT)->text;
}

int64_t cv_config_integer(const cv_config *config, const char *name)
{
    return entry_of_kind(config, name, CV_SETTING_INTEGER)->number;
}

bool cv_config_boolean(const cv_config *config, const char *name)
{
    return entry_of_kind(config, name, CV_SETTING_BOOLEAN)->number != 0;
}

int64_t cv_config_duration_ms(const cv_config *config, const char *name)
{
    return entry_of_kind(config, name, CV_SETTING_DURATION)->number;
}

int64_t cv_config_size_bytes(const cv_config *config, const char *name)
{
    return entry_of_kind(config, name, CV_SETTING_SIZE)->number;
}

const char *cv_config_source(const cv_config *config, const char *name)
{
    const cv__config_entry *entry = cv__config_find(config, cv_str_of(name));
    return entry ? entry->source : entry_of_kind(config, name, CV_SETTING_TEXT)->source;
}

bool cv_config_next(const cv_config *config, size_t *position, const cv_setting **ret_setting, const char **ret_value)
{
    if (*position >= config->count)
        return false;
    const cv__config_entry *entry = &config->entries[(*position)++];
    *ret_setting = entry->setting;
    *ret_value = entry->text && entry->setting->secret ? CV__SECRET_MASK : entry->text;
    return true;
}
