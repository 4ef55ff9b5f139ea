/* Options of a database: defaults, what the program gives, and what the URL says, which wins. */
#ifndef COVET_SRC_DB_OPTIONS_H
#define COVET_SRC_DB_OPTIONS_H

#include "db/db_driver.h"

/** Merge into a complete set. `url->query` keeps only what the driver has to understand; in the context's arena.
 * CV_E_CONFIG for a malformed value, CV_E_NOMEM. Does not suspend. */
CV_CHECKED int cv__db_options_merge(cv_ctx *cx, const cv__driver *driver, const cv_db_options *given, cv_url *url,
                                    cv_db_options *ret_options);

/** A count or a duration of a URL option: digits; durations are in milliseconds, or in the unit "ms" or "s" when it is
 *  written. CV_E_CONFIG, naming the option. */
CV_CHECKED int cv__db_option_number(cv_ctx *cx, cv_str name, cv_str text, int64_t min, int64_t max, int64_t *ret_value);
CV_CHECKED int cv__db_option_duration(cv_ctx *cx, cv_str name, cv_str text, int64_t *ret_ms);

/** The index of an option's value among those that it may have. CV_E_CONFIG, naming the option and the nearest. */
CV_CHECKED int cv__db_option_choice(cv_ctx *cx, const char *name, cv_str value, const char *const *choices,
                                    size_t count, size_t *ret_index);

#endif
