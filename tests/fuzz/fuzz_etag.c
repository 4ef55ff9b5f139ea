/* Lists of entity tags and the conditions made of them. The input is four header values, cut at line feeds: If-Match,
 * If-None-Match, If-Modified-Since, and the current tag. */
#include "http/files/conditional.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Every tag lies inside its list, is a tag by itself, and the list moves on. */
static void check_list(cv_str list)
{
    cv_str rest = list;
    cv__etag tag, again;
    int rc;
    size_t before = rest.len + 1;
    while ((rc = cv__etag_next(&rest, &tag)) > 0) {
        require(rest.len < before);
        before = rest.len;
        require(tag.opaque.ptr >= list.ptr && tag.opaque.ptr + tag.opaque.len <= list.ptr + list.len);
        require(tag.opaque.len >= 2 && !memchr(tag.opaque.ptr + 1, '"', tag.opaque.len - 2));
        require(cv__etag_parse(tag.opaque, &again) && cv_str_equal(again.opaque, tag.opaque));
        cv__etag strong = {tag.opaque, false};
        require(cv__etag_list_match(list, &strong, true, false) != CV__ETAGS_OTHER);
    }
    require(rc == 0 || rc == CV_E_SYNTAX);
    require((rc < 0) <=
            (cv__etag_list_match(list, NULL, true, true) == CV__ETAGS_MALFORMED || cv_str_equal(list, CV_STR("*"))));
}

static void check_verdicts(const cv__conditions *conditions, const cv__validators *now)
{
    cv__verdict get = cv__conditions_judge(conditions, CV_GET, now),
                put = cv__conditions_judge(conditions, CV_PUT, now);
    require(get == cv__conditions_judge(conditions, CV_HEAD, now));
    require(put != CV__NOT_MODIFIED);
    require(get != CV__PRECONDITION_FAILED || put == CV__PRECONDITION_FAILED);
    require(cv__conditions_judge(conditions, CV_OPTIONS, now) == CV__PROCEED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cv_str rest = cv_str_make((const char *)data, size), part[4] = {{0}};
    cv__etag tag;
    for (size_t i = 0; i < 4 && cv_str_split(&rest, '\n', &part[i]); i++)
        check_list(part[i]);
    bool has_tag = cv__etag_parse(part[3], &tag);
    cv__validators now = {has_tag ? &tag : NULL, {size % 2 ? INT64_C(1795255200000000) : 0}};
    check_verdicts(&(cv__conditions){.if_match = part[0], .if_none_match = part[1], .if_modified_since = part[2]},
                   &now);
    require(!cv__if_range_holds(part[0], &now, now.modified) || !part[0].ptr || has_tag);
    return 0;
}
