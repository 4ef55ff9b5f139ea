/* The sources of settings: file, environment, flags. Each turns what it reads into calls of cv__config_set, which keeps
 * the order of precedence, so that the order of reading does not matter. */
#include "base/config.h"
#include "base/yaml.h"
#include <stdio.h>

enum { MAX_SOURCE_BYTES = 4096, MAX_NAME_BYTES = 256 };

static const char *nearest_name(cv_ctx *cx, const cv_config *config, cv_str wanted)
{
    const char **names = cv_zalloc(cx, config->count + 1, sizeof(char *));
    if (!names)
        return NULL;
    for (size_t i = 0; i < config->count; i++)
        names[i] = config->entries[i].setting->name;
    return cv_str_nearest(wanted, names, config->count);
}

/* One reading of one file. */
struct file {
    cv_ctx *cx;
    cv_config *config;
    const char *path;
};

/* Whether some setting lies inside the section. */
static bool is_section(const cv_config *config, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < config->count; i++)
        if (strncmp(config->entries[i].setting->name, name, len) == 0 && config->entries[i].setting->name[len] == '.')
            return true;
    return false;
}

static int refuse_unknown(const struct file *file, const cv__yaml_node *node, const char *name)
{
    const char *nearest = nearest_name(file->cx, file->config, cv_str_of(name));
    int rc = cv_fail(file->cx, CV_E_CONFIG, "%s:%d: there is no setting \"%s\"", file->path, node->key_line, name);
    if (nearest)
        cv_error_hint(file->cx, "did you mean \"%s\"?", nearest);
    return rc;
}

static int take_scalar(const struct file *file, const cv__yaml_node *node, cv__config_entry *entry)
{
    char source[MAX_SOURCE_BYTES];
    if (node->kind != CV__YAML_SCALAR)
        return cv_fail(file->cx, CV_E_CONFIG, "%s:%d: the setting \"%s\" needs one value, not %s", file->path,
                       node->line, entry->setting->name, cv__yaml_kind_name(node->kind));
    if (cv__yaml_is_null(node)) {
        int rc = cv_fail(file->cx, CV_E_CONFIG, "%s:%d: the setting \"%s\" has no value", file->path, node->line,
                         entry->setting->name);
        cv_error_hint(file->cx, "leave the line out to keep the default, or write \"\" for an empty text");
        return rc;
    }
    if (entry->read == file->config->reads)
        return cv_fail(file->cx, CV_E_CONFIG, "%s:%d: the setting \"%s\" is given twice", file->path, node->line,
                       entry->setting->name);
    entry->read = file->config->reads;
    snprintf(source, sizeof source, "file %s:%d", file->path, node->line);
    return cv__config_set(file->cx, entry, CV__FROM_FILE, node->text, source);
}

/* Recursion is bounded by the depth that the YAML reader allows and by MAX_NAME_BYTES. */
static int take_mapping(const struct file *file, const cv__yaml_node *mapping, const char *prefix)
{
    for (const cv__yaml_node *node = mapping->first; node; node = node->next) {
        char name[MAX_NAME_BYTES];
        int len = snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", node->key.ptr);
        if (len < 0 || (size_t)len >= sizeof name)
            return cv_fail(file->cx, CV_E_CONFIG, "%s:%d: the name of a setting is too long", file->path,
                           node->key_line);
        cv__config_entry *entry = cv__config_find(file->config, cv_str_of(name));
        bool section = !entry && is_section(file->config, name);
        if (entry)
            CV_TRY(take_scalar(file, node, entry));
        else if (node->kind == CV__YAML_MAPPING && (section || node->first))
            CV_TRY(take_mapping(file, node, name));
        else if (!section)
            return refuse_unknown(file, node, name);
        else if (!cv__yaml_is_null(node))
            return cv_fail(file->cx, CV_E_CONFIG, "%s:%d: \"%s\" is a section of settings and takes no value",
                           file->path, node->key_line, name);
    }
    return 0;
}

int cv_config_read_file(cv_ctx *cx, cv_config *config, const char *path)
{
    const cv__yaml_node *root;
    CV_TRY(cv__yaml_read_file(cx, path, &(cv__yaml_options){.error_code = CV_E_CONFIG}, &root));
    config->reads++;
    if (!root)
        return 0;
    if (root->kind != CV__YAML_MAPPING)
        return cv_fail(cx, CV_E_CONFIG, "%s:%d: the settings must be a mapping, not %s", path, root->line,
                       cv__yaml_kind_name(root->kind));
    return take_mapping(&(struct file){cx, config, path}, root, "");
}

