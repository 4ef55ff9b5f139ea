/* Whatever the bytes: no crash, and every scalar that was read comes back the same after it was emitted. */
#include "base/yaml.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_text(cv_ctx *cx, cv_str text)
{
    const cv__yaml_node *root = NULL;
    cv_buf out;
    cv_buf_init(&out, 0);
    cv_buf_add_text(&out, "k: ");
    cv__yaml_add_scalar(&out, text);
    must(cv__yaml_read(cx, cv_buf_str(&out), &(cv__yaml_options){.max_bytes = 1 << 24}, &root) == 0);
    must(cv_str_equal(root->first->text, text));
    cv_buf_done(&out);
}

/* Recursion is bounded by the reader's depth. */
static void walk(cv_ctx *cx, const cv__yaml_node *node)
{
    size_t count = 0;
    if (node->kind == CV__YAML_SCALAR) {
        check_text(cx, node->text);
        return;
    }
    for (const cv__yaml_node *at = node->first; at; at = at->next, count++) {
        must((at->key.ptr != NULL) == (node->kind == CV__YAML_MAPPING));
        walk(cx, at);
    }
    must(count == node->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cv_ctx *cx = cv_ctx_new(0);
    const cv__yaml_node *root = NULL;
    must(cx != NULL);
    if (cv__yaml_read(cx, cv_str_make((const char *)data, size), NULL, &root) == 0 && root)
        walk(cx, root);
    cv_ctx_free(cx);
    return 0;
}
