"""The formatter and clang-tidy, with this repository's settings, find what they are there to find."""
import json
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


def tidy_project(folder):
    """tools/tidy over a project with one file, whose build folder is its root."""
    if not shutil.which('clang-tidy'):
        raise tap.Skip('clang-tidy is not installed')
    shutil.copy(tap.ROOT / '.clang-tidy', folder)
    source = folder / 'src' / 'a.c'
    command = f'clang -std=c17 -MD -MQ a.o -MF a.o.d -o a.o -c {source}'
    commands = [{'directory': str(folder), 'file': str(source), 'command': command}]
    (folder / 'compile_commands.json').write_text(json.dumps(commands), encoding='utf-8')
    return tap.run(tap.ROOT / 'tools' / 'tidy', folder, folder)


def cached(folder):
    return len(list((folder / 'tidy-cache').iterdir()))


def test_a_file_is_asked_again_when_its_header_changes(folder):
    tap.write(folder, src__a_c='#include "a.h"\nint f(int x)\n{\n    return CHANGED;\n}\n')
    for body, expected, reason in (('x + 1', 0, ''), ('*(int *)0 + x', 1, 'clang-analyzer-core.NullDereference')):
        tap.write(folder, src__a_h=f'int f(int x);\n#define CHANGED {body}\n')
        for _ in range(2):
            code, output = tidy_project(folder)
            assert code == expected and reason in output and cached(folder) == 1, output


def test_clean_code_passes_the_formatter(folder):
    code, output = format_of(folder, GOOD)
    assert code == 0, output


def test_wrong_format_is_found(folder):
    code, output = format_of(folder, GOOD.replace('    size_t len', '  size_t   len'))
    assert code != 0 and 'clang-format-violations' in output, output


tap.main(sys.modules[__name__])
