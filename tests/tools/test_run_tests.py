"""tools/run_tests counts cases, and a test program cannot fail without being counted."""
import sys

import tap


def suite(folder, *tests):
    """A meson project whose tests are shell scripts: (name, protocol, script)."""
    lines = ["project('t')"]
    for name, protocol, script in tests:
        (folder / f'{name}.sh').write_text(script, encoding='utf-8')
        lines.append(f"test('{name}', find_program('sh'), args: files('{name}.sh'), protocol: '{protocol}', timeout: 5)")
    (folder / 'meson.build').write_text('\n'.join(lines), encoding='utf-8')
    code, output = tap.run('meson', 'setup', folder / 'b', folder)
    assert code == 0, output
    code, output = tap.run(tap.ROOT / 'tools' / 'run_tests', folder / 'b')
    return code, output, output.splitlines()[-1]


def test_cases_are_counted_over_all_programs(folder):
    code, output, last = suite(folder, ('a', 'tap', 'echo 1..2; echo ok 1 - x; echo ok 2 - y'),
                               ('b', 'tap', 'echo 1..1; echo ok 1 - z'), ('c', 'exitcode', 'exit 0'))
    assert (code, last) == (0, '4 passed, 0 failed'), output


def test_failed_case_is_named_with_its_output(folder):
    code, output, last = suite(folder, ('a', 'tap', 'echo 1..2; echo ok 1 - x\necho not ok 2 - y\necho "# 1 != 2"; exit 1'))
    assert (code, last) == (1, '1 passed, 1 failed'), output
    assert 'FAILED a: y' in output and '# 1 != 2' in output, output


def test_skipped_cases_are_counted_apart(folder):
    code, output, last = suite(folder, ('a', 'tap', 'echo 1..2; echo ok 1 - x "# SKIP no data"; echo "not ok 2 # SKIP y"'),
                               ('b', 'tap', 'echo 1..1; echo ok 1 - z'))
    assert (code, last) == (0, '1 passed, 0 failed, 2 skipped'), output


def test_crash_counts_as_a_failure_beyond_its_cases(folder):
    code, output, last = suite(folder, ('a', 'tap', 'echo 1..3; echo ok 1 - x; echo ok 2 - y; kill -SEGV $$'))
    assert (code, last) == (1, '2 passed, 1 failed'), output
    assert 'killed by signal 11' in output and 'last case: y' in output, output


def test_crash_before_the_first_case_shows_what_was_said(folder):
    code, output, last = suite(folder, ('a', 'tap', 'echo 1..3; echo "# opening"; echo why >&2; kill -SEGV $$'))
    assert (code, last) == (1, '0 passed, 1 failed'), output
    assert '# opening' in output and 'why' in output, output


def test_early_end_counts_as_a_failure(folder):
    code, output, last = suite(folder, ('a', 'tap', 'echo 1..3; echo ok 1 - x'))
    assert (code, last) == (1, '1 passed, 1 failed'), output
    assert 'ended after 1 of 3 cases' in output, output


def test_status_without_a_failed_case_counts_as_a_failure(folder):
    code, output, last = suite(folder, ('a', 'tap', 'echo 1..1; echo ok 1 - x; echo leak >&2; exit 23'))
    assert (code, last) == (1, '1 passed, 1 failed'), output
    assert 'status 23' in output and 'leak' in output, output


def test_timeout_counts_as_a_failure(folder):
    code, output, last = suite(folder, ('a', 'tap', 'echo 1..1; while :; do read x < /dev/zero; done'))
    assert (code, last) == (1, '0 passed, 1 failed'), output
    assert 'timed out' in output, output


def test_no_test_at_all_is_a_failure(folder):
    code, output, _ = suite(folder)
    assert code == 1, output


tap.main(sys.modules[__name__])
