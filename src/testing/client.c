#include "testing/network.h"
#include "testing/reply.h"

#include "base/ctx.h"
#include "http/connection.h"
#include <covet/fiber.h>
#include <stdlib.h>

/* Of a request whose context has no deadline. */
enum { PATIENCE_MS = 60000 };

struct cv_test_client {
    cv__network *network;
    cv_server *server;
};

/* ---- life ---- */

int cv_test_client_new(cv_ctx *cx, cv_router *router, const cv_server_options *options, cv_test_client **ret_client)
{
    cv_test_client *client = calloc(1, sizeof *client);
    if (!client)
        return cv_fail(cx, CV_E_NOMEM, "could not make a test client: out of memory");
    int rc = cv__network_new(cx, &client->network);
    if (rc == 0)
        rc = cv__server_new(cx, router, options, &client->server);
    if (rc < 0) {
        cv_test_client_free(cx, client);
        return rc;
    }
    *ret_client = client;
    return 0;
}

void cv_test_client_free(cv_ctx *cx, cv_test_client *client)
{
    if (!client)
        return;
    if (client->network) {
        cv_list_each (link, &client->network->all)
            cv_test_close(cv_list_entry(link, cv_test_connection, all), true);
    }
    cv_test_client_stop(cx, client);
    if (client->network)
        cv__network_unref(client->network);
    free(client);
}

void cv_test_client_stop(cv_ctx *cx, cv_test_client *client)
{
    cv_server *server = client->server;
    client->server = NULL;
    cv_server_stop(cx, server);
}

cv_server *cv_test_client_server(cv_test_client *client)
{
    return client->server;
}

/* ---- connections ---- */

int cv_test_connect(cv_ctx *cx, cv_test_client *client, const char *peer, cv_test_connection **ret_connection)
{
    cv_test_connection *connection;
    if (!client->server)
        return cv_fail(cx, CV_E_STATE, "cannot connect: the server was stopped");
    CV_TRY(cv__network_connect(cx, client->network, peer, &connection));
    cv__connection_open(client->server, &connection->transport);
    *ret_connection = connection;
    return 0;
}

/* ---- whole requests ---- */

static bool has_header(const cv_test_request *request, const char *name)
{
    for (const cv_test_header *header = request->headers; header && header->name; header++)
        if (cv_str_equal_nocase(cv_str_of(header->name), cv_str_of(name)))
            return true;
    return false;
}

/* Methods that mean a body announce an empty one, too. */
static bool needs_length(const cv_test_request *request, const char *method)
{
    bool means_body = strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    return (request->body.len || means_body) && !has_header(request, "Content-Length") &&
           !has_header(request, "Transfer-Encoding");
}

static void write_request(const cv_test_request *request, const char *method, cv_buf *out)
{
    cv_buf_printf(out, "%s %s HTTP/1.1\r\n", method, request->target ? request->target : "/");
    if (!has_header(request, "Host"))
        cv_buf_add_text(out, "Host: localhost\r\n");
    if (request->content_type)
        cv_buf_printf(out, "Content-Type: %s\r\n", request->content_type);
    if (needs_length(request, method))
        cv_buf_printf(out, "Content-Length: %zu\r\n", request->body.len);
    for (const cv_test_header *header = request->headers; header && header->name; header++)
        cv_buf_printf(out, "%s: %s\r\n", header->name, header->value);
    cv_buf_add_text(out, "\r\n");
    cv_buf_add_str(out, request->body);
}

static int exchange(cv_ctx *cx, cv_test_connection *connection, const cv_test_request *request,
                    cv_test_reply *ret_reply)
{
    const char *method = request->method ? request->method : "GET";
    cv_buf bytes;
    cv_buf_init(&bytes, 0);
    write_request(request, method, &bytes);
    int rc = bytes.error ? bytes.error : cv_test_write(connection, cv_buf_str(&bytes));
    cv_buf_done(&bytes);
    if (rc < 0)
        return cv_fail(cx, rc, "could not send the request: %s", cv_error_text(rc));
    return cv__reply_receive(cx, connection, strcmp(method, "HEAD") == 0, ret_reply);
}

int cv_test_send_request(cv_ctx *cx, cv_test_client *client, const cv_test_request *request, cv_test_reply *ret_reply)
{
    static const cv_test_request root = {0};
    cv_test_connection *connection;
    request = request ? request : &root;
    CV_TRY(cv_test_connect(cx, client, request->peer, &connection));
    int rc = 0;
    CV_WITHIN(cx, cx->deadline_ns == INT64_MAX ? PATIENCE_MS : INT64_MAX)
    {
        rc = exchange(cx, connection, request, ret_reply);
    }
    cv_test_close(connection, false);
    return rc;
}

int cv_test_get(cv_ctx *cx, cv_test_client *client, const char *target, cv_test_reply *ret_reply)
{
    return cv_test_send_request(cx, client, &(cv_test_request){.target = target}, ret_reply);
}

int cv_test_post_json(cv_ctx *cx, cv_test_client *client, const char *target, const char *json,
                      cv_test_reply *ret_reply)
{
    const cv_test_request request = {
        .method = "POST", .target = target, .content_type = "application/json", .body = cv_str_of(json)};
    return cv_test_send_request(cx, client, &request, ret_reply);
}
