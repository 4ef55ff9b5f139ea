#!/usr/bin/env python3
"""One object of 8 fields as JSON: cv_reply against JSON.stringify in node's http module.

    http_json.py BUILD [SECONDS]"""
import json
import sys

import http_bench

WANTED = 2


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else http_bench.SECONDS
    with http_bench.Bench('http-json', http_bench.build_folder(sys.argv)) as bench:
        servers = [server for server in (bench.start_covet('/json'), bench.start_node('/json')) if server]
        replies = [json.loads(http_bench.get(server.port, server.path)) for server in servers]
        if any(reply != replies[0] for reply in replies):
            sys.exit(f'http-json: the replies differ: {replies}')
        http_bench.compare(bench, servers, WANTED, seconds=seconds)


if __name__ == '__main__':
    main()
