/* The least handler for kore, built with its kodev into a library that it loads. */
#include <kore/kore.h>

#include <kore/http.h>

int page(struct http_request *req);

int page(struct http_request *req)
{
    http_response_header(req, "content-type", "text/plain");
    http_response(req, 200, "Hello, World!", 13);
    return KORE_RESULT_OK;
}
