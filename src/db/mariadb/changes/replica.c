#include "db/mariadb/changes/replica.h"
#include "db/mariadb/connect.h"

#include "db/mariadb/dial.h"

#include <covet/uuid.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOG = CV__REPLICA_LOG, CONTROL = CV__REPLICA_CONTROL };
enum { NAME_WAIT_MS = 3000, HEADER_BYTES = 19, CHECKSUM_BYTES = 4 };

int cv__replica_init(cv__replica *replica, cv__my_shared *shared, const char *name)
{
    *replica = (cv__replica){.name = name ? strdup(name) : NULL};
    if (name && !replica->name)
        return CV_E_NOMEM;
    replica->shared = cv__my_shared_ref(shared);
    return 0;
}

void cv__replica_done(cv__replica *replica)
{
    cv__my_shared_free(replica->shared);
    free(replica->name);
}

/* ---- connecting ---- */

static void disconnect(cv__replica *r, int which)
{
    cv__my_cutoff_let_go(&r->cutoffs[which]);
    if (r->connections[which])
        mysql_close(r->connections[which]);
    r->connections[which] = NULL;
}

static int fail_dial(const cv__replica *r, MYSQL *my, int code)
{
    static const char what[] = "could not connect to MariaDB for reading changes";
    cv__binlog_failure *failure = r->failure;
    if (code == CV_E_TLS) {
        cv__binlog_fail(failure, code, "%s: ssl_mode requires TLS, the server has none", what);
        return cv__binlog_hint(failure, CV__MY_NO_TLS_HINT);
    }
    if (code == CV_E_CLOSED)
        return cv__binlog_fail(failure, code, "the reader was closed");
    if (code == CV_E_TIMEOUT)
        cv__binlog_fail(failure, code, "%s: no answer in time", what);
    else if (code == CV_E_SYSTEM)
        cv__binlog_fail(failure, code, "%s: no file descriptor is left", what);
    else
        cv__binlog_fail(failure, cv__my_connect_code(my), "%s: %s", what, mysql_error(my));
    failure->is_transient = code == CV_E_SYSTEM || cv__binlog_is_transient(mysql_errno(my), failure->code);
    return failure->code;
}

static void set_timeouts(const cv__replica *r, MYSQL *my)
{
    unsigned silence_s = (unsigned)((3 * r->heartbeat_ms + 999) / 1000);
    (void)mysql_options(my, MYSQL_OPT_READ_TIMEOUT, &silence_s);
    (void)mysql_options(my, MYSQL_OPT_WRITE_TIMEOUT, &silence_s);
}

/* To an address of the host; NULL: to the path that the host is. */
static int connect_to_address(cv__replica *r, int which, size_t host, const char *address)
{
    MYSQL *my = cv__my_handle(r->shared);
    if (!my)
        return cv__binlog_fail_nomem(r->failure);
    set_timeouts(r, my);
    int rc = cv__my_dial_now(
        &(cv__my_dial){.my = my, .shared = r->shared, .host = host, .address = address, .cutoff = &r->cutoffs[which]});
    r->connections[which] = my;
    if (rc == 0)
        return 0;
    rc = fail_dial(r, my, rc);
    disconnect(r, which);
    return rc;
}

/* Its addresses one after the other; on this thread the look-up may block. */
static int connect_to(cv__replica *r, int which, size_t host)
{
    const char *name = r->shared->hosts[host].name;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    if (name[0] == '/')
        return connect_to_address(r, which, host, NULL);
    int error = getaddrinfo(name, NULL, &hints, &found);
    int rc = cv__binlog_fail(r->failure, CV_E_RESOLVE, "could not resolve \"%s\" for reading changes: %s", name,
                             gai_strerror(error));
    r->failure->is_transient = true;
    if (error)
        return rc;
    for (const struct addrinfo *at = found; at && rc < 0 && r->failure->is_transient; at = at->ai_next) {
        char address[NI_MAXHOST];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST) == 0)
            rc = connect_to_address(r, which, host, address);
    }
    freeaddrinfo(found);
    return rc;
}

/* The host that was good last, then the others. */
static int connect_log(cv__replica *r)
{
    int rc = CV_E_REFUSED;
    for (size_t i = 0; i < r->shared->host_count; i++) {
        size_t host = (r->host + i) % r->shared->host_count;
        rc = connect_to(r, LOG, host);
        if (rc == 0)
            r->host = host;
        if (rc == 0 || !r->failure->is_transient)
            break;
    }
    return rc;
}

/* ---- asking ---- */

static int run(const cv__replica *r, int which, const char *sql, const char *what)
{
    MYSQL *my = r->connections[which];
    return mysql_query(my, sql) == 0 ? 0 : cv__binlog_fail_server(r->failure, my, what);
}

