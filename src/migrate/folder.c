/* FOLDER/LABEL/NNNN_name.yaml, read by a thread of the lane for files. The thread touches nothing but its `reading`,
 * which has an arena of its own; what it found is copied into the context's arena afterwards. */
#include "migrate/migrations.h"
#include <covet/lane.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FOLDER_BYTES (64 * 1024 * 1024)

struct reading {
    char *folder;
    char *real; /* of the folder, without links */
    cv_arena *arena;
    cv__source_file *files;
    size_t count, capacity, bytes;
    bool exists;
    const char *message, *hint; /* of the failure */
    int references;             /* both belong to the runtime's thread */
};

static void unref_reading(void *arg)
{
    struct reading *r = arg;
    if (--r->references > 0)
        return;
    cv_arena_free(r->arena);
    free(r->folder);
    free(r->real);
    free(r);
}

static int fail_errno(struct reading *r, const char *path, int error)
{
    r->message = cv_arena_printf(r->arena, "could not read \"%s\": %s", path, strerror(error));
    return error == ENOMEM ? CV_E_NOMEM : error == EACCES || error == EPERM ? CV_E_PERMISSION : CV_E_IO;
}

/* Links are allowed as long as they stay inside. */
static int need_inside(struct reading *r, const char *path)
{
    char *real = realpath(path, NULL);
    if (!real)
        return fail_errno(r, path, errno);
    size_t len = strlen(r->real);
    bool inside = strcmp(r->real, "/") == 0 || (strncmp(real, r->real, len) == 0 && real[len] == '/');
    free(real);
    if (inside)
        return 0;
    r->message = cv_arena_printf(r->arena, "\"%s\" leads outside of \"%s\"", path, r->folder);
    r->hint = "migrations are read from their folder alone; put a copy there";
    return CV_E_MIGRATION;
}

static int read_whole(struct reading *r, const char *path, int fd, cv_str *ret_text)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return fail_errno(r, path, errno);
    if (!S_ISREG(status.st_mode)) {
        r->message = cv_arena_printf(r->arena, "\"%s\" is not a file", path);
        return CV_E_MIGRATION;
    }
    if (status.st_size > CV__FILE_MAX_BYTES || r->bytes + (size_t)status.st_size > MAX_FOLDER_BYTES) {
        r->message = cv_arena_printf(r->arena, "\"%s\" is too large: a migration has at most 1 MiB, all have 64", path);
        return CV_E_TOO_LARGE;
    }
    size_t size = (size_t)status.st_size, len = 0;
    char *text = cv_arena_alloc(r->arena, size + 1);
    if (!text)
        return CV_E_NOMEM;
    while (len < size) {
        ssize_t got = read(fd, text + len, size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(r, path, errno);
        if (got == 0)
            break;
        len += (size_t)got;
    }
    text[len] = '\0';
    r->bytes += len;
    *ret_text = cv_str_make(text, len);
    return 0;
}

static cv__source_file *new_file(struct reading *r)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 64;
        cv__source_file *grown = cv_arena_zalloc(r->arena, capacity, sizeof *grown);
        if (!grown)
            return NULL;
        if (r->count)
            memcpy(grown, r->files, r->count * sizeof *grown);
        r->files = grown;
        r->capacity = capacity;
    }
    return &r->files[r->count++];
}

static int add_file(struct reading *r, const char *label, cv_str name, const char *path)
{
    CV_TRY(need_inside(r, path));
    if (r->count == CV__MAX_MIGRATIONS) {
        r->message = cv_arena_printf(r->arena, "\"%s\" has more than %d migrations", r->folder, CV__MAX_MIGRATIONS);
        return CV_E_LIMIT;
    }
    cv__source_file *file = new_file(r);
    if (!file)
        return CV_E_NOMEM;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(r, path, errno);
    *file = (cv__source_file){.label = label, .path = path, .name = cv_arena_strndup(r->arena, name.ptr, name.len)};
    int rc = read_whole(r, path, fd, &file->text);
    close(fd);
    return file->name ? rc : CV_E_NOMEM;
}

/* Files of other kinds (notes, drafts of editors) are not read. */
static int add_entry(struct reading *r, const char *label, const char *directory, const char *entry)
{
    cv_str name = cv_str_of(entry);
    bool yml = cv_str_ends_with(name, CV_STR(".yml"));
    if (entry[0] == '.' || (!yml && !cv_str_ends_with(name, CV_STR(".yaml"))))
        return 0;
    const char *path = cv_arena_printf(r->arena, "%s/%s", directory, entry);
    if (!path)
        return CV_E_NOMEM;
    name = cv_str_sub(name, 0, name.len - 5);
    if (yml || !cv__migration_name_ok(name)) {
        r->message = cv_arena_printf(r->arena, "\"%s\" cannot be the name of a migration", path);
        r->hint = "four digits, an underscore, then small letters, digits and underscores: 0002_add_isbn.yaml";
        return CV_E_MIGRATION;
    }
    return add_file(r, label, name, path);
}

