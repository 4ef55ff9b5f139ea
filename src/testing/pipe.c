#include "testing/pipe.h"

#include <stdlib.h>

typedef struct piece {
    cv_link link;
    int64_t arrives_ns;
    size_t at, len; /* what is left of `bytes` */
    char bytes[];
} piece;

static piece *first_of(const cv__pipe *pipe)
{
    return cv_list_is_empty(&pipe->pieces) ? NULL : cv_list_entry(pipe->pieces.next, piece, link);
}

static void drop(piece *p)
{
    cv_list_remove(&p->link);
    free(p);
}

void cv__pipe_init(cv__pipe *pipe)
{
    *pipe = (cv__pipe){.last_ns = INT64_MIN};
    cv_list_init(&pipe->pieces);
}

void cv__pipe_erase(cv__pipe *pipe)
{
    cv_list_each (link, &pipe->pieces)
        drop(cv_list_entry(link, piece, link));
    pipe->bytes = 0;
}

void cv__pipe_done(cv__pipe *pipe)
{
    cv__pipe_erase(pipe);
}

/* Nothing overtakes what was sent before it. */
static int64_t in_order(cv__pipe *pipe, int64_t arrives_ns)
{
    if (arrives_ns > pipe->last_ns)
        pipe->last_ns = arrives_ns;
    return pipe->last_ns;
}

int cv__pipe_put(cv__pipe *pipe, const void *data, size_t len, int64_t arrives_ns)
{
    if (!len)
        return 0;
    piece *p = malloc(sizeof *p + len);
    if (!p)
        return CV_E_NOMEM;
    p->arrives_ns = in_order(pipe, arrives_ns);
    p->at = 0;
    p->len = len;
    memcpy(p->bytes, data, len);
    cv_list_push_back(&pipe->pieces, &p->link);
    pipe->bytes += len;
    return 0;
}

void cv__pipe_close(cv__pipe *pipe, cv__pipe_end end, int64_t arrives_ns)
{
    if (pipe->end >= end)
        return;
    pipe->end = end;
    pipe->end_ns = in_order(pipe, arrives_ns);
}

bool cv__pipe_has_bytes(const cv__pipe *pipe, int64_t now_ns)
{
    const piece *first = first_of(pipe);
    return first && first->arrives_ns <= now_ns;
}

size_t cv__pipe_take(cv__pipe *pipe, void *buffer, size_t size, bool single, int64_t now_ns)
{
    size_t taken = 0;
    while (taken < size && cv__pipe_has_bytes(pipe, now_ns) && !(single && taken)) {
        piece *p = first_of(pipe);
        size_t part = p->len < size - taken ? p->len : size - taken;
        memcpy((char *)buffer + taken, p->bytes + p->at, part);
        taken += part;
        p->at += part;
        p->len -= part;
        if (!p->len)
            drop(p);
    }
    pipe->bytes -= taken;
    return taken;
}

cv__pipe_end cv__pipe_is_over(const cv__pipe *pipe, int64_t now_ns)
{
    return !pipe->bytes && pipe->end_ns <= now_ns ? pipe->end : CV__PIPE_OPEN;
}

int64_t cv__pipe_next_ns(const cv__pipe *pipe)
{
    const piece *first = first_of(pipe);
    if (first)
        return first->arrives_ns;
    return pipe->end ? pipe->end_ns : INT64_MAX;
}
