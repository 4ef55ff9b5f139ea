#!/usr/bin/env python3
"""What idle keep-alive connections cost: growth of the server's memory over 10,000 of them, after one request each.

    idle_connections.py BUILD [CONNECTIONS]

"resident" is the growth of what the server holds in memory, the figure that is promised; "proportional" shares out pages
with other processes. Kernel buffers are not the server's memory and are not counted."""
import contextlib
import json
import socket
import sys

import http_bench

LIMIT = 4096
REQUEST = b'GET /plaintext HTTP/1.1\r\nHost: bench\r\n\r\n'
WARM_UP = 200


def exchange(connection):
    connection.sendall(REQUEST)
    reply = b''
    while not reply.endswith(b'Hello, World!'):
        part = connection.recv(4096)
        if not part:
            sys.exit('idle-connections: the server closed a connection')
        reply += part


def open_connections(stack, server, count):
    """Open them, each with one request answered; closed with the stack."""
    connections = []
    for _ in range(count):
        connection = stack.enter_context(socket.create_connection(('127.0.0.1', server.port), timeout=10))
        exchange(connection)
        connections.append(connection)
    return connections


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    http_bench.allow_descriptors(count + 1000)
    with http_bench.Bench('idle-connections', http_bench.build_folder(sys.argv)) as bench:
        server = bench.start_covet('/plaintext')
        with contextlib.ExitStack() as stack:
            open_connections(stack, server, WARM_UP)
        with contextlib.ExitStack() as stack:
            before = {key: server.memory(key) for key in ('Rss', 'Pss')}
            connections = open_connections(stack, server, count)
            growth = {key: (server.memory(key) - before[key]) / count for key in before}
            for connection in connections[::100]:
                exchange(connection)
    for key, what in (('Rss', 'resident'), ('Pss', 'proportional')):
        print(json.dumps({'bench': 'idle-connections', 'what': what, 'unit': 'bytes/connection', 'ours': round(growth[key]),
                          'limit': LIMIT, 'pass': growth[key] <= LIMIT, 'runs': 1}), flush=True)


if __name__ == '__main__':
    main()
