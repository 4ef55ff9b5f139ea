"""tools/check_symbols: what a library exports is what its public headers declare."""
import os
import sys

import tap

HEADER = '''#define CV_API __attribute__((visibility("default")))
#define CV_DO(x) cv__do(x)
/* CV_API int cv_in_a_comment(void); */
CV_API int cv_one(int x);
CV_API __attribute__((warn_unused_result)) char *cv_two(int (*fn)(int), int x);
CV_API int cv__do(int x);
CV_API extern const int cv_table[2];
'''
SOURCE = '''#include <covet/all.h>
int cv_one(int x) { return x; }
char *cv_two(int (*fn)(int), int x) { return fn(x) ? (char *)0 : (char *)1; }
int cv__do(int x) { return x; }
const int cv_table[2] = {1, 2};
int hidden(int x);
int hidden(int x) { return x; }
'''


def check(folder, header='', source=''):
    tap.write(folder, include__covet__all_h=HEADER + header, src__all_c=SOURCE + source)
    library = folder / 'libcovet.so'
    code, output = tap.run('cc', '-shared', '-fPIC', '-fvisibility=hidden', f'-I{folder}/include', folder / 'src/all.c',
                           '-o', library)
    assert code == 0, output
    return tap.run(tap.ROOT / 'tools' / 'check_symbols', library, folder)


def expect(result, violation):
    code, output = result
    assert code == 1, output
    assert violation in output, output
    assert len(output.splitlines()) == 1, output


def test_the_library_of_this_build(_folder):
    code, output = tap.run(tap.ROOT / 'tools' / 'check_symbols', os.environ['COVET_LIBRARY'])
    assert code == 0, output


def test_library_that_exports_what_is_declared(folder):
    assert check(folder) == (0, '')


def test_declared_and_not_defined(folder):
    expect(check(folder, header='CV_API int cv_missing(void);\n'),
           'include/covet/all.h:8: "cv_missing" is declared and not exported')


def test_exported_and_not_declared(folder):
    expect(check(folder, source='CV_API int cv_secret(void) { return 1; }\n'), 'exports "cv_secret"')


def test_name_without_the_prefix(folder):
    expect(check(folder, header='CV_API int lookup(void);\n', source='int lookup(void) { return 1; }\n'),
           '"lookup" does not begin with cv_')


def test_internal_name_that_no_macro_needs(folder):
    expect(check(folder, header='CV_API int cv__inner(void);\n', source='int cv__inner(void) { return 1; }\n'),
           '"cv__inner" is internal and no public macro expands to it')


tap.main(sys.modules[__name__])
