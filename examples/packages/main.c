/* packages: an explorer of the machine's own Debian package database. */
#include "api.h"
#include "import.h"
#include "models.h"

extern const char page_index_html[], page_index_html_end[];
extern const char page_style_css[], page_style_css_end[];
extern const char page_script_js[], page_script_js_end[];
extern const cv_embedded_migration packages_migrations[];
extern const size_t packages_migrations_count;

static void add_page(cv_app *app)
{
    cv_app_asset(app, "/", "text/html; charset=utf-8", page_index_html,
                 (size_t)(page_index_html_end - page_index_html));
    cv_app_asset(app, "/style.css", "text/css; charset=utf-8", page_style_css,
                 (size_t)(page_style_css_end - page_style_css));
    cv_app_asset(app, "/script.js", "text/javascript; charset=utf-8", page_script_js,
                 (size_t)(page_script_js_end - page_script_js));
}

int main(int argc, char **argv)
{
    static const cv_command import = {
        .name = "import",
        .usage = "[FILE]",
        .help = "mirror a package list (default /var/lib/dpkg/status, - for standard input)",
        .run = import_command,
    };
    cv_app *app = cv_app_new("packages");
    cv_app_models(app, section_model, maintainer_model, package_model, dependency_model);
    cv_app_migrations(app, packages_migrations, packages_migrations_count);
    cv_app_command(app, &import);
    add_api_routes(app);
    add_page(app);
    return cv_main(app, argc, argv);
}
