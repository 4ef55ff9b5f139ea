"""The command `packages import`: mirroring package lists, all or nothing."""
import os
import signal
import subprocess
import sys
from contextlib import suppress

import service
import tap

SMALL = '''Package: hello
Status: install ok installed
Section: devel
Maintainer: Jane Doe <jane@example.org>
Architecture: amd64
Version: 1.0-1
Depends: libc6 (>= 2.34), default-mta | mail-transport-agent, python3:any
Conffiles:
 /etc/hello abc
Installed-Size: 280
Homepage: https://example.org/hello
Description: says hello
 A longer text
 .
 of two paragraphs.

Package: libc6
Status: install ok installed
Section: libs
Maintainer: Jane Doe <jane@example.org>
Architecture: amd64
Version: 2.36-9
Description: the C library


Package: gone
Status: deinstall ok not-installed

Package: left
Status: deinstall ok config-files
Version: 3
Architecture: all
'''


def packages(folder):
    program = service.Program(os.environ['PACKAGES'], folder, 'packages.db')
    program.run('migrate')
    return program


def imported(folder, text):
    """Import a text as a file; the program."""
    program = packages(folder)
    (folder / 'list').write_text(text)
    program.run('import', 'list')
    return program


def test_small_list(folder):
    program = packages(folder)
    (folder / 'list').write_text(SMALL)
    counts = program.json('import', 'list')
    assert counts == {'packages': 3, 'sections': 3, 'maintainers': 2, 'dependencies': 4, 'duplicates': 0}, counts
    hello = program.rows("SELECT version, status, installed_size, summary, description, homepage FROM packages "
                          "WHERE name = 'hello'")
    assert hello == [('1.0-1', 'installed', 280, 'says hello', ' A longer text\n .\n of two paragraphs.',
                      'https://example.org/hello')], hello
    assert program.rows("SELECT status, installed_size, priority FROM packages WHERE name = 'left'") == [
        ('config-files', None, None)]
    assert program.rows('SELECT kind, position, alternative, name, architecture, relation, version FROM dependencies '
                         'ORDER BY position, alternative') == [
        ('depends', 0, 0, 'libc6', None, '>=', '2.34'), ('depends', 1, 0, 'default-mta', None, None, None),
        ('depends', 1, 1, 'mail-transport-agent', None, None, None), ('depends', 2, 0, 'python3', 'any', None, None)]


def test_machine_has_as_many_packages_as_dpkg_says(folder):
    admin = os.environ.get('DPKG_ADMINDIR', '/var/lib/dpkg')
    if not os.path.exists(f'{admin}/status'):
        raise tap.Skip('this machine has no dpkg database')
    listed = subprocess.run(['dpkg-query', f'--admindir={admin}', '-W', '-f', '${Package}:${Architecture}\n'],
                            check=True, capture_output=True, text=True).stdout.split()
    program = packages(folder)
    program.run('import', f'{admin}/status')
    stored = [f'{name}:{architecture}' for name, architecture in program.rows('SELECT name, architecture FROM packages')]
    assert sorted(stored) == sorted(listed), set(stored) ^ set(listed)


def test_importing_again_changes_nothing(folder):
    program = imported(folder, SMALL)
    before = program.rows('SELECT name, architecture, version FROM packages ORDER BY name')
    program.run('import', 'list')
    assert program.rows('SELECT name, architecture, version FROM packages ORDER BY name') == before
    (folder / 'list').write_text(SMALL.replace('Package: hello', 'Package: goodbye'))
    program.run('import', 'list')
    assert [name for name, in program.rows('SELECT name FROM packages ORDER BY name')] == ['goodbye', 'left', 'libc6']


def test_package_listed_twice_counts_once(folder):
    program = packages(folder)
    counts = program.run('import', '-', '--json', stdin=SMALL + '\n' + SMALL)[0]
    assert '"packages":3' in counts and '"duplicates":3' in counts, counts


def test_standard_input(folder):
    program = packages(folder)
    output, _ = program.run('import', '-', stdin=SMALL)
    assert 'imported 3 packages' in output, output
    error = program.error('import', '-', stdin='Package: a\nnonsense\n')
    assert 'standard input, line 2' in error, error


