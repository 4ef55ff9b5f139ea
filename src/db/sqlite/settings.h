/* PRAGMAs that are options of the URL: which there are, what they may be, when they are set. */
#ifndef COVET_SRC_DB_SQLITE_SETTINGS_H
#define COVET_SRC_DB_SQLITE_SETTINGS_H

#include <covet/ctx.h>
#include <covet/str.h>

enum { CV__SQLITE_SETTINGS = 12, CV__SQLITE_SETTING_BYTES = 24 };

/** The values as SQLite gets them; empty: not given. */
typedef struct cv__sqlite_settings {
    char values[CV__SQLITE_SETTINGS][CV__SQLITE_SETTING_BYTES];
} cv__sqlite_settings;

/** Find a value among its choices, without regard to case; `*ret_choice` is the one of the list. CV_E_CONFIG. */
CV_CHECKED int cv__sqlite_choose(cv_ctx *cx, const char *name, cv_str value, const char *const *choices,
                                 const char **ret_choice);

/** Take an option: 1 when it is one of these, 0 when it is not, CV_E_CONFIG for a value that it cannot have and for
 * what is refused on purpose, with the reason. Does not suspend. */
CV_CHECKED int cv__sqlite_setting_take(cv_ctx *cx, cv__sqlite_settings *settings, cv_str name, cv_str value);

/** The name with this index; NULL beyond the last. */
const char *cv__sqlite_setting_name(size_t index);

/** Append the PRAGMAs of every connection, each ended by "; ": what is given, and the default where a statement of the
 *  program may have changed it. */
void cv__sqlite_settings_add(cv_buf *out, const cv__sqlite_settings *settings);

/** The same for those that only a new file can be given. */
void cv__sqlite_settings_add_new(cv_buf *out, const cv__sqlite_settings *settings);

#endif
