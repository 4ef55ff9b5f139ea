"""tools/coverage prints the share of covered lines and enforces the minimum."""
import sys

import tap

SOURCE = 'int f(int x);\nint main(void)\n{\n    return f(1);\n}\nint f(int x)\n{\n    if (x)\n        return 0;\n    return 1;\n}\n'


def coverage(folder, minimum):
    tap.write(folder, src__a_c=SOURCE)
    (folder / 'b' / 'src').mkdir(parents=True)
    for command in (['cc', '--coverage', '-c', 'src/a.c', '-o', 'b/src/a.o'], ['cc', '--coverage', 'b/src/a.o', '-o', 'b/a'],
                    ['b/a']):
        code, output = tap.run(*command, cwd=folder)
        assert code == 0, output
    return tap.run(tap.ROOT / 'tools' / 'coverage', 'b', minimum, cwd=folder)


def test_enough(folder):
    assert coverage(folder, 80) == (0, 'lines: 83.3% (5 of 6)\n')


def test_too_little_names_the_files(folder):
    code, output = coverage(folder, 90)
    assert code == 1, output
    assert 'lines: 83.3% (5 of 6), below the required 90%' in output, output
    assert 'src/a.c' in output, output


tap.main(sys.modules[__name__])
