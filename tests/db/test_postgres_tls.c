/* TLS to a PostgreSQL server of the test's own: what is checked, and what is said when it does not fit. */
#include "postgres_test.h"
#include "tls_files.h"

static test_server server;
static test_tls tls;
static bool available;
static cv_ctx *cx;

/* The server's certificate, and what its pg_hba.conf says of connections over TCP. */
static void serve(const char *certificate, const char *rule)
{
    char rules[256], name[64];
    snprintf(name, sizeof name, "%s.crt", certificate);
    test_server_write(&server, "server.crt", test_tls_read(&tls, name));
    snprintf(name, sizeof name, "%s.key", certificate);
    test_server_write(&server, "server.key", test_tls_read(&tls, name));
    snprintf(rules, sizeof rules, "local all app trust\n%s\n", rule);
    test_server_write(&server, "pg_hba.conf", rules);
    test_server_reload(&server);
}

static const char anybody[] = "host all app 127.0.0.1/32 trust";

static int set_up_group(void **state)
{
    (void)state;
    available = test_tls_create(&tls) && test_server_create(&server);
    if (!available)
        return 0;
    test_server_write(&server, "ca.crt", test_tls_read(&tls, "ca.crt"));
    test_server_write(&server, "postgresql.auto.conf", "ssl = on\nssl_ca_file = 'ca.crt'\n");
    serve("server", anybody);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    test_server_destroy(&server);
    test_tls_destroy(&tls);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return available ? cv_runtime_new(NULL, &cx) : 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (available)
        cv_runtime_free(cx);
    return 0;
}

/* Connect by the name "localhost"; "%" in the options is the folder of the certificates. */
static int connect_with(const char *options, cv_db **ret_db)
{
    char url[1024];
    size_t len = (size_t)snprintf(url, sizeof url, "postgres://app@localhost:%d/app?max_connections=1", server.port);
    for (; *options && len + sizeof tls.folder < sizeof url; options++)
        if (*options == '%')
            len += (size_t)snprintf(url + len, sizeof url - len, "%s", tls.folder);
        else
            url[len++] = *options;
    url[len] = '\0';
    return cv_db_open(cx, url, NULL, ret_db);
}

/* What the server says of the connection: the version of TLS, or "" without TLS. */
static void assert_connects(const char *options, bool with_tls)
{
    cv_db *db;
    if (!available)
        skip();
    assert_ok(cx, connect_with(options, &db));
    cv_use_db(cx, db);
    assert_texts_equal(scalar(cx, "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()"),
                       with_tls ? "true" : "false");
    cv_db_close(cx, db);
}

static void assert_refused(const char *options, int code, const char *part, const char *hint)
{
    cv_db *db;
    if (!available)
        skip();
    int rc = connect_with(options, &db);
    const cv_error *error = cv_error_last(cx);
    if (rc != code)
        fail_msg("%s: got %s, expected %s: %s", options, cv_error_name(rc), cv_error_name(code),
                 error ? error->message : "");
    while (error && !strstr(error->message, part))
        error = error->cause;
    if (!error)
        fail_msg("no message contains \"%s\"; the last: %s", part, cv_error_last(cx)->message);
    else if (!error->hint || !strstr(error->hint, hint))
        fail_msg("the hint \"%s\" does not contain \"%s\"", error->hint ? error->hint : "", hint);
    cv_error_clear(cx);
}

#define NEEDS_SERVER(certificate, rule)                                                                                \
    do {                                                                                                               \
        if (!available)                                                                                                \
            skip();                                                                                                    \
        serve(certificate, rule);                                                                                      \
    } while (0)

static void every_mode_is_as_strict_as_it_says(void **state)
{
    (void)state;
    NEEDS_SERVER("server", anybody);
    assert_connects("", true); /* prefer */
    assert_connects("&sslmode=disable", false);
    assert_connects("&sslmode=require", true);
    assert_connects("&sslmode=verify-ca&sslrootcert=%/ca.crt", true);
    assert_connects("&sslmode=verify-full&sslrootcert=%/ca.crt", true);
    assert_connects("&sslrootcert=%/ca.crt&ssl_min_protocol_version=TLSv1.3", true);
}

static void a_name_that_is_not_in_the_certificate_is_refused(void **state)
{
    (void)state;
    NEEDS_SERVER("elsewhere", anybody);
    assert_refused("&sslmode=verify-full&sslrootcert=%/ca.crt", CV_E_TLS, "localhost", "by a name");
    assert_connects("&sslmode=verify-ca&sslrootcert=%/ca.crt", true);
}

static void naming_an_authority_alone_checks_everything(void **state)
{
    (void)state;
    NEEDS_SERVER("elsewhere", anybody);
    assert_refused("&sslrootcert=%/ca.crt", CV_E_TLS, "localhost", "by a name");
}

static void an_unknown_authority_is_refused(void **state)
{
    (void)state;
    NEEDS_SERVER("server", anybody);
    assert_refused("&sslmode=verify-ca&sslrootcert=%/other-ca.crt", CV_E_TLS,
                   "certificate verify failed: ", "other-ca.crt");
}

