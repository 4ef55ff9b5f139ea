/* All fibers of a runtime, those at the same place for the same reason counted together: ten thousand that wait for the
 * same thing are one stack and a number. The size of a census is bounded by the number of different places. */
#include "rt/inspect.h"

#include <covet/fiber.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_GROUPS = 128, MAX_MEMBERS = 5, FIBERS_PER_TURN = 64, WORK_BYTES = 160 };

struct member {
    uint64_t id;
    const char *name;
    int64_t age_ms, since_ms, left_ms; /* left: INT64_MAX without a deadline */
    char work[WORK_BYTES];
};

struct group {
    uint64_t hash;
    enum cv__fiber_state state;
    bool begun;
    const char *what; /* what it waits for; NULL unless it waits */
    cv__stack_trace trace;
    size_t count;
    struct member members[MAX_MEMBERS];
};

struct cv__census {
    struct group *groups[MAX_GROUPS];
    size_t group_count, fibers, left_out;
};

cv__census *cv__census_new(void)
{
    return calloc(1, sizeof(cv__census));
}

void cv__census_free(cv__census *census)
{
    if (!census)
        return;
    for (size_t i = 0; i < census->group_count; i++)
        free(census->groups[i]);
    free(census);
}

/* ---- taking it ---- */

static bool is_same(const struct group *a, const struct group *b)
{
    return a->hash == b->hash && a->state == b->state && a->begun == b->begun && a->what == b->what &&
           a->trace.count == b->trace.count &&
           memcmp(a->trace.frames, b->trace.frames, a->trace.count * sizeof a->trace.frames[0]) == 0;
}

static struct group *find_or_add(cv__census *census, const struct group *wanted)
{
    for (size_t i = 0; i < census->group_count; i++)
        if (is_same(census->groups[i], wanted))
            return census->groups[i];
    struct group *group = census->group_count < MAX_GROUPS ? malloc(sizeof *group) : NULL;
    if (!group)
        return NULL;
    *group = *wanted;
    census->groups[census->group_count++] = group;
    return group;
}

static uint64_t hash_of(const cv__stack_trace *trace)
{
    uint64_t hash = trace->count;
    for (size_t i = 0; i < trace->count; i++)
        hash = (hash ^ trace->frames[i]) * UINT64_C(0x9E3779B97F4A7C15);
    return hash;
}

