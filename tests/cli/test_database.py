"""Databases that cannot be used: each says why, and what to do about it."""
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import tap
from bookshop import AUTHOR, BOOK, fresh, migrated

NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']


def url(path, options=''):
    return ['--database', f'sqlite:///{path}{options}']


def test_missing_folder(folder):
    error = fresh(folder).error('showmigrations', *url(folder / 'no' / 'where' / 'a.db'))
    assert 'a.db' in error and 'hint: ' in error and 'folder' in error, error


def test_file_that_is_no_database(folder):
    (folder / 'text.db').write_text('This is not a database.\n' * 100)
    for command in 'showmigrations', 'migrate', 'serve':
        error = fresh(folder).error(command, *url(folder / 'text.db'))
        assert 'text.db' in error and 'not a database' in error, error
    assert (folder / 'text.db').read_text().startswith('This is not')


def test_folder_that_is_a_database(folder):
    error = fresh(folder).error('showmigrations', *url(folder))
    assert str(folder) in error, error


def test_read_only_folder(folder):
    program = fresh(folder)
    program.run('makemigrations')
    prefix = []
    if os.geteuid() == 0: # permissions bind everybody else
        if subprocess.run([*NOBODY, program.path, 'help'], capture_output=True, check=False).returncode != 0:
            raise tap.Skip('"nobody" cannot run the program')
        prefix = NOBODY
    locked = folder / 'locked'
    locked.mkdir()
    os.chmod(folder, 0o755)
    os.chmod(locked, 0o555)
    error = program.error('migrate', *url(locked / 'a.db'), prefix=prefix)
    assert 'a.db' in error and ('permission' in error.lower() or 'writable' in error), error


def test_locked_by_another_process(folder):
    program = migrated(folder)
    with closing(sqlite3.connect(program.database, isolation_level=None)) as other:
        other.execute('BEGIN IMMEDIATE')
        with program.serving() as server:
            problem = server.post('/authors', AUTHOR, 503)
            assert problem['status'] == 503, problem
            assert 'locked' in server.log(), server.log()
            other.execute('ROLLBACK')
            server.post('/authors', AUTHOR)
        other.execute('BEGIN EXCLUSIVE')
        error = program.error('migrate', 'bookshop', 'zero')
        assert 'locked' in error or 'another' in error, error
        other.execute('ROLLBACK')
    program.run('showmigrations', '--check')


def test_full_disk(folder):
    disk = folder / 'disk'
    disk.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=512k', 'none', disk], capture_output=True,
                      check=False).returncode != 0:
        raise tap.Skip('a small file system cannot be mounted here')
    try:
        program = fresh(folder)
        program.database = disk / 'bookshop.db'
        program.environment['DATABASE_URL'] = f'sqlite:///{program.database}'
        program.run('makemigrations')
        program.run('migrate')
        with program.serving() as server:
            server.post('/authors', AUTHOR)
            acknowledged = 0
            while True:
                body = BOOK | {'title': f'{acknowledged} ' + 'x' * 190}
                status, _, problem = server.ask('POST', '/books', body)
                if status != 201:
                    break
                acknowledged += 1
            assert status in (500, 507) and 'full' in server.log(), (status, problem, server.log())
            assert server.get('/books?title=0+xxx') != [] # reading goes on
        assert program.rows('SELECT count(*) FROM books') == [(acknowledged,)]
        assert program.rows('PRAGMA integrity_check') == [('ok',)]
    finally:
        subprocess.run(['umount', '-l', disk], check=True)


def test_unknown_options_of_the_url(folder):
    error = fresh(folder).error('showmigrations', *url(folder / 'a.db', '?busy_timeuot=1'), code=3)
    assert 'busy_timeuot' in error and 'did you mean "busy_timeout"?' in error, error


def test_table_that_is_missing(folder):
    program = migrated(folder)
    with closing(sqlite3.connect(program.database)) as database:
        database.execute('DROP TABLE books')
    with program.serving() as server:
        problem = server.get('/books', 500)
        assert 'detail' not in problem, problem
        assert 'no such table: books' in server.log(), server.log()
        server.post('/authors', AUTHOR)


tap.main(sys.modules[__name__])
