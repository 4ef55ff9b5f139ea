/* Change streams of MariaDB. */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_CHANGES_H
#define COVET_SRC_DB_MARIADB_CHANGES_CHANGES_H

#include "db/changes.h"

extern const cv__changes_driver cv__changes_mariadb;

#endif
