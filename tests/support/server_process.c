#include "server_process.h"
#include "await.h"
#include "test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- folders --- */

static const struct passwd *server_user(void)
{
    return geteuid() == 0 ? getpwnam("nobody") : NULL;
}

void test_server_path(const char *folder, const char *name, char ret_path[TEST_PATH_BYTES])
{
    size_t len = strnlen(folder, TEST_FOLDER_BYTES - 1);
    memcpy(ret_path, folder, len);
    snprintf(ret_path + len, TEST_PATH_BYTES - len, "/%s", name);
}

void test_server_folder(const char *inner, char ret_folder[TEST_FOLDER_BYTES])
{
    const char *tmp = getenv("TMPDIR");
    char path[TEST_PATH_BYTES];
    snprintf(ret_folder, TEST_FOLDER_BYTES, "%s/covet-server.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(ret_folder));
    test_server_path(ret_folder, inner, path);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(chmod(ret_folder, 0755), 0);
    const struct passwd *user = server_user();
    if (user) {
        assert_int_equal(chown(ret_folder, user->pw_uid, user->pw_gid), 0);
        assert_int_equal(chown(path, user->pw_uid, user->pw_gid), 0);
    }
}

void test_server_file(const char *folder, const char *name, const char *text)
{
    char path[TEST_PATH_BYTES];
    const struct passwd *user = server_user();
    test_server_path(folder, name, path);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    if (user)
        assert_int_equal(fchown(fd, user->pw_uid, user->pw_gid), 0);
    close(fd);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void test_server_remove(const char *folder)
{
    nftw(folder, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
}

int test_server_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    return ntohs(address.sin_port);
}

/* --- programs --- */

/* The programs of a server refuse to run as root. */
static void become_server_user(void)
{
    const struct passwd *user = server_user();
    if (user && (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(126);
}

_Noreturn static void become_program(const char *folder, const char *path, const char *const arguments[],
                                     const char *output)
{
    become_server_user();
    if (chdir(folder) != 0)
        _exit(127);
    int in = open("/dev/null", O_RDONLY), out = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(in, 0);
    dup2(out, 1);
    dup2(out, 2);
    setenv("LC_ALL", "C", 1);
    setenv("HOME", folder, 1);
    unsetenv("LD_PRELOAD"); /* sanitizers are for the code under test */
    execv(path, (char *const *)(uintptr_t)arguments);
    _exit(127);
}

pid_t test_server_spawn(const char *folder, const char *path, const char *const arguments[])
{
    pid_t pid = fork();
    if (pid == 0)
        become_program(folder, path, arguments, "out");
    assert_true(pid > 0);
    return pid;
}

int test_server_program(const char *folder, const char *path, const char *const arguments[])
{
    pid_t pid = fork();
    if (pid == 0)
        become_program(folder, path, arguments, "/dev/null");
    assert_true(pid > 0);
    int status = test_process_reap(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- processes --- */

pid_t test_server_pid(const char *folder, const char *name)
{
    char path[TEST_PATH_BYTES];
    int pid = 0;
    test_server_path(folder, name, path);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%d", &pid) != 1)
            pid = 0;
        fclose(file);
    }
    return pid;
}

pid_t test_process_parent(pid_t pid)
{
    char path[64], line[512];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fgets(line, sizeof line, file) && strrchr(line, ')'))
        sscanf(strrchr(line, ')') + 1, " %*c %d", &parent);
    fclose(file);
    return parent;
}

/* The state of a process or thread, by its file "stat"; '\0' when there is none. */
static char state_in(const char *path)
{
    char line[512];
    FILE *file = fopen(path, "r");
    if (!file)
        return '\0';
    const char *name_end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return name_end && name_end[1] ? name_end[2] : '\0';
}

bool test_process_is_running(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    char state = state_in(path);
    return state && state != 'Z' && state != 'X';
}

static bool stands_still(pid_t pid)
{
    char path[64];
    bool still = true;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    for (struct dirent *entry; threads && (entry = readdir(threads));) {
        snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, atoi(entry->d_name));
        still &= entry->d_name[0] == '.' || strchr("TtZX", state_in(path));
    }
    if (threads)
        closedir(threads);
    return still;
}

void test_process_freeze(pid_t pid)
{
    assert_int_equal(kill(pid, SIGSTOP), 0);
    await_blocked(stands_still(pid));
}

int test_process_reap(pid_t pid)
{
    int status = -1;
    await_blocked(waitpid(pid, &status, WNOHANG) != 0);
    return status;
}

void test_process_await_end(pid_t pid)
{
    await_blocked(!test_process_is_running(pid));
}
