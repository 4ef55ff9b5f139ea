#!/usr/bin/env python3
"""The MagicStack pgbench set, concurrency 10: Covet against asyncpg (with uvloop where it is installed), in turn.

    pg_magicstack.py BUILD [SECONDS] [ROUNDS]

Each round runs every query once with each, the order turning. COPY, the fifth query of the set, is left out until Covet has
it. Two lines a query: queries/s by the clock, and queries/s of the client's processor time; then the geometric means."""
import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONCURRENCY = 10
QUERIES = ('pg_type', 'generate_series', 'bytea', 'arrays', 'batch', 'oneplusone')
WALL, WALL_EACH, CPU = 1.3, 1.0, 4
TABLES = """
DROP TABLE IF EXISTS _bytes, _arrays, _batch;
CREATE TABLE _bytes(b bytea); INSERT INTO _bytes(b) (SELECT repeat('a', 1000)::bytea FROM generate_series(1, 100));
CREATE TABLE _arrays(a int[]);
INSERT INTO _arrays(a) (SELECT (SELECT array_agg(i) FROM generate_series(1, 1000) AS s(i)) FROM generate_series(1, 10));
CREATE TABLE _batch(a int, b int, c int, d text, e float, f int, g text);
"""


def python_with(module):
    """The system's Python has Debian's packages; the one in the path may be another."""
    for python in ('/usr/bin/python3', sys.executable):
        if subprocess.run([python, '-c', f'import {module}'], capture_output=True).returncode == 0:
            return python
    sys.exit(f'pg-magicstack: {module} is not installed; tools/bootstrap bench installs it')


def run_sql(python, url, sql):
    script = f'import asyncio, asyncpg\nasync def main():\n c = await asyncpg.connect({url!r})\n await c.execute({sql!r})\n' \
             ' await c.close()\nasyncio.run(main())'
    subprocess.run([python, '-c', script], check=True)


def measure(command, url, query, seconds):
    """Queries a second of the clock and of processor time, and the rows of a query."""
    output = subprocess.run([*map(str, command), url, query, str(seconds), str(CONCURRENCY)], check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    taken = json.loads(output)
    return taken['queries'] / taken['wall'], taken['queries'] / taken['cpu'], taken['rows'] / taken['queries']


def run_round(commands, python, url, seconds, turn, samples):
    for query in QUERIES:
        rows = set()
        for name in sorted(commands, reverse=turn % 2 == 1):
            run_sql(python, url, 'TRUNCATE _batch')
            wall, cpu, rows_each = measure(commands[name], url, query, seconds)
            samples[query, name].append((wall, cpu))
            rows.add(round(rows_each))
        if len(rows) != 1:
            sys.exit(f'pg-magicstack: {query}: the rows differ: {rows}')


def report(what, unit, ours, theirs, rounds, wanted=None):
    ratio = round(ours / theirs, 2)
    line = {'bench': 'pg-magicstack', 'what': what, 'unit': unit, 'ours': round(ours, 2), 'peer': 'asyncpg',
            'theirs': round(theirs, 2), 'ratio': ratio, 'runs': rounds}
    if wanted:
        line |= {'wanted': wanted, 'pass': ratio >= wanted}
    print(json.dumps(line), flush=True)
    return ours / theirs


def main():
    build = Path(sys.argv[1]).resolve()
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    url, python = os.environ['COVET_TEST_POSTGRES'], python_with('asyncpg')
    commands = {'covet': [build / 'bench' / 'bench_pg_magicstack'], 'asyncpg': [python, HERE / 'peers' / 'asyncpg_query.py']}
    samples = {(query, name): [] for query in QUERIES for name in commands}
    run_sql(python, url, TABLES)
    for turn in range(rounds):
        run_round(commands, python, url, seconds, turn, samples)
    run_sql(python, url, 'DROP TABLE _bytes, _arrays, _batch')
    for index, kind, unit, each, in_all in ((0, 'wall', 'queries/s', WALL_EACH, WALL),
                                            (1, 'client CPU', 'queries/s of client CPU', None, CPU)):
        ratios = []
        for query in QUERIES:
            ours, theirs = (statistics.median(sample[index] for sample in samples[query, name])
                            for name in ('covet', 'asyncpg'))
            ratios.append(report(f'{query}, {kind}', unit, ours, theirs, rounds, each))
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        report(f'geometric mean, {kind}', 'times', mean, 1, rounds, in_all)


if __name__ == '__main__':
    main()
