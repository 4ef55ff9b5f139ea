#include "orm/findings.h"

void cv__finding(cv__findings *findings, const char *hint, const char *format, ...)
{
    size_t at = findings->count++;
    if (at >= CV__FINDINGS_MAX)
        return;
    va_list args;
    va_start(args, format);
    const char *message = cv_arena_vprintf(findings->arena, format, args);
    va_end(args);
    findings->items[at].message = message ? message : "a model is not consistent";
    findings->items[at].hint = hint;
}

int cv__findings_report(cv_ctx *cx, const cv__findings *findings)
{
    if (!findings->count)
        return 0;
    /* A pending error becomes the cause of the next one: the first finding is reported last to be on top. */
    size_t kept = findings->count < CV__FINDINGS_MAX ? findings->count : CV__FINDINGS_MAX;
    if (kept < findings->count)
        (void)cv_fail(cx, CV_E_MODEL, "the models have %zu further mistakes", findings->count - kept);
    while (kept--) {
        (void)cv_fail(cx, CV_E_MODEL, "%s", findings->items[kept].message);
        if (findings->items[kept].hint)
            cv_error_hint(cx, "%s", findings->items[kept].hint);
    }
    return CV_E_MODEL;
}
