#include "rt/rt.h"

#include <stdio.h>
#include <stdlib.h>

void cv__die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("covet: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}
