#!/usr/bin/env python3
"""The peer of pg-magicstack: one query of the set for some seconds by asyncpg, a task and a connection each.

    asyncpg_query.py URL QUERY SECONDS TASKS

Prints what bench_pg_magicstack prints."""
import asyncio
import json
import resource
import sys
import time

import asyncpg

try:
    import uvloop
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
except ImportError:
    pass

BATCH = [(10, 11, 10, 'TESTTESTTEST', 10.333, 12341234, '123412341234')] * 1000
QUERIES = {
    'pg_type': ('select typname, typnamespace, typowner, typlen, typbyval, typcategory, typispreferred, typisdefined, '
                'typdelim, typrelid, typelem, typarray from pg_type where typtypmod = $1 and typisdefined = $2',
                (-1, True)),
    'generate_series': ('SELECT i FROM generate_series(1, $1) AS i', (1000,)),
    'bytea': ('SELECT * FROM _bytes', ()),
    'arrays': ('SELECT * FROM _arrays', ()),
    'oneplusone': ('SELECT 1+1', ()),
}
INSERT = 'INSERT INTO _batch (a, b, c, d, e, f, g) VALUES ($1, $2, $3, $4, $5, $6, $7)'


async def run_query(connection, name):
    if name == 'batch':
        await connection.executemany(INSERT, BATCH)
        return len(BATCH)
    sql, values = QUERIES[name]
    return len(await connection.fetch(sql, *values))


async def work(connection, name, end):
    queries = rows = 0
    while time.monotonic() < end:
        rows += await run_query(connection, name)
        queries += 1
    return queries, rows


async def run_tasks(connections, name, seconds):
    end = time.monotonic() + seconds
    done = await asyncio.gather(*(work(connection, name, end) for connection in connections))
    return [sum(counts) for counts in zip(*done)]


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main(url, name, seconds, tasks):
    connections = [await asyncpg.connect(url) for _ in range(int(tasks))]
    await run_tasks(connections, name, 0.3)
    started, cpu = time.monotonic(), cpu_seconds()
    queries, rows = await run_tasks(connections, name, float(seconds))
    print(json.dumps({'queries': queries, 'rows': rows, 'wall': time.monotonic() - started, 'cpu': cpu_seconds() - cpu}))
    for connection in connections:
        await connection.close()


asyncio.run(main(*sys.argv[1:]))
