/* The middleware that the settings ask for, outside everything that the program itself uses. */
#include "app/app.h"
#include "base/ctx.h"
#include "http/router.h"

#include <covet/middleware.h>
#include <string.h>

enum { MAX_HOSTS = 64 };

static bool is_on(const cv_config *config, const char *name)
{
    return cv_config_boolean(config, name);
}

/* ---- one setting each ---- */

static int use_access_log(cv_ctx *cx, const cv_config *config, cv_route_group *root)
{
    static const struct {
        const char *name;
        cv_access_format format;
    } formats[] = {
        {"common", CV_ACCESS_COMMON}, {"json", CV_ACCESS_JSON}, {"log", CV_ACCESS_LOG}, {"true", CV_ACCESS_LOG}};
    const char *wanted = cv_config_text(config, "http.access_log");
    if (strcmp(wanted, "off") == 0 || strcmp(wanted, "false") == 0)
        return 0;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(wanted, formats[i].name) == 0)
            return cv_use_access_log(cx, root, &(cv_access_log_options){.format = formats[i].format});
    return cv_fail(cx, CV_E_CONFIG, "http.access_log cannot be \"%s\": it is off, common, json or log", wanted);
}

static int use_security_headers(cv_ctx *cx, const cv_config *config, cv_route_group *root)
{
    const cv_security_headers_options options = {
        .content_security_policy = cv_config_text(config, "http.content_security_policy"),
        .permissions_policy = cv_config_text(config, "http.permissions_policy"),
        .hsts_max_age_s = cv_config_duration_ms(config, "http.hsts_max_age") / 1000,
    };
    return cv_use_security_headers(cx, root, &options);
}

/* "example.org, *.example.net" */
static int use_allowed_hosts(cv_ctx *cx, const cv_config *config, cv_route_group *root)
{
    const char *hosts[MAX_HOSTS];
    size_t count = 0;
    cv_str rest = cv_str_of(cv_config_text(config, "http.allowed_hosts")), part;
    while (cv_str_split(&rest, ',', &part)) {
        part = cv_str_trim(part);
        if (!part.len)
            continue;
        if (count == MAX_HOSTS)
            return cv_fail(cx, CV_E_CONFIG, "http.allowed_hosts has more than %d hosts", MAX_HOSTS);
        if (!(hosts[count++] = cv_strndup(cx, part.ptr, part.len)))
            return cx->error_code;
    }
    return count ? cv_use_allowed_hosts(cx, root, hosts, count) : 0;
}

static int use_all(cv_ctx *cx, const cv_config *config, cv_route_group *root)
{
    if (is_on(config, "http.request_id"))
        CV_TRY(cv_use_request_id(cx, root, NULL));
    CV_TRY(use_access_log(cx, config, root));
    if (is_on(config, "http.error_pages"))
        CV_TRY(cv_use_error_pages(cx, root, NULL));
    if (is_on(config, "http.security_headers"))
        CV_TRY(use_security_headers(cx, config, root));
    CV_TRY(use_allowed_hosts(cx, config, root));
    if (is_on(config, "http.compression"))
        CV_TRY(cv_use_compression(cx, root, NULL));
    if (is_on(config, "http.decompression"))
        CV_TRY(cv_use_decompression(cx, root, NULL));
    return 0;
}

/* What the program added while it was built comes behind, so that its own hooks see what ours have made. */
int cv__app_use_middleware(cv_ctx *cx, cv_app *app)
{
    cv_route_group *root = cv_router_root(app->router);
    if (app->has_middleware)
        return 0;
    cv__use *own = root->uses, **own_last = root->last_use;
    root->uses = NULL;
    root->last_use = &root->uses;
    int rc = use_all(cx, app->config, root);
    *root->last_use = own;
    if (own)
        root->last_use = own_last;
    app->has_middleware = rc == 0;
    return rc;
}