def test_broken_lists_say_where_and_change_nothing(folder):
    program = imported(folder, SMALL)
    before = program.rows('SELECT name FROM packages')
    broken = {
        'Package: a\nVersion 1\n': 'line 2: expected "Field: value", found "Version 1"',
        ' continued\n': 'line 1: a continuation line',
        'Package: a\n\nVersion: 1\n': 'line 3: the paragraph has no field "Package"',
        'Package: a\n\n\nPackage: b\nDepends: c (>= 1\n': 'line 4: cannot import the package "b"',
        'Package: a\nDepends: (>= 1)\n': 'cannot read the relation',
        'Package: a\nVersion: ' + 'x' * 201 + '\n': 'at most 200 characters',
        'Package: a\nInstalled-Size: -5\n': 'at least 0',
        ''.join(f'F{n}: x\n' for n in range(200)): 'more than 128 fields',
        'Package: a\nDescription: ' + 'x' * (5 << 20) + '\n': 'larger than 4 MiB',
        '': 'there is no package in it',
    }
    for text, message in broken.items():
        (folder / 'broken').write_text(text)
        error = program.error('import', 'broken')
        assert 'packages: broken' in error and message in error, error
        assert program.rows('SELECT name FROM packages') == before
    (folder / 'broken').write_bytes(b'Package: a\nVersion: \xff\n')
    assert 'UTF-8' in program.error('import', 'broken')


def test_files_that_cannot_be_read(folder):
    program = packages(folder)
    assert 'could not open "nowhere": No such file' in program.error('import', 'nowhere')
    assert 'it is a directory' in program.error('import', '/')
    assert 'takes one file' in program.error('import', 'a', 'b', code=2)
    assert 'not "--fiel"' in program.error('import', '--fiel', code=2)


def test_import_before_migrate_says_what_to_do(folder):
    program = service.Program(os.environ['PACKAGES'], folder)
    error = program.error('import', '-', stdin=SMALL)
    assert 'no such table' in error and 'migrations' in error, error


def test_list_of_a_whole_distribution(folder):
    program = packages(folder)
    for count in 40000, 40000: # the second time everything is replaced
        code, output = tap.run(sys.executable, tap.ROOT / 'bench/generate_packages.py', count, folder / 'list')
        assert code == 0, output
        assert program.json('import', 'list')['packages'] == count
    assert program.rows('SELECT count(*) FROM packages') == [(40000,)]
    assert program.rows('PRAGMA integrity_check') == [('ok',)]


def large_list(count):
    """A list that takes a while, without an end: the import cannot be through before it is killed."""
    for number in range(count):
        yield (f'Package: p{number}\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n'
               f'Depends: p{number + 1} (>= 1), q{number}\nDescription: the {number}th\n{" more" * 200}\n\n').encode()


def test_kill_in_the_middle_leaves_the_former_state(folder):
    program = imported(folder, SMALL)
    journal = program.database.with_name(program.database.name + '-wal')
    size = lambda: journal.stat().st_size if journal.exists() else 0
    before = program.rows('SELECT name, version FROM packages')
    at_rest = size()
    with subprocess.Popen([program.path, 'import', '-'], cwd=folder, env=program.environment,
                          stdin=subprocess.PIPE) as process:
        for piece in large_list(10_000_000):
            process.stdin.write(piece)
            if size() > at_rest + (1 << 20):
                break
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        with suppress(BrokenPipeError):
            process.stdin.close()
    assert process.returncode == -signal.SIGKILL
    assert program.rows('SELECT name, version FROM packages') == before
    assert program.rows('PRAGMA integrity_check') == [('ok',)]
    program.run('import', 'list')


def test_interrupt_leaves_the_former_state(folder):
    program = imported(folder, SMALL)
    with subprocess.Popen([program.path, 'import', '-'], cwd=folder, env=program.environment,
                          stdin=subprocess.PIPE) as process:
        for piece in large_list(3000): # more than a pipe holds: the import is under way
            process.stdin.write(piece)
        process.send_signal(signal.SIGINT)
        process.wait(service.PATIENCE_S)
        with suppress(BrokenPipeError):
            process.stdin.close()
    assert process.returncode == -signal.SIGINT # 130 in a shell
    assert program.rows('SELECT count(*) FROM packages') == [(3,)]


def test_readers_see_the_former_state_during_an_import(folder):
    program = imported(folder, SMALL)
    journal = program.database.with_name(program.database.name + '-wal')
    with program.serving() as server:
        with subprocess.Popen([program.path, 'import', '-'], cwd=folder, env=program.environment,
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            for piece in large_list(10_000_000):
                process.stdin.write(piece)
                if journal.exists() and journal.stat().st_size > 1 << 20:
                    break
            assert server.get('/api/stats')['packages'] == 3
            process.stdin.close()
        assert process.returncode == 0
        assert server.get('/api/stats')['packages'] > 3


tap.main(sys.modules[__name__])
