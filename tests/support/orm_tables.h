/* The tables of registered models, made by plain DDL: tests of the ORM need no migrations. */
#ifndef COVET_TESTS_SUPPORT_ORM_TABLES_H
#define COVET_TESTS_SUPPORT_ORM_TABLES_H

#include <covet/db.h>
#include <covet/model.h>

/** Create the tables of all models of the context's registry on its default database, in the order registered: the
 *  target of a foreign key comes first. Suspends. */
int test_create_tables(cv_ctx *cx, cv_registry *registry);

/** Delete all rows, the last table first. Suspends. */
int test_empty_tables(cv_ctx *cx, cv_registry *registry);

#endif
