/* elfutils' libdwfl over the objects that this process has loaded. */
#include "rt/stacks.h"

#include <dlfcn.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cv__symbols {
    Dwfl *dwfl;
};

/* Debug information in a file of its own, where distributions put it. The library's own search would also ask servers
 * in the network. */
static int find_debuginfo(Dwfl_Module *module, void **user_data, const char *name, Dwarf_Addr base, const char *file,
                          const char *link, GElf_Word crc, char **ret_path)
{
    const unsigned char *id;
    GElf_Addr address;
    char path[256];
    int len = dwfl_module_build_id(module, &id, &address);
    (void)user_data;
    (void)name;
    (void)base;
    (void)file;
    (void)link;
    (void)crc;
    if (len < 2 || len > 64)
        return -1;
    int at = snprintf(path, sizeof path, "/usr/lib/debug/.build-id/%02x/", id[0]);
    for (int i = 1; i < len; i++)
        at += snprintf(path + at, sizeof path - (size_t)at, "%02x", id[i]);
    snprintf(path + at, sizeof path - (size_t)at, ".debug");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        *ret_path = strdup(path);
    return fd;
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_linux_proc_find_elf,
    .find_debuginfo = find_debuginfo,
};

cv__symbols *cv__symbols_open(void)
{
    cv__symbols *symbols = calloc(1, sizeof *symbols);
    if (!symbols)
        return NULL;
    symbols->dwfl = dwfl_begin(&callbacks);
    if (symbols->dwfl && dwfl_linux_proc_report(symbols->dwfl, getpid()) == 0 &&
        dwfl_report_end(symbols->dwfl, NULL, NULL) == 0)
        return symbols;
    dwfl_end(symbols->dwfl);
    symbols->dwfl = NULL;
    return symbols;
}

void cv__symbols_close(cv__symbols *symbols)
{
    if (!symbols)
        return;
    dwfl_end(symbols->dwfl);
    free(symbols);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Paths are as the compiler was told: what leads from the build folder to the sources says nothing. */
static const char *short_path(const char *path)
{
    while (strncmp(path, "../", 3) == 0)
        path += 3;
    return path;
}

static void write_line(Dwfl_Module *module, Dwarf_Addr address, cv_buf *out)
{
    int number = 0;
    Dwfl_Line *line = dwfl_module_getsrc(module, address);
    const char *file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
    if (file)
        cv_buf_printf(out, " %s:%d", short_path(file), number);
}

/* Without symbol tables: what the dynamic linker knows. */
static void write_object(uintptr_t address, cv_buf *out)
{
    Dl_info info;
    if (dladdr((void *)address, &info) && info.dli_fname) /* NOLINT(performance-no-int-to-ptr) */
        cv_buf_printf(out, "%s+0x%zx", last_part(info.dli_fname), (size_t)(address - (uintptr_t)info.dli_fbase));
    else
        cv_buf_printf(out, "0x%zx", (size_t)address);
}

void cv__symbols_write(cv__symbols *symbols, uintptr_t address, cv_buf *out)
{
    Dwfl_Module *module = symbols && symbols->dwfl ? dwfl_addrmodule(symbols->dwfl, address) : NULL;
    const char *name = module ? dwfl_module_addrname(module, address) : NULL;
    if (!name) {
        write_object(address, out);
        return;
    }
    cv_buf_add_text(out, name);
    write_line(module, address, out);
}
