/* Structured logs: an event name and typed fields, one line each, as JSON or as readable text.
 *
 *     CV_LOG_INFO(log, "request", CV_F("method", "GET"), CV_F("status", 200), CV_F("us", took));
 *
 * Lines are written with one write(2) each and never split. Fields whose name contains "password", "secret", "token",
 * "authorization" or "cookie" are written as "***". Below the level nothing is evaluated but the level. A log may be
 * used from several threads. Nothing here suspends. */
#ifndef COVET_LOG_H
#define COVET_LOG_H

#include <covet/str.h>
#include <covet/value.h>

CV_BEGIN_DECLS

typedef enum cv_log_level { CV_LOG_DEBUG, CV_LOG_INFO, CV_LOG_WARN, CV_LOG_ERROR, CV_LOG_OFF } cv_log_level;
typedef enum cv_log_format { CV_LOG_TEXT, CV_LOG_JSON } cv_log_format;

typedef struct cv_log cv_log;

typedef struct cv_log_options {
    cv_log_level level;   /* default CV_LOG_DEBUG (0): everything */
    cv_log_format format; /* default text */
    int fd;               /* default 0 means standard error (2) */
    /** Takes each finished line instead of the file descriptor; for tests and own sinks. */
    void (*sink)(void *arg, cv_str line);
    void *sink_arg;
} cv_log_options;

typedef struct cv_log_field {
    const char *name;
    cv_value value;
} cv_log_field;

/** Make a log; options are copied, NULL takes the defaults. NULL without memory. Free with cv_log_free (NULL allowed).
 */
CV_API cv_log *cv_log_new(const cv_log_options *options);
CV_API void cv_log_free(cv_log *log);

CV_API bool cv_log_enabled(const cv_log *log, cv_log_level level);
CV_API void cv_log_set_level(cv_log *log, cv_log_level level);
/** "debug", "info", "warn", "error", "off". CV_E_INVALID otherwise, without a story. */
CV_API CV_CHECKED int cv_log_level_parse(cv_str text, cv_log_level *ret_level);

/** Write one line. `log` NULL writes nothing. A line longer than 16 KiB is cut and marked. */
CV_API void cv_log_write(cv_log *log, cv_log_level level, const char *event, const cv_log_field *fields, size_t count);

/** The log of the context, which adds what belongs to each of its lines, such as the request's identity; NULL without
 *  one. Lives as long as the context. */
CV_API cv_log *cv_ctx_log(const cv_ctx *cx);

/** Write the error of a context with its whole cause chain. */
CV_API void cv_log_error(cv_log *log, cv_log_level level, const char *event, const cv_error *error);

#ifndef __cplusplus
#define CV_F(name, v) ((cv_log_field){(name), CV_VALUE(v)})
#define CV_LOG(log, level, event, ...)                                                                                 \
    do {                                                                                                               \
        if (cv_log_enabled((log), (level))) {                                                                          \
            const cv_log_field cv__fields[] = {__VA_ARGS__};                                                           \
            cv_log_write((log), (level), (event), cv__fields, sizeof cv__fields / sizeof cv__fields[0]);               \
        }                                                                                                              \
    } while (0)
#define CV_LOG_DEBUG(log, event, ...) CV_LOG(log, CV_LOG_DEBUG, event, __VA_ARGS__)
#define CV_LOG_INFO(log, event, ...)  CV_LOG(log, CV_LOG_INFO, event, __VA_ARGS__)
#define CV_LOG_WARN(log, event, ...)  CV_LOG(log, CV_LOG_WARN, event, __VA_ARGS__)
#define CV_LOG_ERROR(log, event, ...) CV_LOG(log, CV_LOG_ERROR, event, __VA_ARGS__)
#endif

CV_END_DECLS

#endif
