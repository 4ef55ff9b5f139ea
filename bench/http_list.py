#!/usr/bin/env python3
"""100 rows of SQLite as JSON: cv_reply_all against node and FastAPI, each with its own SQLite.

    http_list.py BUILD [SECONDS]

The peers send what the database gives them; only Covet makes dates and truth values of the numbers that are stored."""
import json
import sys

import http_bench

WANTED = 3
PLAIN = ('id', 'name', 'summary', 'vendor', 'weight', 'stock')


def rows_of(server):
    rows = json.loads(http_bench.get(server.port, server.path))
    return [[row[column] for column in PLAIN] for row in rows]


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else http_bench.SECONDS
    with http_bench.Bench('http-list', http_bench.build_folder(sys.argv)) as bench:
        database = http_bench.make_list_database(bench.folder / 'list.db')
        servers = [bench.start_covet('/list', database), *bench.start_node_sqlite('/list', database),
                   bench.start_fastapi('/list', database)]
        servers = [server for server in servers if server]
        rows = [rows_of(server) for server in servers]
        if len(rows[0]) != 100 or any(other != rows[0] for other in rows):
            sys.exit('http-list: the replies differ')
        http_bench.compare(bench, servers, WANTED, seconds=seconds)


if __name__ == '__main__':
    main()
