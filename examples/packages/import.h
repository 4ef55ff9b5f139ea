#ifndef PACKAGES_IMPORT_H
#define PACKAGES_IMPORT_H

#include <covet/covet.h>

/** The command `import [FILE]`: make the database mirror a control file (default /var/lib/dpkg/status), in one
 * transaction: readers see the former state until the end, and an import that is cut off leaves it as it was. */
int import_command(cv_ctx *cx, cv_app *app, int argc, char **argv);

#endif
