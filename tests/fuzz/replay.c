/* Runs a fuzz target over every file of its corpus folder, one TAP case a file: what fuzzing once found stays found. */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INPUT_BYTES (16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* A copy of exactly the input's size, so that a sanitizer sees a read beyond its end. */
static int replay_stream(FILE *file)
{
    if (fseek(file, 0, SEEK_END) != 0)
        return -1;
    long size = ftell(file);
    if (size < 0 || size > MAX_INPUT_BYTES || fseek(file, 0, SEEK_SET) != 0)
        return -1;
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    if (!data)
        return -1;
    int rc = fread(data, 1, (size_t)size, file) == (size_t)size ? 0 : -1;
    if (rc == 0)
        LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return rc;
}

static int replay_file(const char *folder, const char *name)
{
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return -1;
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    int rc = replay_stream(file);
    fclose(file);
    return rc;
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    int count = argc == 2 ? scandir(argv[1], &entries, is_input, alphasort) : -1;
    if (count <= 0) {
        fprintf(stderr, "cannot replay \"%s\": %s\n", argc == 2 ? argv[1] : "",
                count == 0 ? "the folder has no inputs" : strerror(errno));
        return EXIT_FAILURE;
    }
    int failed = 0;
    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        printf("# %s\n", entries[i]->d_name); /* a crash leaves the name of its input behind */
        fflush(stdout);
        int rc = replay_file(argv[1], entries[i]->d_name);
        printf("%sok %d - %s\n", rc == 0 ? "" : "not ", i + 1, entries[i]->d_name);
        fflush(stdout);
        failed += rc != 0;
        free(entries[i]);
    }
    free(entries);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