static int ask(const cv__replica *r, int which, const char *sql, const char *what, MYSQL_RES **ret_rows)
{
    CV_TRY(run(r, which, sql, what));
    *ret_rows = mysql_store_result(r->connections[which]);
    return *ret_rows ? 0 : cv__binlog_fail_server(r->failure, r->connections[which], what);
}

/* One reader a name: the lock goes with the connection. The server may not have noticed yet that a reader was closed or
 * killed: it is waited for, but not so long that the connection would count as lost. */
static int take_name(const cv__replica *r)
{
    char sql[192];
    MYSQL_RES *rows;
    if (!r->name)
        return 0;
    int64_t wait_ms = r->heartbeat_ms < NAME_WAIT_MS ? r->heartbeat_ms : NAME_WAIT_MS;
    snprintf(sql, sizeof sql, "SELECT GET_LOCK(CONCAT('covet_changes_', MD5('%s')), %" PRId64 " / 1000)", r->name,
             wait_ms);
    CV_TRY(ask(r, CONTROL, sql, "take the name of the reader", &rows));
    MYSQL_ROW row = mysql_fetch_row(rows);
    bool taken = row && row[0] && row[0][0] == '1';
    mysql_free_result(rows);
    if (taken)
        return 0;
    cv__binlog_fail(r->failure, CV_E_LOCKED, "another reader of changes has the name \"%s\"", r->name);
    r->failure->is_transient = r->has_begun;
    return cv__binlog_hint(r->failure, "close it, or read under another name");
}

/* It goes where the log comes from. */
static int connect_control(cv__replica *r)
{
    CV_TRY(connect_to(r, CONTROL, r->host));
    CV_TRY(run(r, CONTROL, "SET SESSION wait_timeout = 31536000, sql_mode = ''", "read changes"));
    return take_name(r);
}

int cv__replica_ask(cv__replica *replica, const char *sql, const char *what, MYSQL_RES **ret_rows)
{
    int rc = ask(replica, CONTROL, sql, what, ret_rows);
    if (rc == 0 || !replica->failure->is_transient)
        return rc;
    disconnect(replica, CONTROL);
    CV_TRY(connect_control(replica));
    return ask(replica, CONTROL, sql, what, ret_rows);
}

/* ---- the settings of the server ---- */

static int fail_without_log(cv__binlog_failure *failure)
{
    cv__binlog_fail(failure, CV_E_CONFIG, "the server writes no binary log");
    return cv__binlog_hint(failure, "start it with --log-bin and --binlog-format=ROW");
}

static int check_settings(cv__binlog_failure *failure, MYSQL_ROW row)
{
    if (strcmp(row[0], "1") != 0)
        return fail_without_log(failure);
    if (strcmp(row[1], "ROW") != 0) {
        cv__binlog_fail(failure, CV_E_CONFIG, "the binary log is in the format %s: it does not have the rows", row[1]);
        return cv__binlog_hint(failure, "set binlog_format = ROW in the server's configuration");
    }
    return 0;
}

static int take_position(cv__binlog_failure *failure, const char *text, cv__binlog_position *ret_position)
{
    if (text && cv__binlog_position_parse(text, ret_position))
        return 0;
    return cv__binlog_fail(failure, CV_E_LIMIT, "the position of the binary log \"%.200s\" has more than %d domains",
                           text ? text : "", CV__BINLOG_DOMAINS);
}

static int look_at_settings(const cv__replica *r, bool from_now, cv__binlog_position *position)
{
    static const char what[] = "look at the settings of the binary log";
    MYSQL_RES *rows;
    CV_TRY(ask(r, LOG, "SELECT @@global.log_bin, @@global.binlog_format, @@global.gtid_binlog_pos", what, &rows));
    MYSQL_ROW row = mysql_fetch_row(rows);
    int rc = row ? check_settings(r->failure, row) : cv__binlog_fail_server(r->failure, r->connections[LOG], what);
    if (row && rc == 0 && from_now)
        rc = take_position(r->failure, row[2], position);
    mysql_free_result(rows);
    return rc;
}

/* ---- the stream ---- */

/* The library has compared checksums before we see them. */
static int set_up_session(const cv__replica *r, const cv__binlog_position *position)
{
    char text[CV__BINLOG_POSITION_BYTES], sql[CV__BINLOG_POSITION_BYTES + 512];
    cv__binlog_position_format(position, text);
    snprintf(sql, sizeof sql,
             "SET @mariadb_slave_capability = 4, @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0, "
             "@master_binlog_checksum = @@global.binlog_checksum, @master_heartbeat_period = %" PRId64
             ", @slave_connect_state = '%s', SESSION net_write_timeout = 31536000",
             r->heartbeat_ms * 1000000, text);
    return run(r, LOG, sql, "ask for the binary log");
}

