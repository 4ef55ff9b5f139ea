#include "app/app.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define BAR_CELLS     30
#define REDRAW_NS     INT64_C(100000000)
#define LINE_NS       INT64_C(10000000000)
#define NS_PER_SECOND INT64_C(1000000000)

struct cv_progress {
    cv_ctx *cx;
    const char *label;
    int64_t total, done, started_ns, drawn_ns;
    int64_t every_ns; /* 0: it is not told */
    bool is_bar;
    char note[100];
    int drawn_cells; /* of the last line, on a terminal */
};

cv_progress *cv_progress_new(cv_ctx *cx, const cv_app *app, const char *label, int64_t total)
{
    cv_progress *progress = cv_zalloc(cx, 1, sizeof *progress);
    if (!progress) {
        cv_error_clear(cx); /* work goes on without a bar */
        return NULL;
    }
    progress->cx = cx;
    progress->label = label;
    progress->total = total;
    progress->is_bar = isatty(STDERR_FILENO);
    progress->every_ns = cv_app_wants_json(app) ? 0 : progress->is_bar ? REDRAW_NS : LINE_NS;
    progress->started_ns = cv_now_ns(cx);
    progress->drawn_ns = progress->started_ns - (progress->is_bar ? REDRAW_NS : 0);
    return progress;
}

void cv_progress_note(cv_progress *progress, const char *format, ...)
{
    if (!progress || !progress->every_ns)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(progress->note, sizeof progress->note, format, args);
    va_end(args);
}

/* "importing [#####     ]  50 %  123 rows  4 s" */
static int write_state(const cv_progress *progress, char *text, size_t size)
{
    int64_t seconds = (cv_now_ns(progress->cx) - progress->started_ns) / NS_PER_SECOND;
    const char *gap = *progress->note ? "  " : "";
    if (progress->total <= 0 && *progress->note)
        return snprintf(text, size, "%s: %s  %" PRId64 " s", progress->label, progress->note, seconds);
    if (progress->total <= 0)
        return snprintf(text, size, "%s: %" PRId64 "  %" PRId64 " s", progress->label, progress->done, seconds);
    int64_t done = progress->done < progress->total ? progress->done : progress->total;
    int percent = (int)((double)done * 100 / (double)progress->total), cells = percent * BAR_CELLS / 100;
    if (!progress->is_bar)
        return snprintf(text, size, "%s: %d %%%s%s  %" PRId64 " s", progress->label, percent, gap, progress->note,
                        seconds);
    return snprintf(text, size, "%s [%.*s%*s] %3d %%%s%s  %" PRId64 " s", progress->label, cells,
                    "##############################", BAR_CELLS - cells, "", percent, gap, progress->note, seconds);
}

/* A shorter line covers a longer one with blanks. */
static void draw(cv_progress *progress)
{
    char text[300];
    int cells = write_state(progress, text, sizeof text);
    int rest = progress->drawn_cells > cells ? progress->drawn_cells - cells : 0;
    if (progress->is_bar)
        fprintf(stderr, "\r%s%*s", text, rest, "");
    else
        fprintf(stderr, "%s\n", text);
    progress->drawn_cells = cells;
    fflush(stderr);
}

void cv_progress_set(cv_progress *progress, int64_t done)
{
    if (!progress)
        return;
    progress->done = done;
    if (!progress->every_ns)
        return;
    int64_t now_ns = cv_now_ns(progress->cx);
    if (now_ns - progress->drawn_ns < progress->every_ns)
        return;
    progress->drawn_ns = now_ns;
    draw(progress);
}

void cv_progress_done(cv_progress *progress)
{
    if (!progress || !progress->every_ns)
        return;
    if (progress->is_bar) {
        draw(progress);
        fputc('\n', stderr);
    }
    progress->every_ns = 0;
}
