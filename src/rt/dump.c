/* A dump: each runtime counts its own fibers on its own thread, then a lane makes a text of it. A worker that does not
 * answer in time is told from outside; what it finds later goes to a dump that nobody reads any more. */
#include "rt/inspect.h"
#include "rt/workers.h"

#include <stdio.h>

#include <covet/fiber.h>
#include <covet/lane.h>
#include <stdlib.h>

enum { PATIENCE_MS = 1000 };

struct part {
    cv__census *census;
    atomic_bool is_taken;
    const char *holder; /* of the loop, when it did not answer; or NULL */
    cv__stack_trace trace;
};

/* Held by the caller, and by the question to the workers until all have answered. */
struct dump {
    atomic_int references;
    cv__census *own;
    cv_buf text;
    size_t count;
    struct part parts[];
};

static void unref(void *arg)
{
    struct dump *dump = arg;
    if (atomic_fetch_sub(&dump->references, 1) > 1)
        return;
    for (size_t i = 0; i < dump->count; i++)
        cv__census_free(dump->parts[i].census);
    cv__census_free(dump->own);
    cv_buf_done(&dump->text);
    free(dump);
}

static struct dump *make_dump(size_t count)
{
    struct dump *dump = calloc(1, sizeof *dump + count * sizeof dump->parts[0]);
    if (!dump)
        return NULL;
    atomic_init(&dump->references, 1);
    cv_buf_init(&dump->text, 0);
    dump->count = count;
    dump->own = cv__census_new();
    bool complete = dump->own != NULL;
    for (size_t i = 0; i < count; i++)
        complete = (dump->parts[i].census = cv__census_new()) && complete;
    if (complete)
        return dump;
    unref(dump);
    return NULL;
}

/* ---- taking ---- */

static int take_part(cv_ctx *cx, size_t index, void *arg)
{
    struct dump *dump = arg;
    int rc = cv__census_take(cx, dump->parts[index].census, cx->fiber);
    atomic_store(&dump->parts[index].is_taken, rc == 0);
    return rc;
}

/* The watchdog has asked already who is held for long: its stack is there. */
static void look_from_outside(struct dump *dump, cv_workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    for (size_t i = 0; i < dump->count; i++) {
        struct part *part = &dump->parts[i];
        const struct cv__worker *worker = &workers->items[i];
        if (atomic_load(&part->is_taken))
            continue;
        part->holder = worker->runtime ? atomic_load_explicit(&worker->runtime->holder, memory_order_relaxed) : NULL;
        if (part->holder && atomic_load_explicit(&worker->capture.state, memory_order_acquire) == CV__CAPTURE_DONE)
            part->trace = worker->capture.trace;
    }
    pthread_mutex_unlock(&workers->mutex);
}

static int ask_workers(cv_ctx *cx, cv_workers *workers, struct dump *dump)
{
    int rc = 0;
    atomic_fetch_add(&dump->references, 1);
    CV_WITHIN(cx, PATIENCE_MS)
    {
        rc = cv_workers_each(cx, workers, take_part, dump, unref);
    }
    if (rc == CV_E_CANCELLED)
        return rc;
    cv_error_clear(cx);
    look_from_outside(dump, workers);
    return cv__wait_check(cx, "dump the fibers");
}

/* ---- writing ---- */

static void write_census(const char *who, const cv__census *census, cv__symbols *symbols, cv_buf *out)
{
    size_t fibers = cv__census_fibers(census) - 1;
    cv_buf_printf(out, "%s: %zu fiber%s\n", who, fibers, fibers == 1 ? "" : "s");
    cv__census_write(census, symbols, out);
}

static void write_part(const struct dump *dump, size_t index, cv__symbols *symbols, cv_buf *out)
{
    const struct part *part = &dump->parts[index];
    char who[32];
    snprintf(who, sizeof who, "worker %zu", index);
    if (atomic_load(&part->is_taken)) {
        write_census(who, part->census, symbols, out);
        return;
    }
    if (part->holder)
        cv_buf_printf(out, "%s: no answer, its loop is held by \"%s\"\n", who, part->holder);
    else
        cv_buf_printf(out, "%s: no answer\n", who);
    cv__stack_trace_write(&part->trace, symbols, out);
}

static int write_text(void *arg)
{
    struct dump *dump = arg;
    cv__symbols *symbols = cv__symbols_open();
    write_census("main", dump->own, symbols, &dump->text);
    for (size_t i = 0; i < dump->count; i++)
        write_part(dump, i, symbols, &dump->text);
    cv__symbols_close(symbols);
    return dump->text.error;
}

int cv_fibers_dump(cv_ctx *cx, cv_buf *out)
{
    CV_TRY(cv__wait_check(cx, "dump the fibers"));
    cv_workers *workers = cx->runtime->workers;
    struct dump *dump = make_dump(workers ? cv_workers_count(workers) : 0);
    if (!dump)
        return cv_fail(cx, CV_E_NOMEM, "could not dump the fibers: out of memory");
    if (workers)
        cv__workers_ref(workers); /* they may be stopped while they are asked */
    int rc = cv__census_take(cx, dump->own, NULL);
    if (rc == 0 && workers)
        rc = ask_workers(cx, workers, dump);
    if (workers)
        cv__workers_unref(workers);
    if (rc == 0)
        rc = cv_offload(cx, CV_LANE_CPU, write_text, dump, NULL);
    if (rc == 0)
        cv_buf_add_str(out, cv_buf_str(&dump->text));
    unref(dump);
    return rc;
}
