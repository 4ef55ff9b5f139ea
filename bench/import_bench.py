#!/usr/bin/env python3
"""Importing a package index of 63,000 packages: the packages example against Python's sqlite3, in turn.

    import_bench.py BUILD

Both start as a process, read the file, and write the same rows into a fresh database whose tables exist already; the time
is that of the process, its start included. Every run compares what the two databases hold."""
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

HERE = Path(__file__).resolve().parent
PACKAGES = 63000
RUNS = 5
TABLES = ('packages', 'dependencies', 'maintainers', 'sections')


def run(command, environment=None):
    """Seconds that the command took. Its output goes to stderr."""
    started = time.monotonic()
    subprocess.run([str(part) for part in command], env=os.environ | (environment or {}), stdin=subprocess.DEVNULL,
                   stdout=sys.stderr, check=True)
    return time.monotonic() - started


def index_file(build):
    """The generated file; made once, and again when the generator changed."""
    path, generator = build / f'packages-{PACKAGES}.txt', HERE / 'generate_packages.py'
    if not path.exists() or path.stat().st_mtime < generator.stat().st_mtime:
        partial = path.with_suffix('.part')
        run([sys.executable, generator, PACKAGES, partial])
        partial.rename(path)
    return path


def count_rows(database):
    with sqlite3.connect(database) as connection:
        return {table: connection.execute(f'SELECT count(*) FROM {table}').fetchone()[0] for table in TABLES}


def migrate(program, database):
    """Both get their tables from the program's migrations. The environment that names the database is returned."""
    environment = {'DATABASE_URL': f'sqlite:///{database}'}
    run([program, 'migrate'], environment)
    return environment


def run_pair(program, build, index):
    folder = Path(tempfile.mkdtemp(prefix='import-', dir=build))
    try:
        environment = migrate(program, folder / 'ours.db')
        migrate(program, folder / 'peer.db')
        seconds = (run([program, 'import', index], environment),
                   run([sys.executable, HERE / 'import_peer.py', folder / 'peer.db', index]))
        ours, theirs = count_rows(folder / 'ours.db'), count_rows(folder / 'peer.db')
        if ours != theirs:
            sys.exit(f'import: the databases differ: {ours} and {theirs}')
        return seconds
    finally:
        shutil.rmtree(folder)


def main():
    build = Path(sys.argv[1]).resolve()
    program, index = build / 'examples' / 'packages' / 'packages', index_file(build)
    pairs = [run_pair(program, build, index) for _ in range(RUNS)]
    ours, theirs = (PACKAGES / statistics.median(seconds) for seconds in zip(*pairs))
    print(json.dumps({'bench': 'import', 'unit': 'packages/s', 'ours': round(ours), 'peer': 'python3 sqlite3 executemany',
                      'theirs': round(theirs), 'ratio': round(ours / theirs, 2), 'runs': RUNS}))


if __name__ == '__main__':
    main()
