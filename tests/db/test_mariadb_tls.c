/* TLS to a MariaDB server of the test's own: what is checked, and what is said when it does not fit. */
#include "mariadb_test.h"
#include "tls_files.h"

#include <arpa/inet.h>
#include <covet/change.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static test_mariadb server;
static test_tls tls;
static bool available;
static cv_ctx *cx;

static void write_certificate(const char *certificate)
{
    char name[64];
    snprintf(name, sizeof name, "%s.crt", certificate);
    test_mariadb_server_write(&server, "server.crt", test_tls_read(&tls, name));
    snprintf(name, sizeof name, "%s.key", certificate);
    test_mariadb_server_write(&server, "server.key", test_tls_read(&tls, name));
}

/* Without TLS ("") or with it. */
static void start_with(const char *certificate)
{
    char settings[1024] = "";
    const char *folder = server.folder;
    test_mariadb_server_stop(&server);
    if (*certificate) {
        write_certificate(certificate);
        snprintf(settings, sizeof settings,
                 "[mariadbd]\nssl-ca = %s/ca.crt\nssl-cert = %s/server.crt\nssl-key = %s/server.key\n", folder, folder,
                 folder);
    }
    test_mariadb_server_write(&server, "extra.cnf", settings);
    test_mariadb_server_start(&server);
}

static void run_as_admin(const char *sql)
{
    char url[TEST_MARIADB_URL_BYTES];
    test_mariadb_server_url(&server, "admin", url);
    MYSQL *session = test_mariadb_open(url);
    test_mariadb_run(session, sql);
    test_mariadb_close(session);
}

/* Another certificate from now on. */
static void serve(const char *certificate)
{
    write_certificate(certificate);
    run_as_admin("FLUSH SSL");
}

