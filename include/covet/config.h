/* Configuration: documented settings with defaults, read from a YAML file, the environment and command-line flags;
 * flags win over the environment, the environment over the file, the file over the default.
 *
 * A setting "http.port" is read from the file as `http: {port: 8000}`, from the environment as HTTP_PORT (or the name
 * given in `env`) and from the flag --http-port (or the name given in `flag`). Unknown settings in the file and unknown
 * flags are refused with the nearest name. The YAML subset: mappings and scalars; no anchors, tags, aliases, duplicate
 * keys. Nothing here suspends; reading the file blocks and belongs to start-up. */
#ifndef COVET_CONFIG_H
#define COVET_CONFIG_H

#include <covet/ctx.h>
#include <covet/str.h>

CV_BEGIN_DECLS

typedef enum cv_setting_kind {
    CV_SETTING_TEXT,
    CV_SETTING_INTEGER,
    CV_SETTING_BOOLEAN,  /* true/false/yes/no/on/off/1/0 */
    CV_SETTING_DURATION, /* "250ms", "5s", "2m", "1h": milliseconds; a bare number is refused */
    CV_SETTING_SIZE,     /* "512", "16KiB", "1MiB", "2GiB": bytes */
} cv_setting_kind;

/** One setting. Tables of settings are static and outlive the configuration. */
typedef struct cv_setting {
    const char *name; /* dotted, lower case: "http.port" */
    cv_setting_kind kind;
    bool secret;               /* never printed */
    const char *default_value; /* as text; NULL: no value */
    const char *help;          /* one line */
    const char *env;           /* NULL: derived from the name */
    const char *flag;          /* NULL: derived from the name; without the dashes */
    int64_t min, max;          /* for numbers; both 0: unchecked */
} cv_setting;

typedef struct cv_config cv_config;

/** Make an empty configuration in the context's arena. NULL (reported) without memory. */
CV_API cv_config *cv_config_new(cv_ctx *cx);

/** Add a table of settings, kept by reference. CV_E_EXISTS for a name, variable or flag already taken; CV_E_CONFIG for
 * a default that does not parse. */
CV_API CV_CHECKED int cv_config_add(cv_ctx *cx, cv_config *config, const cv_setting *settings, size_t count);

/** Read a YAML file. CV_E_NOT_FOUND, CV_E_PERMISSION, CV_E_CONFIG with file, line and the nearest setting. */
CV_API CV_CHECKED int cv_config_read_file(cv_ctx *cx, cv_config *config, const char *path);

/** Read the environment (`envp` as environ: NULL-terminated "NAME=value"). Variables of no setting are ignored. */
CV_API CV_CHECKED int cv_config_read_env(cv_ctx *cx, cv_config *config, char *const *envp);

/** Take "--flag value", "--flag=value", and "--flag"/"--no-flag" for booleans out of `argv`; what is not a flag of a
 *  setting stays, in order, and `*argc` is updated. "--" ends flags and stays. An unknown flag is left for the caller.
 */
CV_API CV_CHECKED int cv_config_read_flags(cv_ctx *cx, cv_config *config, int *argc, char **argv);

/** Values. Asking for a name that was never added, or by the wrong kind, is a programming error: it aborts, naming it.
 *  Text: NULL when there is no value; owned by the configuration. Durations in milliseconds, sizes in bytes. */
CV_API const char *cv_config_text(const cv_config *config, const char *name);
CV_API int64_t cv_config_integer(const cv_config *config, const char *name);
CV_API bool cv_config_boolean(const cv_config *config, const char *name);
CV_API int64_t cv_config_duration_ms(const cv_config *config, const char *name);
CV_API int64_t cv_config_size_bytes(const cv_config *config, const char *name);

/** Where the present value comes from: "default", "file app.yaml:3", "environment HTTP_PORT", "flag --http-port". */
CV_API const char *cv_config_source(const cv_config *config, const char *name);

/** Visit all settings, in the order added; `*position` starts at 0. `ret_value` is "***" for secrets, NULL for none. */
CV_API bool cv_config_next(const cv_config *config, size_t *position, const cv_setting **ret_setting,
                           const char **ret_value);

CV_END_DECLS

#endif
