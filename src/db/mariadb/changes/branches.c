#include "db/mariadb/changes/branches.h"

#include <stdlib.h>
#include <string.h>

void cv__branches_init(cv__branches *branches)
{
    *branches = (cv__branches){0};
    cv_list_init(&branches->all);
}

void cv__branches_done(cv__branches *branches)
{
    while (!cv_list_is_empty(&branches->all))
        cv__branch_free(branches, cv_list_entry(branches->all.next, cv__branch, link));
}

cv__branch *cv__branch_find(const cv__branches *branches, cv_str xid)
{
    cv_list_each (at, &branches->all) {
        cv__branch *branch = cv_list_entry(at, cv__branch, link);
        if (branch->xid_len == xid.len && memcmp(branch->xid, xid.ptr, xid.len) == 0)
            return branch;
    }
    return NULL;
}

static cv__branch *new_branch(cv_str xid)
{
    cv__branch *branch = calloc(1, sizeof *branch);
    if (!branch || !(branch->xid = malloc(xid.len + 1))) {
        free(branch);
        return NULL;
    }
    memcpy(branch->xid, xid.ptr, xid.len);
    branch->xid_len = xid.len;
    cv_list_init(&branch->blocks);
    return branch;
}

cv__branch *cv__branch_begin(cv__branches *branches, cv_str xid, const cv__binlog_position *before)
{
    cv__branch *branch = cv__branch_find(branches, xid);
    if (branch || !(branch = new_branch(xid)))
        return branch;
    branch->before = *before;
    cv_list_push_back(&branches->all, &branch->link);
    return branch;
}

void cv__branch_keep(cv__branches *branches, cv__branch *branch, cv__binlog_block *block)
{
    cv_list_push_back(&branch->blocks, &block->link);
    branch->bytes += block->bytes;
    branches->bytes += block->bytes;
}

cv__binlog_block *cv__branch_take(cv__branch *branch)
{
    cv_link *link = cv_list_pop_front(&branch->blocks);
    return link ? cv_list_entry(link, cv__binlog_block, link) : NULL;
}

void cv__branch_free(cv__branches *branches, cv__branch *branch)
{
    cv__binlog_block *block;
    while ((block = cv__branch_take(branch)))
        cv__binlog_block_free(block);
    branches->bytes -= branch->bytes;
    cv_list_remove(&branch->link);
    free(branch->xid);
    free(branch);
}

const cv__binlog_position *cv__branches_before(const cv__branches *branches)
{
    if (cv_list_is_empty(&branches->all))
        return NULL;
    return &cv_list_entry(branches->all.next, cv__branch, link)->before;
}
