"""Databases of a test's own on each engine, where a test server is at hand."""
import os
import re
import subprocess
from contextlib import contextmanager

import service
import tap


def run_tool(*command, stdin=''):
    done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=service.PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr


def mariadb(sql):
    url = re.fullmatch(r'mysql://(.*):(.*)@(.*):(.*)/(.*)', os.environ['COVET_TEST_MARIADB_ADMIN'])
    user, password, host, port, database = url.groups()
    run_tool('mariadb', '--no-defaults', f'-u{user}', f'-p{password}', f'-h{host}', f'-P{port}', database, stdin=sql)


@contextmanager
def own_database(engine, folder):
    """The URL of an empty database on the engine."""
    name = f'test_demo_{os.getpid()}'
    if engine == 'sqlite':
        yield f'sqlite:///{folder}/demo.db'
        return
    server = os.environ.get('COVET_TEST_' + engine.upper())
    if not server:
        raise tap.Skip('not every engine is at hand; run the tests with tools/servers run')
    drop = f'DROP DATABASE IF EXISTS {name}'
    run = mariadb if engine == 'mariadb' else lambda sql: run_tool('psql', '-XAtqw', server, stdin=sql)
    run(f'{drop};CREATE DATABASE {name};')
    try:
        yield f'{server.rpartition("/")[0]}/{name}'
    finally:
        run(drop + (' WITH (FORCE);' if engine == 'postgres' else ';'))
