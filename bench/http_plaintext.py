#!/usr/bin/env python3
"""The least reply: "Hello, World!" over keep-alive connections, one worker, one request at a time and sixteen at once.

kore takes part in the former only: it answers pipelined requests one by one as further bytes come.

    http_plaintext.py BUILD [SECONDS]"""
import sys

import http_bench

WANTED = 0.9


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else http_bench.SECONDS
    with http_bench.Bench('http-plaintext', http_bench.build_folder(sys.argv)) as bench:
        servers = [bench.start_covet('/plaintext'), bench.start_h2o('/plaintext'),
                   bench.start_nginx('/plaintext', 'location / { return 200 "Hello, World!"; }')]
        kore = bench.start_kore('/plaintext')
        for server in filter(None, servers + [kore]):
            body = http_bench.get(server.port, server.path)
            if body != b'Hello, World!':
                sys.exit(f'http-plaintext: {server.name} answers {body!r}')
        http_bench.compare(bench, servers + [kore], WANTED, 'one at a time', seconds=seconds)
        http_bench.compare(bench, servers, WANTED, 'pipelined x16', seconds=seconds, depth=16)


if __name__ == '__main__':
    main()