static int set_up_group(void **state)
{
    (void)state;
    available = test_tls_create(&tls) && test_mariadb_server_create(&server);
    if (!available)
        return 0;
    run_as_admin("CREATE USER secure IDENTIFIED BY 'secure' REQUIRE SSL; GRANT ALL ON app.* TO secure;"
                 "CREATE USER known IDENTIFIED BY 'known' REQUIRE X509; GRANT ALL ON app.* TO known");
    test_mariadb_server_write(&server, "ca.crt", test_tls_read(&tls, "ca.crt"));
    start_with("server");
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    test_mariadb_server_destroy(&server);
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
static int connect_with(const char *user, const char *options, cv_db **ret_db)
{
    char url[1024];
    size_t len =
        (size_t)snprintf(url, sizeof url, "mysql://%s:%s@localhost:%d/app?max_connections=1", user, user, server.port);
    for (; *options && len + sizeof tls.folder < sizeof url; options++)
        if (*options == '%')
            len += (size_t)snprintf(url + len, sizeof url - len, "%s", tls.folder);
        else
            url[len++] = *options;
    url[len] = '\0';
    return cv_db_open(cx, url, NULL, ret_db);
}

static void assert_user_connects(const char *user, const char *options, bool with_tls)
{
    cv_db *db;
    if (connect_with(user, options, &db) < 0)
        fail_msg("%s: %s", options, cv_error_last(cx)->message);
    cv_use_db(cx, db);
    cv_value version;
    assert_ok(cx, cv_scalar(cx, &version,
                            "SELECT variable_value FROM information_schema.session_status "
                            "WHERE variable_name = 'ssl_version'"));
    assert_int_equal(version.as.text.len > 0, with_tls);
    cv_db_close(cx, db);
}

static void assert_connects(const char *options, bool with_tls)
{
    assert_user_connects("app", options, with_tls);
}

static void assert_user_refused(const char *user, const char *options, int code, const char *part, const char *hint)
{
    cv_db *db;
    int rc = connect_with(user, options, &db);
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

static void assert_refused(const char *options, const char *part, const char *hint)
{
    assert_user_refused("app", options, CV_E_TLS, part, hint);
}

#define NEEDS_SERVER(certificate)                                                                                      \
    do {                                                                                                               \
        if (!available)                                                                                                \
            skip();                                                                                                    \
        serve(certificate);                                                                                            \
    } while (0)

static void every_mode_is_as_strict_as_it_says(void **state)
{
    (void)state;
    NEEDS_SERVER("server");
    assert_connects("", true); /* preferred */
    assert_connects("&ssl_mode=disabled", false);
    assert_connects("&ssl_mode=required", true);
    assert_connects("&ssl_mode=verify_ca&ssl_ca=%/ca.crt", true);
    assert_connects("&ssl_mode=verify_identity&ssl_ca=%/ca.crt", true);
    assert_connects("&ssl_ca=%/ca.crt&tls_version=TLSv1.3", true);
}

static void a_name_that_is_not_in_the_certificate_is_refused(void **state)
{
    (void)state;
    NEEDS_SERVER("elsewhere");
    assert_refused("&ssl_mode=verify_identity&ssl_ca=%/ca.crt", "localhost", "by a name");
    assert_refused("&ssl_ca=%/ca.crt", "localhost", "by a name"); /* an authority alone checks everything */
    assert_connects("&ssl_mode=verify_ca&ssl_ca=%/ca.crt", true);
}

static void an_unknown_authority_is_refused(void **state)
{
    (void)state;
    NEEDS_SERVER("server");
    assert_refused("&ssl_mode=verify_ca&ssl_ca=%/other-ca.crt", "certificate", "other-ca.crt");
}

static void an_expired_certificate_is_refused(void **state)
{
    (void)state;
    NEEDS_SERVER("expired");
    assert_refused("&ssl_mode=verify_identity&ssl_ca=%/ca.crt", "expired", "valid now");
    assert_connects("&ssl_mode=required", true); /* encrypted, nothing checked */
}

static void a_revoked_certificate_is_refused(void **state)
{
    (void)state;
    NEEDS_SERVER("server");
    assert_refused("&ssl_mode=verify_identity&ssl_ca=%/ca.crt&ssl_crl=%/revoked.crl", "revoked", "signed by");
}

static void files_that_are_missing_are_told(void **state)
{
    (void)state;
    NEEDS_SERVER("server");
    assert_refused("&ssl_mode=verify_identity&ssl_ca=%/nowhere.crt", "TLS", "ssl_ca");
    assert_refused("&ssl_mode=required&ssl_cert=%/client.crt&ssl_key=%/nowhere.key", "nowhere.key", "ssl_key");
}

static void an_account_that_needs_tls_says_so(void **state)
{
    (void)state;
    NEEDS_SERVER("server");
    assert_user_refused("secure", "&ssl_mode=disabled", CV_E_AUTH, "denied", "");
    assert_user_connects("secure", "", true);
}

static void an_account_that_needs_a_certificate_gets_one(void **state)
{
    (void)state;
    NEEDS_SERVER("server");
    assert_user_refused("known", "&ssl_mode=required", CV_E_AUTH, "denied", "");
    assert_user_connects("known",
                         "&ssl_mode=verify_identity&ssl_ca=%/ca.crt&ssl_cert=%/client.crt&ssl_key=%/client.key", true);
    assert_user_connects(
        "known", "&ssl_mode=required&ssl_cert=%/client.crt&ssl_key=%/locked.key&ssl_key_password=open+sesame", true);
}

static void an_encrypted_key_needs_its_password_and_never_asks(void **state)
{
    (void)state;
    NEEDS_SERVER("server");
    cv_db *db;
    int rc = connect_with("known",
                          "&ssl_mode=required&ssl_cert=%/client.crt&ssl_key=%/locked.key"
                          "&ssl_key_password=hunter2",
                          &db);
    assert_int_equal(rc, CV_E_TLS);
    for (const cv_error *e = cv_error_last(cx); e; e = e->cause)
        assert_null(strstr(e->message, "hunter2"));
    cv_error_clear(cx);
}

static void a_server_without_tls_is_refused_where_it_is_required(void **state)
{
    (void)state;
    if (!available)
        skip();
    start_with("");
    assert_refused("&ssl_mode=required", "TLS", "ssl_cert");
    assert_connects("", false); /* preferred */
    start_with("server");
    assert_connects("&ssl_mode=required", true);
}

/* A server that accepts, greets with TLS or without, says no more, and counts what it is told. */
typedef struct silent {
    int listener, port;
    bool has_tls;
    size_t bytes;
    pthread_t thread;
} silent;

enum { CAPABILITIES = 4 + 1 + 15 + 4 + 8 + 1, CAN_TLS = 0x08 /* of their second byte */ };

static void *greet(void *arg)
{
    char greeting[] = "\x52\0\0\0\x0a"
                      "10.11.0-silent\0"
                      "\1\0\0\0"
                      "saltsalt"
                      "\0"
                      "\xfe\xff"
                      "\x2d"
                      "\2\0"
                      "\xff\x81"
                      "\x15"
                      "\0\0\0\0\0\0"
                      "\x1d\0\0\0"
                      "saltsaltsalt\0"
                      "mysql_native_password";
    silent *s = arg;
    char bytes[512];
    int fd;
    if (!s->has_tls)
        greeting[CAPABILITIES + 1] &= ~CAN_TLS;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        (void)!write(fd, greeting, sizeof greeting);
        for (ssize_t got; (got = read(fd, bytes, sizeof bytes)) > 0;)
            s->bytes += (size_t)got;
        close(fd);
    }
    return NULL;
}

/* At this port; 0: any. */
static void silent_start(silent *s, int port, bool has_tls)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    socklen_t length = sizeof in;
    *s = (silent){.listener = socket(AF_INET, SOCK_STREAM, 0), .has_tls = has_tls};
    assert_int_equal(setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(s->listener, 4), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&in, &length), 0);
    s->port = ntohs(in.sin_port);
    pthread_create(&s->thread, NULL, greet, s);
}

