#include "db/sqlite/sqlite.h"
#include "sql/fold.h"

#include <stdlib.h>

/* cv_fold(text): full Unicode case folding, for look-ups that ignore case. NULL stays NULL. */
static void fold(sqlite3_context *call, int count, sqlite3_value **args)
{
    (void)count;
    const char *text = (const char *)sqlite3_value_text(args[0]);
    if (!text)
        return;
    cv_str folded;
    void *heap;
    int rc = cv__fold(NULL, cv_str_make(text, (size_t)sqlite3_value_bytes(args[0])), &folded, &heap);
    if (rc == CV_E_NOMEM)
        sqlite3_result_error_nomem(call);
    else if (rc < 0)
        sqlite3_result_error_toobig(call);
    else if (!heap)
        sqlite3_result_value(call, args[0]);
    else
        sqlite3_result_text64(call, folded.ptr, folded.len, free, SQLITE_UTF8);
}

int cv__sqlite_register_functions(sqlite3 *db)
{
    int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    return sqlite3_create_function_v2(db, "cv_fold", 1, flags, NULL, fold, NULL, NULL, NULL);
}
