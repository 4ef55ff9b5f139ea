#include "app/app.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define BAR_CELLS     30
#define REDRAW_NS     INT64_C(100000000)
#define NS_PER_SECOND INT64_C(1000000000)

struct cv_progress {
    cv_ctx *cx;
    const char *label;
    int64_t total, done, started_ns, drawn_ns;
    bool visible;
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
    progress->started_ns = cv_now_ns(cx);
    progress->drawn_ns = progress->started_ns - REDRAW_NS;
    progress->visible = !cv_app_wants_json(app) && isatty(STDERR_FILENO);
    return progress;
}

static void draw(cv_progress *progress)
{
    int64_t seconds = (cv_now_ns(progress->cx) - progress->started_ns) / NS_PER_SECOND;
    if (progress->total <= 0) {
        fprintf(stderr, "\r%s: %" PRId64 "  %" PRId64 " s", progress->label, progress->done, seconds);
    } else {
        int64_t done = progress->done < progress->total ? progress->done : progress->total;
        int cells = (int)(done * BAR_CELLS / progress->total);
        fprintf(stderr, "\r%s [%.*s%*s] %3d %%  %" PRId64 " s", progress->label, cells,
                "##############################", BAR_CELLS - cells, "", (int)(done * 100 / progress->total), seconds);
    }
    fflush(stderr);
}

void cv_progress_set(cv_progress *progress, int64_t done)
{
    if (!progress)
        return;
    progress->done = done;
    int64_t now_ns = progress->visible ? cv_now_ns(progress->cx) : 0;
    if (!progress->visible || now_ns - progress->drawn_ns < REDRAW_NS)
        return;
    progress->drawn_ns = now_ns;
    draw(progress);
}

void cv_progress_done(cv_progress *progress)
{
    if (!progress || !progress->visible)
        return;
    draw(progress);
    fputc('\n', stderr);
    progress->visible = false;
}
