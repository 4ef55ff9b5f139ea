#!/usr/bin/env python3
"""A million rows of CSV into a table of each engine: the command `copy in` of a program against the engine's own tool, in
turn.

    copy_csv.py BUILD [ROWS] [RUNS]

The same file and the same table, which is new each time; the time is that of the process, its start included. Every run
compares what the two tables hold."""
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

TABLE = 'copied_rows'
COLUMNS = 'id {big} PRIMARY KEY, customer {int} NOT NULL, name VARCHAR(40) NOT NULL, amount {real} NOT NULL'
SUMS = f'SELECT count(*), sum(id), sum(customer), sum(length(name)), round(sum(amount)) FROM {TABLE}'
WANTED = 1.0


def write_file(build, rows):
    """Integers, a text that now and then needs quotation marks, a float. No NULL: each tool has its own text for it."""
    path = build / f'copy-{rows}.csv'
    if path.exists():
        return path
    partial = path.with_suffix('.part')
    with open(partial, 'w', encoding='utf-8') as file:
        file.write('id,customer,name,amount\n')
        for i in range(1, rows + 1):
            name = f'"customer no. {i:06}, Inc."' if i % 16 == 0 else f'customer number {i:08}'
            file.write(f'{i},{i * 7919 % 1000003},{name},{i * 7 % 1000003 / 100}\n')
    partial.rename(path)
    return path


def timed(command, **options):
    started = time.monotonic()
    subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=sys.stderr, check=True, **options)
    return time.monotonic() - started


class Engine:
    """What is compared: `fresh` makes the table anew, `ours` and `peer` fill it, `sums` tells what it holds."""

    def __init__(self, program, folder, file):
        self.program, self.folder, self.file = program, folder, file

    def ours(self):
        return timed([self.program, 'copy', 'in', TABLE, self.file, '--database', self.url])


class Sqlite(Engine):
    name, tool = 'SQLite', 'sqlite3 .import'
    need = shutil.which('sqlite3')

    def fresh(self):
        self.path = self.folder / 'copy.db'
        self.url = f'sqlite:///{self.path}'
        for path in self.folder.glob('copy.db*'):
            path.unlink(missing_ok=True) # the log goes by itself when its last reader does
        with sqlite3.connect(self.path) as database:
            database.execute('PRAGMA journal_mode = wal') # stays with the file: the same for both
            database.execute(f'CREATE TABLE {TABLE} ({COLUMNS})'.format(big='INTEGER', int='INTEGER', real='REAL'))
        database.close()

    def peer(self):
        return timed(['sqlite3', self.path, '.mode csv', f'.import --skip 1 {self.file} {TABLE}', '.exit'])

    def sums(self):
        with sqlite3.connect(self.path) as database:
            return database.execute(SUMS).fetchone()


class Postgres(Engine):
    name, tool = 'PostgreSQL', 'psql \\copy'
    need = shutil.which('psql')

    def __init__(self, *arguments):
        super().__init__(*arguments)
        tcp, socket = os.environ['COVET_TEST_POSTGRES'], os.environ['COVET_TEST_POSTGRES_SOCKET']
        parts = urlsplit(tcp)
        self.url = f'postgres://app@:{parts.port}{parts.path}?host={socket}'
        self.psql = ['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', socket, '-p', str(parts.port), '-U', 'app',
                     '-d', parts.path[1:]]

    def fresh(self):
        columns = COLUMNS.format(big='BIGINT', int='BIGINT', real='DOUBLE PRECISION')
        timed([*self.psql, '-c', 'SET client_min_messages = warning', '-c', f'DROP TABLE IF EXISTS {TABLE}', '-c',
               f'CREATE TABLE {TABLE} ({columns})', '-c', 'CHECKPOINT'])

    def peer(self):
        return timed([*self.psql, '-c', f"\\copy {TABLE} FROM '{self.file}' WITH (FORMAT csv, HEADER)"])

    def sums(self):
        return subprocess.run([*self.psql, '-At', '-c', SUMS], capture_output=True, text=True, check=True).stdout


class MariaDB(Engine):
    name, tool = 'MariaDB', 'mariadb-import --local'
    need = shutil.which('mariadb-import')

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.url = os.environ['COVET_TEST_MARIADB']
        parts = urlsplit(self.url)
        self.options = [f'--host={parts.hostname}', f'--port={parts.port}', f'--user={parts.username}',
                        f'--password={parts.password}', '--protocol=tcp']
        self.database = parts.path[1:]
        self.data = self.folder / f'{TABLE}.csv' # the tool takes the table's name from the file's
        shutil.copyfile(self.file, self.data)

    def client(self, *statements):
        command = ['mariadb', '--no-defaults', *self.options, '-N', self.database, '-e', ';'.join(statements)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def fresh(self):
        columns = COLUMNS.format(big='BIGINT', int='BIGINT', real='DOUBLE')
        self.client(f'DROP TABLE IF EXISTS {TABLE}', f'CREATE TABLE {TABLE} ({columns}) CHARACTER SET utf8mb4')

    def peer(self):
        return timed(['mariadb-import', '--no-defaults', *self.options, '--local', '--silent', '--ignore-lines=1',
                      '--default-character-set=utf8mb4', '--fields-terminated-by=,', '--fields-optionally-enclosed-by="',
                      self.database, self.data])

    def sums(self):
        return self.client(SUMS)


def compare(engine, rows, runs):
    seconds = {'ours': [], 'peer': []}
    for run in range(runs):
        held = {}
        for side in sorted(seconds, reverse=run % 2 == 1):
            engine.fresh()
            seconds[side].append(getattr(engine, side)())
            held[side] = engine.sums()
        if held['ours'] != held['peer']:
            sys.exit(f'copy-csv: {engine.name}: the tables differ: {held}')
    ours, theirs = (rows / statistics.median(seconds[side]) for side in ('ours', 'peer'))
    print(json.dumps({'bench': 'copy-csv', 'what': engine.name, 'unit': 'rows/s', 'ours': round(ours),
                      'peer': engine.tool, 'theirs': round(theirs), 'ratio': round(ours / theirs, 3), 'wanted': WANTED,
                      'pass': ours / theirs >= WANTED, 'runs': runs}), flush=True)


def main():
    build = Path(sys.argv[1]).resolve()
    rows, runs = (int(sys.argv[2]) if len(sys.argv) > 2 else 1000000), (int(sys.argv[3]) if len(sys.argv) > 3 else 5)
    program, file = build / 'examples' / 'packages' / 'packages', write_file(build, rows)
    wanted = os.environ.get('COPY_CSV_ENGINES', 'Sqlite,Postgres,MariaDB').split(',')
    for kind in Sqlite, Postgres, MariaDB:
        if kind.__name__ not in wanted:
            continue
        if not kind.need:
            print(f'copy-csv: {kind.tool} is not installed; tools/bootstrap bench installs it', file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory(prefix='copy-', dir=build) as folder:
            compare(kind(program, Path(folder), file), rows, runs)


if __name__ == '__main__':
    main()