static int add_label(struct reading *r, const char *entry)
{
    const char *path = cv_arena_printf(r->arena, "%s/%s", r->folder, entry);
    const char *label = cv_arena_strdup(r->arena, entry);
    struct stat status;
    if (!path || !label)
        return CV_E_NOMEM;
    if (stat(path, &status) < 0)
        return fail_errno(r, path, errno);
    if (!S_ISDIR(status.st_mode))
        return 0;
    if (!cv__label_ok(cv_str_of(entry))) {
        r->message = cv_arena_printf(r->arena, "\"%s\" cannot be the folder of a label", path);
        r->hint = "labels consist of small letters, digits and underscores";
        return CV_E_MIGRATION;
    }
    CV_TRY(need_inside(r, path));
    DIR *directory = opendir(path);
    if (!directory)
        return fail_errno(r, path, errno);
    int rc = 0;
    for (const struct dirent *at = readdir(directory); at && rc == 0; at = readdir(directory))
        rc = add_entry(r, label, path, at->d_name);
    closedir(directory);
    return rc;
}

static int read_folder(void *arg)
{
    struct reading *r = arg;
    DIR *directory = opendir(r->folder);
    if (!directory)
        return errno == ENOENT ? 0 : fail_errno(r, r->folder, errno);
    r->exists = true;
    r->real = realpath(r->folder, NULL);
    int rc = r->real ? 0 : fail_errno(r, r->folder, errno);
    for (const struct dirent *at = readdir(directory); at && rc == 0; at = readdir(directory))
        if (at->d_name[0] != '.')
            rc = add_label(r, at->d_name);
    closedir(directory);
    return rc;
}

/* ---- on the runtime's thread ---- */

static int copy_files(cv_ctx *cx, const struct reading *r, cv__source_file **ret_files, size_t *ret_count)
{
    cv__source_file *files = cv_zalloc(cx, r->count + 1, sizeof *files);
    if (!files)
        return CV_E_NOMEM;
    for (size_t i = 0; i < r->count; i++) {
        const cv__source_file *from = &r->files[i];
        files[i].label = cv_strdup(cx, from->label);
        files[i].name = cv_strdup(cx, from->name);
        files[i].path = cv_strdup(cx, from->path);
        files[i].text = cv_str_make(cv_strndup(cx, from->text.ptr, from->text.len), from->text.len);
        if (!files[i].label || !files[i].name || !files[i].path || !files[i].text.ptr)
            return CV_E_NOMEM;
    }
    *ret_files = files;
    *ret_count = r->count;
    return 0;
}

static int offload(cv_ctx *cx, struct reading *r)
{
    r->references++;
    int rc = cv_offload(cx, CV_LANE_FILES, read_folder, r, unref_reading);
    bool of_the_lane = rc == CV_E_TIMEOUT || rc == CV_E_CANCELLED || rc == CV_E_BUSY || rc == CV_E_CONTEXT ||
                       rc == CV_E_SYSTEM; /* read_folder returns none of these */
    if (rc == 0 || of_the_lane)
        return rc;
    rc = cv_fail(cx, rc, "%s", r->message ? r->message : "could not read the migrations: out of memory");
    if (r->hint)
        cv_error_hint(cx, "%s", r->hint);
    return rc;
}

int cv__folder_read(cv_ctx *cx, const char *folder, cv__source_file **ret_files, size_t *ret_count, bool *ret_exists)
{
    struct reading *r = calloc(1, sizeof *r);
    if (!r)
        return cv_fail(cx, CV_E_NOMEM, "could not read the migrations: out of memory");
    r->references = 1;
    r->folder = strdup(folder);
    r->arena = cv_arena_new(2 * MAX_FOLDER_BYTES);
    int rc = r->folder && r->arena ? offload(cx, r)
                                   : cv_fail(cx, CV_E_NOMEM, "could not read the migrations: %s", "out of memory");
    if (rc == 0)
        rc = copy_files(cx, r, ret_files, ret_count);
    if (rc == 0)
        *ret_exists = r->exists;
    unref_reading(r);
    return rc;
}
