#include "db/db.h"
#include <covet/engine.h>

bool cv_db_can(const cv_db *db, cv_capability what)
{
    if (what == CV_CAN_SESSIONS || what == CV_CAN_CONCURRENT_WRITERS) {
        bool single = db->readers.max + db->writers.max < 2;
        if (single)
            return false;
    }
    return (unsigned)what < CV_CAPABILITY_COUNT && (db->driver->capabilities >> what & 1) != 0;
}
