"""The formatter and clang-tidy, with this repository's settings, find what they are there to find."""
import shutil
import sys

import tap

GOOD = '#include <stddef.h>\n\nsize_t cv_length(const char *text);\n\nsize_t cv_length(const char *text)\n{\n    size_t len = 0;\n' \
       '    while (text[len])\n        len++;\n    return len;\n}\n'


def tidy(folder, source):
    if not shutil.which('clang-tidy'):
        raise tap.Skip('clang-tidy is not installed')
    shutil.copy(tap.ROOT / '.clang-tidy', folder)
    tap.write(folder, a_c=source)
    return tap.run('clang-tidy', '--quiet', folder / 'a.c', '--', '-std=c17')


def format_of(folder, source):
    if not shutil.which('clang-format'):
        raise tap.Skip('clang-format is not installed')
    shutil.copy(tap.ROOT / '.clang-format', folder)
    tap.write(folder, a_c=source)
    return tap.run('clang-format', '--dry-run', '-Werror', folder / 'a.c')


def test_clean_code_passes_clang_tidy(folder):
    code, output = tidy(folder, GOOD)
    assert code == 0, output


def test_null_dereference_is_found(folder):
    code, output = tidy(folder, 'int f(int x);\nint f(int x)\n{\n    int *p = 0;\n    return x ? *p : 1;\n}\n')
    assert code != 0 and 'clang-analyzer-core.NullDereference' in output, output


def test_the_same_question_twice_is_found(folder):
    code, output = tidy(folder, 'int f(int x);\nint f(int x)\n{\n    return x > 5 && x > 5;\n}\n')
    assert code != 0 and 'misc-redundant-expression' in output, output


def test_clean_code_passes_the_formatter(folder):
    code, output = format_of(folder, GOOD)
    assert code == 0, output


def test_wrong_format_is_found(folder):
    code, output = format_of(folder, GOOD.replace('    size_t len', '  size_t   len'))
    assert code != 0 and 'clang-format-violations' in output, output


tap.main(sys.modules[__name__])
