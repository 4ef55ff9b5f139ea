/* The process, under the names that Prometheus' own clients use. */
#include "base/metric.h"
#include "rt/watch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static size_t read_file(const char *path, char *text, size_t capacity)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t len = fread(text, 1, capacity - 1, file);
    text[len] = '\0';
    fclose(file);
    return len;
}

struct stat_line {
    long long threads, start_ticks, virtual_bytes, resident_pages;
};

/* proc(5): the second field, the name, may have anything in it; the others are numbers. */
static bool read_stat(struct stat_line *ret_line)
{
    enum { THREADS = 20, START = 22, VIRTUAL = 23, RESIDENT = 24 };
    char text[2048];
    if (!read_file("/proc/self/stat", text, sizeof text))
        return false;
    char *at = strrchr(text, ')');
    for (int field = 3; at && field <= RESIDENT; field++) {
        at = strchr(at + 1, ' ');
        long long value = at ? strtoll(at, NULL, 10) : 0;
        if (field == THREADS)
            ret_line->threads = value;
        else if (field == START)
            ret_line->start_ticks = value;
        else if (field == VIRTUAL)
            ret_line->virtual_bytes = value;
        else if (field == RESIDENT)
            ret_line->resident_pages = value;
    }
    return at != NULL;
}

static long long boot_time_s(void)
{
    FILE *file = fopen("/proc/stat", "re");
    char line[256];
    long long boot_s = 0;
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "btime ", 6) == 0)
            boot_s = strtoll(line + 6, NULL, 10);
    if (file)
        fclose(file);
    return boot_s;
}

static long long count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    long long count = -3; /* ".", "..", and the folder itself */
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count < 0 ? 0 : count;
}

static void set(cv_metrics *metrics, const char *name, const char *help, long long value)
{
    cv_gauge_set(cv_gauge_get(metrics, name, help, NULL), value);
}

static void collect_cpu_time(cv_metrics *metrics)
{
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) != 0)
        return;
    uint64_t us = ((uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec) * 1000000 +
                  (uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec;
    cv_counter_raise(cv_counter_get_seconds(metrics, "process_cpu_seconds_total",
                                            "Processor time of the process, of the system for it included.", NULL),
                     us * 1000);
}

static void collect(void *arg)
{
    cv_metrics *metrics = arg;
    struct stat_line line = {0};
    struct rlimit files;
    collect_cpu_time(metrics);
    if (read_stat(&line)) {
        long long start_s = boot_time_s() + line.start_ticks / sysconf(_SC_CLK_TCK);
        set(metrics, "process_resident_memory_bytes", "Memory in use.", line.resident_pages * sysconf(_SC_PAGESIZE));
        set(metrics, "process_virtual_memory_bytes", "Address space in use.", line.virtual_bytes);
        set(metrics, "process_threads", "Threads.", line.threads);
        set(metrics, "process_start_time_seconds", "When the process was started, in seconds since 1970.", start_s);
    }
    set(metrics, "process_open_fds", "Open file descriptors.", count_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        set(metrics, "process_max_fds", "File descriptors that may be open.", (long long)files.rlim_cur);
}

int cv__process_metrics(cv_metrics *metrics)
{
    return cv_metrics_on_collect(metrics, collect, metrics);
}