static void an_expired_certificate_is_refused(void **state)
{
    (void)state;
    NEEDS_SERVER("expired", anybody);
    assert_refused("&sslmode=verify-full&sslrootcert=%/ca.crt", CV_E_TLS, "certificate has expired", "valid now");
    assert_connects("&sslmode=require", true); /* encrypted, nothing checked */
}

static void a_revoked_certificate_is_refused(void **state)
{
    (void)state;
    NEEDS_SERVER("server", anybody);
    assert_refused("&sslmode=verify-full&sslrootcert=%/ca.crt&sslcrl=%/revoked.crl", CV_E_TLS, "certificate revoked",
                   "signed by");
}

static void files_that_are_missing_are_named(void **state)
{
    (void)state;
    NEEDS_SERVER("server", anybody);
    assert_refused("&sslmode=verify-full&sslrootcert=%/nowhere.crt", CV_E_TLS, "nowhere.crt", "sslrootcert");
    assert_refused("&sslmode=require&sslcert=%/client.crt&sslkey=%/nowhere.key", CV_E_TLS, "nowhere.key", "sslkey");
}

static void a_server_that_takes_tls_alone_says_so(void **state)
{
    (void)state;
    NEEDS_SERVER("server", "hostssl all app 127.0.0.1/32 trust");
    assert_refused("&sslmode=disable", CV_E_AUTH, "no encryption", "sslmode=verify-full");
    assert_connects("", true);
}

static void a_server_that_wants_a_certificate_gets_one(void **state)
{
    (void)state;
    NEEDS_SERVER("server", "hostssl all app 127.0.0.1/32 cert");
    assert_refused("&sslmode=require", CV_E_AUTH, "valid client certificate", "sslcert and sslkey");
    assert_connects("&sslmode=verify-full&sslrootcert=%/ca.crt&sslcert=%/client.crt&sslkey=%/client.key", true);
    assert_refused("&sslmode=require&sslcert=%/stranger.crt&sslkey=%/stranger.key", CV_E_TLS, "unknown ca",
                   "another certificate");
}

static void an_encrypted_key_needs_its_password_and_never_asks(void **state)
{
    (void)state;
    NEEDS_SERVER("server", "hostssl all app 127.0.0.1/32 cert");
    assert_connects("&sslmode=require&sslcert=%/client.crt&sslkey=%/locked.key&sslpassword=open+sesame", true);
    assert_refused("&sslmode=require&sslcert=%/client.crt&sslkey=%/locked.key", CV_E_TLS, "locked.key", "sslpassword");
    cv_db *db;
    assert_int_equal(connect_with("&sslmode=require&sslcert=%/client.crt&sslkey=%/locked.key&sslpassword=hunter2", &db),
                     CV_E_TLS);
    for (const cv_error *e = cv_error_last(cx); e; e = e->cause)
        assert_null(strstr(e->message, "hunter2"));
    cv_error_clear(cx);
}

static void a_server_without_tls_is_refused_where_it_is_required(void **state)
{
    (void)state;
    NEEDS_SERVER("server", anybody);
    test_server_write(&server, "postgresql.auto.conf", "ssl = off\n");
    test_server_reload(&server);
    assert_refused("&sslmode=require", CV_E_TLS, "does not support SSL", "ssl=on");
    assert_connects("", false); /* prefer */
    test_server_write(&server, "postgresql.auto.conf", "ssl = on\nssl_ca_file = 'ca.crt'\n");
    test_server_reload(&server);
}

static void a_mode_that_does_not_exist_is_refused_at_once(void **state)
{
    (void)state;
    assert_refused("&sslmode=verifyfull", CV_E_CONFIG, "\"sslmode\" cannot be \"verifyfull\"", "verify-full");
    assert_refused("&ssl_min_protocol_version=1.2", CV_E_CONFIG, "ssl_min_protocol_version", "TLSv1");
}

static void a_version_that_the_server_does_not_have_is_refused(void **state)
{
    (void)state;
    NEEDS_SERVER("server", anybody);
    test_server_write(&server, "postgresql.auto.conf",
                      "ssl = on\nssl_ca_file = 'ca.crt'\nssl_max_protocol_version = 'TLSv1.2'\n");
    test_server_reload(&server);
    assert_refused("&sslmode=require&ssl_min_protocol_version=TLSv1.3", CV_E_TLS, "SSL error", "versions of TLS");
    test_server_write(&server, "postgresql.auto.conf", "ssl = on\nssl_ca_file = 'ca.crt'\n");
    test_server_reload(&server);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(every_mode_is_as_strict_as_it_says),
        case_of(a_name_that_is_not_in_the_certificate_is_refused),
        case_of(naming_an_authority_alone_checks_everything),
        case_of(an_unknown_authority_is_refused),
        case_of(an_expired_certificate_is_refused),
        case_of(a_revoked_certificate_is_refused),
        case_of(files_that_are_missing_are_named),
        case_of(a_server_that_takes_tls_alone_says_so),
        case_of(a_server_that_wants_a_certificate_gets_one),
        case_of(an_encrypted_key_needs_its_password_and_never_asks),
        case_of(a_server_without_tls_is_refused_where_it_is_required),
        case_of(a_mode_that_does_not_exist_is_refused_at_once),
        case_of(a_version_that_the_server_does_not_have_is_refused),
    };
    return cmocka_run_group_tests_name("postgres-tls", tests, set_up_group, tear_down_group);
}
