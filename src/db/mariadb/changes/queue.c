#include "db/mariadb/changes/queue.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- blocks ---- */

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static char *put_text(char *at, const char *text, size_t len, const char **ret_text)
{
    if (!text)
        return at;
    memcpy(at, text, len);
    at[len] = '\0';
    *ret_text = at;
    return at + len + 1;
}

static cv__binlog_block *new_block(cv__binlog_block_kind kind, size_t size)
{
    cv__binlog_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    *block = (cv__binlog_block){.kind = kind, .bytes = sizeof *block + size};
    cv_list_init(&block->link);
    return block;
}

cv__binlog_block *cv__binlog_block_new(cv__binlog_block_kind kind, const char *schema, const char *name, cv_str text)
{
    cv__binlog_block *block = new_block(kind, size_of(schema) + size_of(name) + text.len + 1);
    if (!block)
        return NULL;
    char *at = put_text(block->data, schema, schema ? strlen(schema) : 0, &block->schema);
    at = put_text(at, name, name ? strlen(name) : 0, &block->name);
    put_text(at, text.ptr, text.len, &block->text);
    return block;
}

cv__binlog_block *cv__binlog_block_rows(const cv__binlog_event *event, cv__binlog_table *table)
{
    cv__binlog_block *block = new_block(CV__BLOCK_ROWS, event->len);
    if (!block)
        return NULL;
    block->event = *event;
    block->event.body = memcpy(block->data, event->body, event->len);
    block->table = cv__binlog_table_ref(table);
    return block;
}

void cv__binlog_block_free(cv__binlog_block *block)
{
    if (!block)
        return;
    cv__binlog_table_unref(block->table);
    free(block);
}

/* ---- life ---- */

static void on_message(cv_ctx *main, cv__message *message)
{
    (void)main;
    cv__binlog_queue *queue = cv_list_entry(message, cv__binlog_queue, message);
    pthread_mutex_lock(&queue->mutex);
    queue->posted = false;
    pthread_mutex_unlock(&queue->mutex);
    if (queue->waiter)
        cv__wake(queue->waiter, 0);
}

static int init_room(pthread_cond_t *room)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return -1;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int rc = pthread_cond_init(room, &attributes);
    pthread_condattr_destroy(&attributes);
    return rc == 0 ? 0 : -1;
}

int cv__binlog_queue_new(cv_ctx *cx, size_t limit, cv__binlog_queue **ret_queue)
{
    cv__binlog_queue *queue = calloc(1, sizeof *queue);
    if (!queue || pthread_mutex_init(&queue->mutex, NULL) != 0) {
        free(queue);
        return cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    }
    if (init_room(&queue->room) < 0 || !(queue->mailbox = cv__mailbox_new())) {
        pthread_mutex_destroy(&queue->mutex);
        free(queue);
        return cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    }
    atomic_init(&queue->references, 1);
    cv_list_init(&queue->blocks);
    queue->limit = limit;
    queue->message.arrive = on_message;
    for (int i = 0; i < CV__BINLOG_CONNECTIONS; i++)
        cv__my_cutoff_init(&queue->cutoffs[i]);
    int rc = cv__mailbox_open(cx, queue->mailbox);
    if (rc < 0) {
        cv__binlog_queue_unref(queue);
        return rc;
    }
    cv__mailbox_expect(queue->mailbox, false);
    *ret_queue = queue;
    return 0;
}

cv__binlog_queue *cv__binlog_queue_ref(cv__binlog_queue *queue)
{
    atomic_fetch_add(&queue->references, 1);
    return queue;
}

void cv__binlog_queue_unref(cv__binlog_queue *queue)
{
    if (!queue || atomic_fetch_sub(&queue->references, 1) > 1)
        return;
    cv_link *link;
    while ((link = cv_list_pop_front(&queue->blocks)))
        cv__binlog_block_free(cv_list_entry(link, cv__binlog_block, link));
    for (int i = 0; i < CV__BINLOG_CONNECTIONS; i++)
        cv__my_cutoff_done(&queue->cutoffs[i]);
    cv__mailbox_unref(queue->mailbox);
    pthread_cond_destroy(&queue->room);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

/* ---- the thread ---- */

/* One block always has room, whatever its size. */
static bool wait_for_room(cv__binlog_queue *queue, size_t bytes)
{
    while (!queue->stopped && queue->bytes > 0 && queue->bytes + bytes > queue->limit)
        pthread_cond_wait(&queue->room, &queue->mutex);
    return !queue->stopped;
}

bool cv__binlog_queue_put(cv__binlog_queue *queue, cv__binlog_block *block)
{
    if (!block)
        return false;
    pthread_mutex_lock(&queue->mutex);
    bool wanted = wait_for_room(queue, block->bytes), posts = wanted && !queue->posted;
    if (wanted) {
        cv_list_push_back(&queue->blocks, &block->link);
        queue->bytes += block->bytes;
        queue->posted = true;
    }
    pthread_mutex_unlock(&queue->mutex);
    if (posts)
        cv__post(queue->mailbox, &queue->message);
    if (!wanted)
        cv__binlog_block_free(block);
    return wanted;
}

bool cv__binlog_queue_wait_stop(cv__binlog_queue *queue, int64_t ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&queue->mutex);
    int rc = 0;
    while (!queue->stopped && rc == 0)
        rc = pthread_cond_timedwait(&queue->room, &queue->mutex, &end);
    bool stopped = queue->stopped;
    pthread_mutex_unlock(&queue->mutex);
    return stopped;
}

bool cv__binlog_queue_is_stopped(cv__binlog_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool stopped = queue->stopped;
    pthread_mutex_unlock(&queue->mutex);
    return stopped;
}

/* ---- the loop ---- */

static void take_blocks(cv__binlog_queue *queue, cv_link *blocks)
{
    pthread_mutex_lock(&queue->mutex);
    cv_link *link;
    while ((link = cv_list_pop_front(&queue->blocks)))
        cv_list_push_back(blocks, link);
    queue->bytes = 0;
    pthread_cond_signal(&queue->room);
    pthread_mutex_unlock(&queue->mutex);
}

static int wait_for_blocks(cv_ctx *cx, cv__binlog_queue *queue)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "read changes";
    queue->waiter = &waiter;
    cv__mailbox_expect(queue->mailbox, true);
    cv__io_begin(cx);
    int rc = cv__wait(cx, &waiter);
    cv__io_end(cx);
    cv__mailbox_expect(queue->mailbox, false);
    queue->waiter = NULL;
    if (rc < 0 && waiter.woken)
        return cv_fail(cx, rc, "could not read changes: %s", cv_error_text(rc));
    return rc;
}

int cv__binlog_queue_take(cv_ctx *cx, cv__binlog_queue *queue, cv_link *blocks)
{
    for (;;) {
        take_blocks(queue, blocks);
        if (!cv_list_is_empty(blocks))
            return 0;
        CV_TRY(wait_for_blocks(cx, queue));
    }
}

void cv__binlog_queue_interrupt(cv__binlog_queue *queue, int code)
{
    if (queue->waiter)
        cv__wake(queue->waiter, code);
}

void cv__binlog_queue_stop(cv__binlog_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->stopped = true;
    pthread_cond_signal(&queue->room);
    pthread_mutex_unlock(&queue->mutex);
    for (int i = 0; i < CV__BINLOG_CONNECTIONS; i++)
        cv__my_cutoff_cut(&queue->cutoffs[i]);
    cv__mailbox_close(queue->mailbox);
}