int cv_config_read_env(cv_ctx *cx, cv_config *config, char *const *envp)
{
    for (; envp && *envp; envp++) {
        cv_str value = cv_str_of(*envp), name;
        if (!cv_str_split(&value, '=', &name) || !value.ptr)
            continue;
        for (size_t i = 0; i < config->count; i++) {
            char source[MAX_NAME_BYTES];
            if (!cv_str_equal(name, cv_str_of(config->entries[i].env)))
                continue;
            snprintf(source, sizeof source, "environment %s", config->entries[i].env);
            CV_TRY(cv__config_set(cx, &config->entries[i], CV__FROM_ENV, value, source));
        }
    }
    return 0;
}

static cv__config_entry *find_flag(const cv_config *config, cv_str flag)
{
    for (size_t i = 0; i < config->count; i++)
        if (cv_str_equal(flag, cv_str_of(config->entries[i].flag)))
            return &config->entries[i];
    return NULL;
}

/* The boolean setting that "--no-flag" switches off. */
static cv__config_entry *find_negated(const cv_config *config, cv_str flag)
{
    if (!cv_str_starts_with(flag, CV_STR("no-")))
        return NULL;
    cv__config_entry *entry = find_flag(config, cv_str_sub(flag, 3, flag.len));
    return entry && entry->setting->kind == CV_SETTING_BOOLEAN ? entry : NULL;
}

static int set_flag(cv_ctx *cx, cv__config_entry *entry, cv_str value)
{
    char source[MAX_NAME_BYTES];
    snprintf(source, sizeof source, "flag --%s", entry->flag);
    return cv__config_set(cx, entry, CV__FROM_FLAG, value, source);
}

/* A flag and what follows it: "--name=value", or "--name" and perhaps an argument of its own. */
struct flag {
    cv_str name;
    cv_str value;     /* behind '='; NULL: there is none */
    const char *next; /* the next argument; NULL: this is the last one */
};

/* What take_flag returns for a flag of ours. */
static int take_setting(cv_ctx *cx, cv__config_entry *entry, const struct flag *flag)
{
    bool boolean = entry->setting->kind == CV_SETTING_BOOLEAN;
    if (flag->value.ptr || boolean) {
        CV_TRY(set_flag(cx, entry, flag->value.ptr ? flag->value : CV_STR("true")));
        return 1;
    }
    if (!flag->next)
        return cv_fail(cx, CV_E_CONFIG, "the flag \"--%s\" needs a value", entry->flag);
    CV_TRY(set_flag(cx, entry, cv_str_of(flag->next)));
    return 2;
}

static int take_negated(cv_ctx *cx, cv__config_entry *entry, const struct flag *flag)
{
    if (flag->value.ptr)
        return cv_fail(cx, CV_E_CONFIG, "the flag \"--no-%s\" takes no value", entry->flag);
    CV_TRY(set_flag(cx, entry, CV_STR("false")));
    return 1;
}

static struct flag split_flag(cv_str argument, const char *next)
{
    ptrdiff_t equals = cv_str_find_char(argument, '=');
    if (equals < 0)
        return (struct flag){.name = argument, .next = next};
    return (struct flag){.name = cv_str_sub(argument, 0, (size_t)equals),
                         .value = cv_str_sub(argument, (size_t)equals + 1, argument.len),
                         .next = next};
}

/* How many arguments the flag at argv[at] takes; 0 when it is none of ours. */
static int take_flag(cv_ctx *cx, const cv_config *config, int at, int argc, char *const *argv)
{
    cv_str argument = cv_str_of(argv[at]);
    if (!cv_str_starts_with(argument, CV_STR("--")))
        return 0;
    struct flag flag = split_flag(cv_str_sub(argument, 2, argument.len), at + 1 < argc ? argv[at + 1] : NULL);
    cv__config_entry *entry = find_flag(config, flag.name);
    if (entry)
        return take_setting(cx, entry, &flag);
    cv__config_entry *negated = find_negated(config, flag.name);
    return negated ? take_negated(cx, negated, &flag) : 0;
}

int cv_config_read_flags(cv_ctx *cx, cv_config *config, int *argc, char **argv)
{
    int kept = *argc > 0 ? 1 : 0, at = kept;
    bool ended = false;
    while (at < *argc) {
        ended = ended || strcmp(argv[at], "--") == 0;
        int taken = ended ? 0 : take_flag(cx, config, at, *argc, argv);
        if (taken < 0)
            return taken;
        if (!taken)
            argv[kept++] = argv[at++];
        at += taken;
    }
    if (kept < *argc)
        argv[kept] = NULL;
    *argc = kept;
    return 0;
}
