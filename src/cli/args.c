#include "base/config.h"
#include "cli/cli.h"

#include <stdio.h>

cv__args cv__args_make(const cv_app *app, int argc, char **argv)
{
    return (cv__args){.app = app, .command = argv[0], .argc = argc - 1, .argv = argv + 1};
}

static void take(cv__args *args, int at, int count)
{
    memmove(&args->argv[at], &args->argv[at + count], (size_t)(args->argc - at - count) * sizeof *args->argv);
    args->argc -= count;
}

static void remember(cv__args *args, const char *option)
{
    if (args->asked_count < sizeof args->asked / sizeof args->asked[0])
        args->asked[args->asked_count++] = option;
}

bool cv__args_flag(cv__args *args, const char *option)
{
    remember(args, option);
    for (int i = 0; i < args->argc; i++) {
        if (strcmp(args->argv[i], option) != 0)
            continue;
        take(args, i, 1);
        return true;
    }
    return false;
}

const char *cv__args_value(cv__args *args, const char *option)
{
    remember(args, option);
    size_t len = strlen(option);
    for (int i = 0; i < args->argc; i++) {
        char *word = args->argv[i];
        if (strncmp(word, option, len) != 0 || (word[len] != '\0' && word[len] != '='))
            continue;
        if (word[len] == '=') {
            take(args, i, 1);
            return word + len + 1;
        }
        if (i + 1 == args->argc) {
            args->missing = option;
            return NULL;
        }
        const char *value = args->argv[i + 1];
        take(args, i, 2);
        return value;
    }
    return NULL;
}

/* The option, or the flag of a setting, that was probably meant; NULL. */
static const char *nearest_option(const cv__args *args, const char *word)
{
    cv_str wanted = cv_str_make(word, strcspn(word, "="));
    if (!args->app)
        return cv_str_nearest(wanted, args->asked, args->asked_count);
    static const char *const everywhere[] = {"--json", "--config", "--help"};
    const cv_config *config = args->app->config;
    size_t count = 0;
    const char **names = cv_zalloc(args->app->cx, args->asked_count + 3 + config->count, sizeof *names);
    if (!names)
        return NULL;
    for (size_t i = 0; i < args->asked_count; i++)
        names[count++] = args->asked[i];
    for (size_t i = 0; i < config->count; i++)
        if ((names[count] = cv_sprintf(args->app->cx, "--%s", config->entries[i].flag)))
            count++;
    for (size_t i = 0; i < 3; i++)
        names[count++] = everywhere[i];
    return cv_str_nearest(wanted, names, count);
}

/* Whether something is wrong with the arguments left: it is said on standard error. */
static bool complain(cv__args *args, int least, int most)
{
    if (args->missing) {
        fprintf(stderr, "%s: the option \"%s\" needs a value\n", args->command, args->missing);
        return true;
    }
    for (int i = 0; i < args->argc; i++) {
        if (args->argv[i][0] != '-' || args->argv[i][1] == '\0')
            continue;
        cv__print_unknown(args->command, "option", args->argv[i], nearest_option(args, args->argv[i]));
        return true;
    }
    if (args->argc < least || args->argc > most) {
        fprintf(stderr, "%s: too %s arguments\n", args->command, args->argc < least ? "few" : "many");
        return true;
    }
    return false;
}

int cv__args_end(cv__args *args, const char *usage, int least, int most)
{
    if (!complain(args, least, most))
        return 0;
    fprintf(stderr, "usage: %s %s %s\n", args->app ? args->app->name : "covet", args->command, usage);
    return CV__EXIT_USAGE;
}