/* What clients have sent may be in it. */
static void describe_work(const struct cv_fiber *fiber, char *text)
{
    text[0] = '\0';
    if (!fiber->describe)
        return;
    fiber->describe(fiber->describe_arg, text, WORK_BYTES);
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static void describe(struct cv_runtime *rt, const struct cv_fiber *fiber, struct member *member)
{
    int64_t now_ms = (int64_t)uv_now(&rt->loop);
    int64_t deadline_ns = fiber->cx.deadline_ns;
    member->id = fiber->id;
    member->name = fiber->name;
    member->age_ms = now_ms - fiber->born_ms;
    member->since_ms = now_ms - fiber->since_ms;
    member->left_ms = deadline_ns == INT64_MAX ? INT64_MAX : (deadline_ns - cv__clock_now_ns(rt)) / 1000000;
    describe_work(fiber, member->work);
}

static void take_fiber(struct cv_runtime *rt, cv__census *census, struct cv_fiber *fiber)
{
    struct group blank = {.state = fiber->state, .begun = fiber->begun};
    if (fiber->state == CV__FIBER_WAITING)
        blank.what = fiber->waiting->what ? fiber->waiting->what : "wait";
    cv__inspect_stack(rt, fiber, &blank.trace);
    blank.hash = hash_of(&blank.trace);
    struct group *group = find_or_add(census, &blank);
    census->fibers++;
    if (!group) {
        census->left_out++;
        return;
    }
    if (group->count < MAX_MEMBERS)
        describe(rt, fiber, &group->members[group->count]);
    group->count++;
}

/* The list is in the order of the identities. */
static struct cv_fiber *next_after(struct cv_runtime *rt, uint64_t id)
{
    cv_list_each (at, &rt->fibers) {
        struct cv_fiber *fiber = cv_list_entry(at, struct cv_fiber, all);
        if (fiber->id > id)
            return fiber;
    }
    return NULL;
}

static uint64_t take_some(struct cv_runtime *rt, cv__census *census, const struct cv_fiber *except, uint64_t after)
{
    struct cv_fiber *fiber = next_after(rt, after);
    for (int left = FIBERS_PER_TURN; fiber && left > 0; left--) {
        after = fiber->id;
        cv_link *next = fiber->all.next;
        if (fiber != except)
            take_fiber(rt, census, fiber);
        fiber = next == &rt->fibers ? NULL : cv_list_entry(next, struct cv_fiber, all);
    }
    return fiber ? after : UINT64_MAX;
}

int cv__census_take(cv_ctx *cx, cv__census *census, const struct cv_fiber *except)
{
    struct cv_runtime *rt = cx->runtime;
    take_fiber(rt, census, &rt->main);
    for (uint64_t at = 0; (at = take_some(rt, census, except, at)) != UINT64_MAX;)
        if (cx->fiber)
            CV_TRY(cv_yield(cx));
    return 0;
}

size_t cv__census_fibers(const cv__census *census)
{
    return census->fibers;
}

/* ---- writing it ---- */

static void write_state(const struct group *group, cv_buf *out)
{
    switch (group->state) {
    case CV__FIBER_WAITING:
        cv_buf_printf(out, "waiting: %s", group->what);
        break;
    case CV__FIBER_READY:
        cv_buf_add_text(out, group->begun ? "ready to go on" : "ready to begin");
        break;
    case CV__FIBER_ENDED:
        cv_buf_add_text(out, "ended, not joined");
        break;
    default:
        cv_buf_add_text(out, "running");
    }
}

static void write_member(const struct group *group, const struct member *member, cv_buf *out)
{
    if (member->id)
        cv_buf_printf(out, "  #%llu", (unsigned long long)member->id);
    else
        cv_buf_add_char(out, ' ');
    cv_buf_printf(out, " \"%s\"", member->name);
    if (group->state == CV__FIBER_WAITING)
        cv_buf_printf(out, " since %lld ms,", (long long)member->since_ms);
    cv_buf_printf(out, " alive %lld ms", (long long)member->age_ms);
    if (member->left_ms != INT64_MAX)
        cv_buf_printf(out, ", deadline in %lld ms", (long long)member->left_ms);
    if (member->work[0])
        cv_buf_printf(out, ": %s", member->work);
    cv_buf_add_char(out, '\n');
}

void cv__stack_trace_write(const cv__stack_trace *trace, cv__symbols *symbols, cv_buf *out)
{
    for (size_t i = 0; i < trace->count; i++) {
        cv_buf_add_text(out, "      ");
        cv__symbols_write(symbols, trace->frames[i], out);
        cv_buf_add_char(out, '\n');
    }
    if (trace->cut)
        cv_buf_add_text(out, "      ...\n");
}

static void write_group(const struct group *group, cv__symbols *symbols, cv_buf *out)
{
    if (group->count > 1 || group->state == CV__FIBER_WAITING)
        cv_buf_printf(out, "%zu ", group->count);
    write_state(group, out);
    cv_buf_add_char(out, '\n');
    size_t shown = group->count < MAX_MEMBERS ? group->count : MAX_MEMBERS;
    for (size_t i = 0; i < shown; i++)
        write_member(group, &group->members[i], out);
    if (group->count > shown)
        cv_buf_printf(out, "  and %zu more\n", group->count - shown);
    cv__stack_trace_write(&group->trace, symbols, out);
}

static int larger_first(const void *a, const void *b)
{
    const struct group *const *one = a, *const *other = b;
    return ((*one)->count < (*other)->count) - ((*one)->count > (*other)->count);
}

void cv__census_write(const cv__census *census, cv__symbols *symbols, cv_buf *out)
{
    struct group *groups[MAX_GROUPS];
    memcpy(groups, census->groups, sizeof groups);
    qsort(groups, census->group_count, sizeof groups[0], larger_first);
    for (size_t i = 0; i < census->group_count; i++)
        write_group(groups[i], symbols, out);
    if (census->left_out)
        cv_buf_printf(out, "%zu fibers at further places are left out\n", census->left_out);
}
