/* A strict reader of replies: RFC 9110 and 9112 as the server's side must keep them. What is not allowed is CV_E_SYNTAX
 * with a story that says what; what ends too early is CV_E_CONNECTION_LOST. */
#ifndef COVET_SRC_TESTING_REPLY_H
#define COVET_SRC_TESTING_REPLY_H

#include <covet/testing.h>

/* How the body of a reply ends. */
typedef enum cv__body_kind {
    CV__BODY_NONE,
    CV__BODY_LENGTH,
    CV__BODY_CHUNKED,
    CV__BODY_TO_END, /* with the connection */
} cv__body_kind;

typedef struct cv__reply_head {
    int status;
    cv__body_kind body; /* CV__BODY_NONE also for what a HEAD request gets, see `to_head` */
    uint64_t length;
    bool close; /* the connection ends after this reply */
} cv__reply_head;

/** Judge a whole head, from the status line to the empty line. `to_head`: it answers a HEAD request. CV_E_SYNTAX. Does
 *  not suspend. */
CV_CHECKED int cv__reply_read_head(cv_ctx *cx, cv_str head, bool to_head, cv__reply_head *ret_head);

/** Judge lines of fields, each with its line end ("Name: value\r\n"); CV_E_SYNTAX. */
CV_CHECKED int cv__reply_check_fields(cv_ctx *cx, cv_str fields);

/** The value of the first field of this name in such lines, any case; the NULL view when absent. */
cv_str cv__reply_find_field(cv_str fields, const char *name);

/** Read the text of the next head, and then what follows it; for those who know only by the head whether it answers a
 * HEAD request. `reply` gets body and trailers. Both suspend. */
CV_CHECKED int cv__reply_receive_head(cv_ctx *cx, cv_test_connection *connection, cv_str *ret_text);
CV_CHECKED int cv__reply_receive_body(cv_ctx *cx, cv_test_connection *connection, const cv__reply_head *head,
                                      cv_test_reply *reply);

/** Read one reply from the connection, with the informational ones before it. Suspends. */
CV_CHECKED int cv__reply_receive(cv_ctx *cx, cv_test_connection *connection, bool to_head, cv_test_reply *ret_reply);

#endif
