/* The conditions of a request (RFC 9110 13), without a request and a reply: what they are, and what they say. */
#ifndef COVET_SRC_HTTP_FILES_CONDITIONAL_H
#define COVET_SRC_HTTP_FILES_CONDITIONAL_H

#include "http/files/etag.h"
#include <covet/http.h>

/* Header values; NULL views where they are absent. */
typedef struct cv__conditions {
    cv_str if_match, if_unmodified_since, if_none_match, if_modified_since;
} cv__conditions;

/* What is there now. */
typedef struct cv__validators {
    const cv__etag *etag; /* NULL: none */
    cv_time modified;     /* .us 0: unknown */
} cv__validators;

typedef enum cv__verdict { CV__PROCEED, CV__NOT_MODIFIED, CV__PRECONDITION_FAILED } cv__verdict;

/** Judge in the order of RFC 9110 13.2.2. Dates that are none are ignored, as that says. Lists of tags that are none
 * match nothing; where something would be changed they fail. */
cv__verdict cv__conditions_judge(const cv__conditions *conditions, cv_method method, const cv__validators *now);

/** Whether a range may be sent: If-Range is absent or names what is there by a strong validator. A date is strong when
 *  the last change is not of this very second (`clock`: now). */
bool cv__if_range_holds(cv_str if_range, const cv__validators *now, cv_time clock);

/** The last change as it may be told: whole seconds, not after `clock` (RFC 9110 8.8.2.1). */
cv_time cv__last_modified(cv_time modified, cv_time clock);

#endif