/* Its connections are to be closed by the other side. What it was told, in bytes. */
static size_t silent_stop(silent *s)
{
    (void)shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    return s->bytes;
}

/* In the middle of the handshake of TLS, which the library waits for itself. */
static void a_server_that_falls_silent_within_tls_holds_nobody(void **state)
{
    (void)state;
    if (!available)
        skip();
    silent s;
    char url[128];
    cv_db *db;
    silent_start(&s, 0, true);
    snprintf(url, sizeof url, "mysql://app:app@127.0.0.1:%d/app?ssl_mode=required", s.port);
    int64_t start_ns = cv_now_ns(cx);
    assert_int_equal(cv_db_open(cx, url, &(cv_db_options){.connect_timeout_ms = 200}, &db), CV_E_TIMEOUT);
    cv_error_clear(cx);
    assert_in_range(ms_since(cx, start_ns), 190, 20000);
    (void)silent_stop(&s);
}

static void nothing_is_sent_to_a_server_without_tls_where_it_is_required(void **state)
{
    static const char *const modes[] = {"required", "verify_ca", "verify_identity"};
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    (void)state;
    if (!available)
        skip();
    for (size_t i = 0; i < 6; i++) {
        silent s;
        char url[256];
        cv_db *db;
        silent_start(&s, 0, false);
        snprintf(url, sizeof url, "mysql://app:app@%s:%d/app?ssl_mode=%s%s%s", hosts[i % 2], s.port, modes[i / 2],
                 i < 2 ? "" : "&ssl_ca=", i < 2 ? "" : tls.folder);
        if (i >= 2)
            strcat(url, "/ca.crt");
        assert_fails(cx, cv_db_open(cx, url, NULL, &db), CV_E_TLS, "");
        assert_int_equal(silent_stop(&s), 0);
    }
}

/* The change stream has connections of its own. */
static void a_change_stream_takes_tls_as_the_mode_says(void **state)
{
    (void)state;
    NEEDS_SERVER("server");
    silent s;
    cv_db *db;
    cv_changes *changes;
    assert_ok(cx, connect_with("admin", "&ssl_mode=required", &db));
    assert_ok(cx, cv_changes_open(cx, db, &(cv_changes_options){.heartbeat_ms = 300}, &changes));
    cv_changes_close(cx, changes);
    test_mariadb_server_stop(&server);
    silent_start(&s, server.port, false);
    assert_fails(cx, cv_changes_open(cx, db, NULL, &changes), CV_E_TLS, "requires TLS");
    assert_int_equal(silent_stop(&s), 0);
    cv_db_close(cx, db);
    test_mariadb_server_start(&server);
}

static void a_mode_that_does_not_exist_is_refused_at_once(void **state)
{
    (void)state;
    if (!available)
        skip();
    assert_user_refused("app", "&ssl_mode=verify_identit", CV_E_CONFIG, "\"ssl_mode\" cannot be \"verify_identit\"",
                        "verify_identity");
    assert_user_refused("app", "&ssl_mode=verify_ca", CV_E_CONFIG, "no authority", "ssl_ca");
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(every_mode_is_as_strict_as_it_says),
        case_of(a_name_that_is_not_in_the_certificate_is_refused),
        case_of(an_unknown_authority_is_refused),
        case_of(an_expired_certificate_is_refused),
        case_of(a_revoked_certificate_is_refused),
        case_of(files_that_are_missing_are_told),
        case_of(an_account_that_needs_tls_says_so),
        case_of(an_account_that_needs_a_certificate_gets_one),
        case_of(an_encrypted_key_needs_its_password_and_never_asks),
        case_of(a_server_without_tls_is_refused_where_it_is_required),
        case_of(a_server_that_falls_silent_within_tls_holds_nobody),
        case_of(nothing_is_sent_to_a_server_without_tls_where_it_is_required),
        case_of(a_change_stream_takes_tls_as_the_mode_says),
        case_of(a_mode_that_does_not_exist_is_refused_at_once),
    };
    return cmocka_run_group_tests_name("mariadb-tls", tests, set_up_group, tear_down_group);
}
