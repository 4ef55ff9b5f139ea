#!/usr/bin/env python3
"""A file of 64 KiB from a folder: Covet against nginx, which sends it with sendfile.

    http_static.py BUILD [SECONDS]"""
import os
import sys

import http_bench

WANTED = 0.8
BYTES = 64 * 1024


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else http_bench.SECONDS
    with http_bench.Bench('static', http_bench.build_folder(sys.argv)) as bench:
        bench.folder.chmod(0o755)  # nginx may run its worker as another user
        files = bench.folder / 'static'
        files.mkdir()
        content = os.urandom(BYTES)
        (files / 'file.bin').write_bytes(content)
        servers = [bench.start_covet('/static/file.bin', files=files),
                   bench.start_nginx('/static/file.bin', f'root {bench.folder};')]
        for server in filter(None, servers):
            if http_bench.get(server.port, server.path) != content:
                sys.exit(f'static: {server.name} sends another file')
        http_bench.compare(bench, servers, WANTED, seconds=seconds)


if __name__ == '__main__':
    main()
