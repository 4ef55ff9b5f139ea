/* Prometheus' own checker, where it is installed. */
#ifndef COVET_TESTS_SUPPORT_PROMTOOL_H
#define COVET_TESTS_SUPPORT_PROMTOOL_H

#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

#define skip_without_promtool()                                                                                        \
    do {                                                                                                               \
        print_message("# promtool is not installed (package prometheus): the text is not checked with it\n");          \
        skip();                                                                                                        \
    } while (0)

/* Judge an exposition text: 0 it is good, 1 it is not and `ret_said` (to be freed) tells why, -1 there is no promtool.
 */
static inline int promtool_check(cv_str text, char **ret_said)
{
    char path[] = "/tmp/covet-metrics-XXXXXX";
    char command[128];
    *ret_said = NULL;
    if (system("command -v promtool >/dev/null") != 0)
        return -1;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.ptr, text.len), (ssize_t)text.len);
    close(fd);
    snprintf(command, sizeof command, "promtool check metrics <%s 2>&1", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char *said = calloc(1, 8192);
    assert_non_null(said);
    size_t len = fread(said, 1, 8191, pipe);
    said[len] = '\0';
    int status = pclose(pipe);
    unlink(path);
    *ret_said = said;
    return status == 0 ? 0 : 1;
}

#endif
