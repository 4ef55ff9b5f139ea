/* The public face of sandboxes; how they work is in db/transaction/sandbox.c. */
#include "db/transaction/sandbox.h"

#include "db/database.h"
#include "db/transaction/transaction.h"
#include <covet/sandbox.h>
#include <stdlib.h>

int cv_sandbox_open(cv_ctx *cx, cv_db *db, const cv_sandbox_options *options, cv_sandbox **ret_sandbox)
{
    db = db ? db : cv__db_need(cx);
    if (!db)
        return CV_E_NO_DATABASE;
    cv_sandbox *sandbox = calloc(1, sizeof *sandbox);
    if (!sandbox)
        return cv_fail(cx, CV_E_NOMEM, "could not open a sandbox: out of memory");
    sandbox->collect = options && options->collect_hooks;
    int rc = cv__sandbox_begin(cx, db, sandbox);
    if (rc < 0)
        free(sandbox);
    else
        *ret_sandbox = sandbox;
    return rc;
}

void cv_sandbox_close(cv_ctx *cx, cv_sandbox *sandbox)
{
    if (!sandbox)
        return;
    cv__sandbox_end(cx, sandbox);
    free(sandbox);
}

size_t cv_sandbox_hooks(const cv_sandbox *sandbox)
{
    size_t count = 0;
    cv_list_each (at, &sandbox->hooks) {
        count++;
    }
    return count;
}

int cv_sandbox_run_hooks(cv_ctx *cx, cv_sandbox *sandbox)
{
    cv_link hooks;
    cv_list_init(&hooks);
    cv__list_move_all(&sandbox->hooks, &hooks);
    return cv__hooks_after_commit(cx, &hooks);
}
