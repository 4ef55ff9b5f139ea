"""serve: from its first line to its end."""
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import service
import tap
from bookshop import AUTHOR, fresh, migrated


def test_it_says_where_it_listens(folder):
    program = migrated(folder)
    with subprocess.Popen([program.path, 'serve', '--port=0'], cwd=folder, env=program.environment, text=True,
                          stdout=subprocess.PIPE) as process:
        line = process.stdout.readline()
        process.terminate()
    assert process.returncode == 0
    assert line.startswith('bookshop is listening on http://127.0.0.1:'), line


def test_signals_end_it_well(folder):
    program = migrated(folder)
    for number in signal.SIGTERM, signal.SIGINT:
        with program.serving() as server:
            server.get('/books')
            assert server.stop(number) == 0, server.log()
            assert server.log() == '', server.log()


def test_running_request_is_finished_first(folder):
    program = migrated(folder)
    replies = []
    # The writer's lock is held by this process: the request is under way until it is released.
    with closing(sqlite3.connect(program.database, isolation_level=None)) as other:
        other.execute('BEGIN IMMEDIATE')
        waiting = f'sqlite:///{program.database}?busy_timeout=60s'
        with program.serving('--http-access-log=log', '--http-shutdown-timeout=60s',
                             env={'DATABASE_URL': waiting}) as server:
            asking = threading.Thread(target=lambda: replies.append(server.ask('POST', '/authors', AUTHOR)))
            asking.start()
            idle = server.connect()
            idle.connect()
            service.wait_until(lambda: established(server.port) >= 2, 'two connections')
            server.process.send_signal(signal.SIGTERM)
            service.wait_until(lambda: refuses(server.port), 'no further connections')
            assert server.process.poll() is None
            other.execute('ROLLBACK')
            asking.join()
            assert server.process.wait(service.PATIENCE_S) == 0, server.log()
    status, headers, body = replies[0]
    assert (status, body['name'], headers['Connection']) == (201, AUTHOR['name'], 'close'), replies


def established(port):
    """How many connections the kernel holds on this port, seen from the server's side."""
    wanted = f':{port:04X}'
    with open('/proc/net/tcp', encoding='ascii') as table:
        return sum(line.split()[1].endswith(wanted) and line.split()[3] == '01' for line in table)


def refuses(port):
    try:
        socket.create_connection(('127.0.0.1', port), timeout=service.PATIENCE_S).close()
    except OSError:
        return True
    return False


def test_port_in_use(folder):
    program = migrated(folder)
    with program.serving() as server:
        error = program.error('serve', '--port', server.port)
        assert str(server.port) in error and '127.0.0.1' in error and 'in use' in error, error


def test_address_that_is_not_here(folder):
    program = migrated(folder)
    error = program.error('serve', '--port=0', '--host', '192.0.2.1')
    assert '192.0.2.1' in error, error


def test_ipv6(folder):
    program = migrated(folder)
    try:
        socket.create_server(('::1', 0), family=socket.AF_INET6).close()
    except OSError as reason:
        raise tap.Skip('there is no IPv6 here') from reason
    with subprocess.Popen([program.path, 'serve', '--port=0', '--host=::1'], cwd=folder, env=program.environment,
                          text=True, stdout=subprocess.PIPE) as process:
        line = process.stdout.readline()
        process.terminate()
    assert 'http://[::1]:' in line, line


def test_access_log_as_json(folder):
    program = migrated(folder)
    with program.serving('--http-access-log=log', '--log-format=json') as server:
        server.get('/books?title=x')
        server.get('/nothing', 404)
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.log().splitlines()]
    assert [(line['method'], line['path'], line['status']) for line in lines] == [
        ('GET', '/books', 200), ('GET', '/nothing', 404)], lines


def test_limits_of_the_settings_hold(folder):
    program = migrated(folder)
    with program.serving('--http-max-body=100', '--http-max-header=1KiB') as server:
        assert server.ask('POST', '/authors', {'name': 'x' * 100})[0] == 413
        server.connection = None
        assert server.ask('GET', '/books', headers={'X-Long': 'x' * 2000})[0] == 431
        server.connection = None
        server.get('/books')


def test_deadline_reaches_down_to_the_database(folder):
    program = migrated(folder)
    waiting = f'sqlite:///{program.database}?busy_timeout=60s'
    with closing(sqlite3.connect(program.database, isolation_level=None)) as other:
        other.execute('BEGIN IMMEDIATE')
        with program.serving('--http-request-timeout=50ms', env={'DATABASE_URL': waiting}) as server:
            server.post('/authors', AUTHOR, 503)
            other.execute('ROLLBACK')
            server.get('/books')


def test_warning_when_migrations_are_not_applied(folder):
    program = fresh(folder)
    program.run('makemigrations')
    with program.serving() as server:
        assert 'warning: 1 migration is not applied; run "bookshop migrate"' in server.log(), server.log()


tap.main(sys.modules[__name__])