/* A number that no server has, and no other reader. */
static uint32_t draw_server_id(void)
{
    uint32_t number;
    cv_random_bytes(&number, sizeof number);
    return 1000000000u + number % 3000000000u;
}

static int ask_for_log(cv__replica *r)
{
    r->stream = mariadb_rpl_init(r->connections[LOG]);
    if (!r->stream)
        return cv__binlog_fail_server(r->failure, r->connections[LOG], "ask for the binary log");
    (void)mariadb_rpl_optionsv(r->stream, MARIADB_RPL_SERVER_ID, draw_server_id());
    (void)mariadb_rpl_optionsv(r->stream, MARIADB_RPL_START, 4UL);
    (void)mariadb_rpl_optionsv(r->stream, MARIADB_RPL_FLAGS, 0U);
    (void)mariadb_rpl_optionsv(r->stream, MARIADB_RPL_VERIFY_CHECKSUM, 1);
    return mariadb_rpl_open(r->stream) == 0
               ? 0
               : cv__binlog_fail_server(r->failure, r->connections[LOG], "ask for the binary log");
}

int cv__replica_open(cv__replica *replica, bool from_now, cv__binlog_position *position)
{
    CV_TRY(connect_log(replica));
    CV_TRY(connect_control(replica));
    CV_TRY(look_at_settings(replica, from_now, position));
    CV_TRY(set_up_session(replica, position));
    return ask_for_log(replica);
}

/* What the server says when it cannot tell the log: one number with different words. */
static int fail_log(const cv__replica *r, MYSQL *my)
{
    enum { CANNOT_READ_LOG = 1236 };
    const char *text = mysql_error(my);
    if (mysql_errno(my) != CANNOT_READ_LOG)
        return cv__binlog_fail_server(r->failure, my, "read the binary log");
    if (strstr(text, "same server_")) {
        cv__binlog_fail(r->failure, CV_E_LOCKED, "another reader took the number of this one");
        r->failure->is_transient = true;
        return CV_E_LOCKED;
    }
    if (strstr(text, "max_allowed_packet")) {
        cv__binlog_fail(r->failure, CV_E_LIMIT, "could not read the binary log: %s", text);
        return cv__binlog_hint(r->failure, "raise max_allowed_packet of the server");
    }
    if (strstr(text, "Binary log is not open"))
        return fail_without_log(r->failure);
    cv__binlog_fail(r->failure, CV_E_GAP, "the changes behind the position \"%s\" are not in the binary log any more",
                    r->has_begun ? "reached" : "given");
    cv__binlog_detail(r->failure, "%s", text);
    return cv__binlog_hint(r->failure, "read the tables anew and open from now before that; keep logs for longer "
                                       "(binlog_expire_logs_seconds)");
}

static int fail_fetch(const cv__replica *r)
{
    if (mysql_errno(r->connections[LOG]) != 0)
        return fail_log(r, r->connections[LOG]);
    cv__binlog_fail(r->failure, CV_E_CONNECTION_LOST, "the server ended the stream of its binary log: %s",
                    mariadb_rpl_error(r->stream));
    r->failure->is_transient = true;
    return CV_E_CONNECTION_LOST;
}

/* The description of a log says whether checksums follow. */
static void take_off_checksum(cv__replica *r, cv__binlog_event *event)
{
    if (event->type == CV__BINLOG_FORMAT)
        r->has_checksums = event->len > CHECKSUM_BYTES && event->body[event->len - CHECKSUM_BYTES - 1] == 1;
    if (r->has_checksums)
        event->len -= event->len > CHECKSUM_BYTES ? CHECKSUM_BYTES : event->len;
}

/* The library uses the event for the next one, and frees it when there is none. */
int cv__replica_next(cv__replica *replica, cv__binlog_event *ret_event)
{
    MARIADB_RPL_EVENT *fetched = replica->event = mariadb_rpl_fetch(replica->stream, replica->event);
    if (!fetched)
        return fail_fetch(replica);
    size_t ahead = fetched->raw_data_ofs;
    if (fetched->raw_data_size < ahead + HEADER_BYTES ||
        !cv__binlog_event_read(fetched->raw_data + ahead, fetched->raw_data_size - ahead, ret_event))
        return cv__binlog_fail(replica->failure, CV_E_CORRUPT,
                               "the server sent something that is no event of its binary log");
    take_off_checksum(replica, ret_event);
    replica->has_begun = true;
    return 0;
}

void cv__replica_close(cv__replica *replica)
{
    if (replica->event)
        mariadb_free_rpl_event(replica->event);
    if (replica->stream)
        mariadb_rpl_close(replica->stream);
    replica->event = NULL;
    replica->stream = NULL;
    replica->has_checksums = false;
    disconnect(replica, LOG);
    disconnect(replica, CONTROL);
}
