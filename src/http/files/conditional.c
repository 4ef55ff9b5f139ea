#include "http/files/conditional.h"

#include "http/files/file.h"
#include "http/response.h"

enum { SECOND_US = 1000000 };

/* ---- judging ---- */

static bool is_safe(cv_method method)
{
    return method == CV_GET || method == CV_HEAD;
}

/* An absent representation has neither validator. */
static bool exists(const cv__validators *now)
{
    return now->etag || now->modified.us;
}

/* 1: changed after that date, 0: not, -1: there is nothing to compare. */
static int changed_since(cv_str date, const cv__validators *now)
{
    cv_time since;
    if (!date.ptr || !now->modified.us || cv_time_parse_http(date, &since) < 0)
        return -1;
    return cv__last_modified(now->modified, now->modified).us > since.us;
}

static bool may_proceed(const cv__conditions *conditions, const cv__validators *now)
{
    if (conditions->if_match.ptr)
        return cv__etag_list_match(conditions->if_match, now->etag, exists(now), true) == CV__ETAGS_MATCH;
    return changed_since(conditions->if_unmodified_since, now) != 1;
}

cv__verdict cv__conditions_judge(const cv__conditions *conditions, cv_method method, const cv__validators *now)
{
    if (method == CV_OPTIONS)
        return CV__PROCEED;
    if (!may_proceed(conditions, now))
        return CV__PRECONDITION_FAILED;
    if (!conditions->if_none_match.ptr)
        return is_safe(method) && changed_since(conditions->if_modified_since, now) == 0 ? CV__NOT_MODIFIED
                                                                                         : CV__PROCEED;
    cv__etag_match match = cv__etag_list_match(conditions->if_none_match, now->etag, exists(now), false);
    if (match == CV__ETAGS_OTHER || (match == CV__ETAGS_MALFORMED && is_safe(method)))
        return CV__PROCEED;
    return is_safe(method) ? CV__NOT_MODIFIED : CV__PRECONDITION_FAILED;
}

bool cv__if_range_holds(cv_str if_range, const cv__validators *now, cv_time clock)
{
    cv__etag tag;
    cv_time date;
    if (!if_range.ptr)
        return true;
    if (cv__etag_parse(if_range, &tag))
        return now->etag && cv__etag_equal(tag, *now->etag, true);
    cv_time modified = cv__last_modified(now->modified, now->modified);
    return now->modified.us && cv_time_parse_http(if_range, &date) == 0 && date.us == modified.us &&
           clock.us >= modified.us + SECOND_US;
}

cv_time cv__last_modified(cv_time modified, cv_time clock)
{
    int64_t us = modified.us < clock.us ? modified.us : clock.us;
    int64_t part = us % SECOND_US;
    return (cv_time){us - (part < 0 ? part + SECOND_US : part)};
}

/* ---- replying ---- */

static void remove_fields(cv_response *res, const char *const *names)
{
    for (; *names; names++)
        cv__response_remove(res, *names);
}

/* A 304 speaks of the copy that the client has: what describes a body stays away, and a date beside a tag (RFC 9110
 * 15.4.5). */
static int reply_not_modified(cv_ctx *cx, cv_response *res, bool has_etag)
{
    static const char *const of_a_body[] = {"Content-Type",
                                            "Content-Encoding",
                                            "Content-Language",
                                            "Content-Range",
                                            "Content-Disposition",
                                            "Accept-Ranges",
                                            NULL};
    remove_fields(res, of_a_body);
    if (has_etag)
        cv__response_remove(res, "Last-Modified");
    return cv_reply_empty(cx, res, 304);
}

int cv__reply_instead(cv_ctx *cx, cv_response *res, int status, const char *detail)
{
    static const char *const of_the_other[] = {"ETag",
                                               "Last-Modified",
                                               "Cache-Control",
                                               "Expires",
                                               "Content-Encoding",
                                               "Content-Language",
                                               "Content-Location",
                                               "Content-Disposition",
                                               NULL};
    remove_fields(res, of_the_other);
    return cv_reply_problem(cx, res, status, NULL, detail);
}

static int set_validators(cv_response *res, const char *etag, cv_time modified)
{
    char date[CV_TIME_TEXT_BYTES];
    if (etag)
        CV_TRY(cv_response_header(res, "ETag", etag));
    if (!modified.us)
        return 0;
    cv_time_format_http(cv__last_modified(modified, cv_time_now()), date);
    return cv_response_header(res, "Last-Modified", date);
}

static cv__conditions conditions_of(const cv_request *req)
{
    return (cv__conditions){
        .if_match = cv_request_header(req, "if-match"),
        .if_unmodified_since = cv_request_header(req, "if-unmodified-since"),
        .if_none_match = cv_request_header(req, "if-none-match"),
        .if_modified_since = cv_request_header(req, "if-modified-since"),
    };
}

int cv_reply_conditional(cv_ctx *cx, cv_request *req, cv_response *res, const char *etag, cv_time modified,
                         bool *ret_done)
{
    cv__etag tag;
    if (etag && !cv__etag_parse(cv_str_of(etag), &tag))
        return cv_fail(cx, CV_E_INVALID, "cannot use %s as an entity tag: it is not a text in double quotes", etag);
    CV_TRY(set_validators(res, etag, modified));
    cv__conditions conditions = conditions_of(req);
    cv__verdict verdict =
        cv__conditions_judge(&conditions, cv_request_method(req), &(cv__validators){etag ? &tag : NULL, modified});
    if (verdict == CV__NOT_MODIFIED)
        CV_TRY(reply_not_modified(cx, res, etag));
    if (verdict == CV__PRECONDITION_FAILED)
        CV_TRY(cv__reply_instead(cx, res, 412, "what is here is not what the request expects"));
    *ret_done = verdict != CV__PROCEED;
    return 0;
}
