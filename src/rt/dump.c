#include "rt/inspect.h"

#include <covet/lane.h>

struct job {
    const cv__census *census;
    cv_buf *out;
};

static int write_text(void *arg)
{
    const struct job *job = arg;
    cv__symbols *symbols = cv__symbols_open();
    size_t fibers = cv__census_fibers(job->census) - 1;
    cv_buf_printf(job->out, "%zu fiber%s\n", fibers, fibers == 1 ? "" : "s");
    cv__census_write(job->census, symbols, job->out);
    cv__symbols_close(symbols);
    return job->out->error;
}

int cv_fibers_dump(cv_ctx *cx, cv_buf *out)
{
    CV_TRY(cv__wait_check(cx, "dump the fibers"));
    cv__census *census = cv__census_new();
    if (!census)
        return cv_fail(cx, CV_E_NOMEM, "could not dump the fibers: out of memory");
    cv_buf text;
    cv_buf_init(&text, 0);
    struct job job = {census, &text};
    int rc = cv__census_take(cx, census, NULL);
    if (rc == 0)
        rc = cv_offload(cx, CV_LANE_CPU, write_text, &job, NULL);
    if (rc == 0)
        cv_buf_add_str(out, cv_buf_str(&text));
    cv_buf_done(&text);
    cv__census_free(census);
    return rc;
}
