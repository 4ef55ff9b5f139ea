/* The inside of the configuration, shared by its files. */
#ifndef COVET_SRC_BASE_CONFIG_H
#define COVET_SRC_BASE_CONFIG_H

#include <covet/config.h>

/* Where a value comes from; a higher source wins over a lower one. */
enum cv__config_rank { CV__FROM_DEFAULT, CV__FROM_FILE, CV__FROM_ENV, CV__FROM_FLAG };

/** One setting with its present value. */
typedef struct cv__config_entry {
    const cv_setting *setting;
    const char *env, *flag; /* given or derived */
    enum cv__config_rank rank;
    const char *text;   /* NULL: no value */
    int64_t number;     /* of all kinds but text; a boolean is 0 or 1 */
    const char *source; /* as cv_config_source gives it */
    int read;           /* the number of the file read that set it last */
} cv__config_entry;

struct cv_config {
    cv__config_entry *entries;
    size_t count, capacity;
    int reads; /* of files, so far */
};

/** The entry of a name, or NULL. Does not suspend. */
cv__config_entry *cv__config_find(const cv_config *config, cv_str name);

/** Give an entry a value unless a higher source has set it. `text` and `source` are copied into the arena of `cx`. The
 *  value is checked in any case: CV_E_CONFIG naming setting and source, without the value when it is a secret;
 *  CV_E_NOMEM. Does not suspend. */
CV_CHECKED int cv__config_set(cv_ctx *cx, cv__config_entry *entry, enum cv__config_rank rank, cv_str text,
                              const char *source);

/** Parse a value of a kind: CV_E_SYNTAX or CV_E_RANGE, without a story. Text gives 0. Does not suspend. */
CV_CHECKED int cv__setting_parse(cv_setting_kind kind, cv_str text, int64_t *ret_number);

#endif
