#include "app/admin.h"

#include <covet/fiber.h>
#include <covet/lane.h>
#include <signal.h>
#include <unistd.h>

struct dumper {
    bool busy;
};

/* Standard error may be a pipe that nobody empties: a thread waits for it, not the loop. */
static int write_out(void *arg)
{
    const cv_buf *text = arg;
    for (size_t at = 0; at < text->len;) {
        ssize_t written = write(STDERR_FILENO, text->data + at, text->len - at);
        if (written <= 0)
            return CV_E_IO;
        at += (size_t)written;
    }
    return 0;
}

static int dump(cv_ctx *cx)
{
    cv_buf text;
    cv_buf_init(&text, 0);
    int rc = cv_fibers_dump(cx, &text);
    if (rc == 0)
        rc = cv_offload(cx, CV_LANE_FILES, write_out, &text, NULL);
    cv_buf_done(&text);
    return rc;
}

/* A signal that comes while a dump is written asks for nothing new. */
static int on_signal(cv_ctx *cx, void *arg)
{
    struct dumper *dumper = arg;
    if (dumper->busy)
        return 0;
    dumper->busy = true;
    int rc = dump(cx);
    dumper->busy = false;
    return rc;
}

int cv__dump_on_signal(cv_ctx *cx)
{
    struct dumper *dumper = cv_zalloc(cx, 1, sizeof *dumper);
    return dumper ? cv_on_signal(cx, SIGUSR1, on_signal, dumper) : CV_E_NOMEM;
}
