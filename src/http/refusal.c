#include "http/connection.h"

#include "base/ctx.h"
#include "http/metrics.h"
#include "http/response.h"

static void write_reply(cv__connection *connection, cv__refusal refusal, cv_buf *out)
{
    cv_buf body;
    cv_buf_init(&body, 0);
    cv__problem_write(&body, refusal.status, cv_http_reason(refusal.status), refusal.reason, NULL, NULL);
    cv__field type = {CV_STR("Content-Type"), CV_STR("application/problem+json")};
    cv_response res = {.status = refusal.status, .minor_version = 1, .fields = &type, .field_count = 1};
    cv__response_head(&res, cv__server_date(connection->server), CV__FRAMING_LENGTH, body.len, out);
    if (connection->parser.head.method != CV_HEAD)
        cv_buf_add_str(out, cv_buf_str(&body));
    if (body.error)
        out->error = body.error;
    cv_buf_done(&body);
}

bool cv__connection_send_refusal(cv__connection *connection, cv__refusal refusal)
{
    struct cv_server *server = connection->server;
    server->stats.responses_by_class[refusal.status / 100]++;
    cv__http_metrics_refused(server->metrics, refusal.status);
    if (server->options.log_refusals)
        CV_LOG_INFO(server->main->log, "request refused", CV_F("status", refusal.status),
                    CV_F("reason", refusal.reason), CV_F("peer", cv__connection_peer(connection)));
    cv_buf out;
    cv_buf_init(&out, 0);
    write_reply(connection, refusal, &out);
    bool sent = !out.error && cv__connection_write_detached(connection, cv_buf_str(&out));
    cv_buf_done(&out);
    return sent;
}
