#ifndef PACKAGES_API_H
#define PACKAGES_API_H

#include <covet/covet.h>

/** Add the routes below /api to the application. */
void add_api_routes(cv_app *app);

#endif
