"""copy on servers: what is wrong with rows, URLs and servers is told, in time, and nothing is half done."""
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import tap
from bookshop import fresh
from engines import mariadb, own_database
from service import PATIENCE_S

SERVERS = 'postgres', 'mariadb'
SECRET = 'p@ss:w%2Frd-never-seen'


@contextmanager
def on_server(engine, folder):
    """The README's program, migrated, on a database of its own."""
    folder = folder / engine
    folder.mkdir()
    with own_database(engine, folder) as url:
        program = fresh(folder)
        program.environment['DATABASE_URL'] = url
        program.run('makemigrations')
        program.run('migrate')
        yield program


def test_a_row_that_is_refused_is_told_by_its_place_in_the_file(folder):
    for engine in SERVERS:
        with on_server(engine, folder) as program:
            program.run('copy', 'in', 'authors', '-', stdin='id,name\n1,a\n')
            for rows, place in (('1,b\n', 'row 1'), ('2,b\n3,"c\nd"\n4,a\n', 'row 3')):
                (folder / 'rows.csv').write_text('id,name\n' + rows)
                error = program.error('copy', 'in', 'authors', folder / 'rows.csv')
                assert f'rows.csv, {place}' in error, (engine, error)
            assert program.run('copy', 'out', 'authors', '-')[0] == 'id,name\n1,a\n'


def test_a_table_that_is_not_there_suggests_the_nearest(folder):
    for engine in SERVERS:
        with on_server(engine, folder) as program:
            error = program.error('copy', 'out', 'autors', '-')
            assert 'did you mean "authors"?' in error, error


def test_urls_that_are_wrong_are_told_without_their_password(folder):
    for engine in SERVERS:
        with on_server(engine, folder) as program:
            url = program.environment['DATABASE_URL']
            scheme, place, name = re.fullmatch(r'(.*)://.*@(.*)/(.*)', url).groups()
            secret = SECRET.replace('@', '%40').replace(':', '%3A')
            with_secret = f'{scheme}://nobody:{secret}@{place}/{name}'
            for wrong, part in {
                    with_secret: 'nobody',
                    with_secret.replace(scheme, scheme + 'x', 1): f'did you mean "{scheme}"?',
                    with_secret.partition('//')[2]: 'a URL must start with a scheme',
                    with_secret.replace('%40', '@'): 'write "@" in a user name or password as "%40"',
                    with_secret + '?conect_timeout=5s': 'did you mean "connect_timeout"?',
                    url + '-not': 'not',
                    url.replace(place, '127.0.0.1:1'): 'is the server running',
                    url.replace(place, '[::1]:1'): '[::1]:1',
            }.items():
                done = subprocess.run([program.path, 'copy', 'out', 'authors', '-'], cwd=program.folder, text=True,
                                      env=program.environment | {'DATABASE_URL': wrong}, capture_output=True,
                                      timeout=PATIENCE_S, check=False)
                assert done.returncode in (1, 3) and part in done.stderr, (wrong, done)
                assert 'never-seen' not in done.stderr + done.stdout, done


def test_a_database_that_is_not_named(folder):
    with on_server('mariadb', folder) as program:
        url = program.environment['DATABASE_URL'].rpartition('/')[0]
        error = program.error('copy', 'out', 'authors', '-', env={'DATABASE_URL': url})
        assert 'name one in the database URL' in error, error


class Wire:
    """A way to a server that can fall silent: both ends stay open, nothing passes any more."""

    def __init__(self, server):
        self.server, self.passes, self.bytes, self.sockets = server, True, 0, []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.server)
            self.sockets += client, server
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self.forward, args=(server, client), daemon=True).start()

    def forward(self, source, target):
        try:
            while piece := source.recv(65536):
                if self.passes:
                    self.bytes += len(piece)
                    target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        for each in (self.listener, *self.sockets):
            each.close()


@contextmanager
def behind_a_wire(program):
    """The program's database through a Wire."""
    former = program.environment['DATABASE_URL']
    host, port = re.search(r'@([^/:]*):(\d+)/', former).groups()
    wire = Wire((host, int(port)))
    program.environment['DATABASE_URL'] = former.replace(f'{host}:{port}', f'127.0.0.1:{wire.port}')
    try:
        yield wire
    finally:
        program.environment['DATABASE_URL'] = former
        wire.close()


def test_a_server_that_does_not_answer_is_given_up(folder):
    for engine in SERVERS:
        with on_server(engine, folder) as program, behind_a_wire(program) as wire:
            wire.passes = False
            program.environment['DATABASE_URL'] += '?acquire_timeout=300ms'
            error = program.error('copy', 'out', 'authors', '-')
            assert 'within 300 ms: the server does not answer' in error, (engine, error)


def silent_in_the_middle(program, wire, *options):
    """Start to copy rows in without an end; the wire falls silent when some have passed."""
    process = subprocess.Popen([program.path, 'copy', 'in', 'authors', '-', *options], cwd=program.folder,
                               env=program.environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)

    def feed():
        try:
            process.stdin.write(b'id,name\n')
            for i in range(1, 10 ** 8):
                process.stdin.write(b'%d,name %d\n' % (i, i))
        except OSError:
            pass

    threading.Thread(target=feed, daemon=True).start()
    limit = time.monotonic() + PATIENCE_S
    while wire.bytes < 300000 and time.monotonic() < limit:
        time.sleep(0.01)
    wire.passes = False
    return process


def test_a_server_that_falls_silent_costs_no_more_than_the_time_limit(folder):
    for engine in SERVERS:
        with on_server(engine, folder) as program:
            with behind_a_wire(program) as wire:
                process = silent_in_the_middle(program, wire, '--timeout', '3s')
                error = process.stderr.read().decode()
                process.stderr.close()
                assert process.wait(PATIENCE_S) == 1 and 'could not copy within 3s' in error, (engine, error)
            assert program.run('copy', 'out', 'authors', '-', '--no-header')[0] == ''


def test_a_server_that_falls_silent_can_be_left_by_a_signal(folder):
    for engine in SERVERS:
        with on_server(engine, folder) as program:
            with behind_a_wire(program) as wire:
                process = silent_in_the_middle(program, wire)
                process.send_signal(signal.SIGINT)
                error = process.stderr.read().decode()
                process.stderr.close()
                assert process.wait(PATIENCE_S) == 130, (engine, error)
                assert error == 'bookshop: interrupted: nothing is stored\n', (engine, error)
            assert program.run('copy', 'out', 'authors', '-', '--no-header')[0] == ''


def test_a_server_that_goes_away_in_the_middle(folder):
    for engine in SERVERS:
        with on_server(engine, folder) as program:
            with behind_a_wire(program) as wire:
                process = silent_in_the_middle(program, wire)
                for each in wire.sockets:
                    each.shutdown(socket.SHUT_RDWR)
                error = process.stderr.read().decode()
                process.stderr.close()
                assert process.wait(PATIENCE_S) == 1 and 'was lost' in error, (engine, error)
            assert program.run('copy', 'out', 'authors', '-', '--no-header')[0] == ''


def test_passwords_and_sockets_in_urls(folder):
    with on_server('mariadb', folder) as program:
        url = program.environment['DATABASE_URL']
        user, place, name = re.fullmatch(r'.*://(.*)@(.*)/(.*)', url).groups()
        path = os.environ['COVET_TEST_MARIADB_SOCKET']
        for way in (f'{path.replace("/", "%2F")}/{name}', f'/{name}?socket={path}', f'{place}/{name}'):
            program.run('copy', 'out', 'authors', '-', env={'DATABASE_URL': f'mariadb://{user}@{way}'})
        account = f"'odd_{os.getpid()}'@'%'"
        mariadb(f"CREATE USER {account} IDENTIFIED BY 'p@ss:w/rd%#? ü'; GRANT SELECT ON {name}.* TO {account}")
        try:
            way = f'mysql://odd_{os.getpid()}:p%40ss%3Aw%2Frd%25%23%3F%20%C3%BC@{place}/{name}'
            program.run('copy', 'out', 'authors', '-', env={'DATABASE_URL': way})
            error = program.error('copy', 'in', 'authors', '-', stdin='id,name\n1,x\n', env={'DATABASE_URL': way})
            assert 'denied' in error, error
        finally:
            mariadb(f'DROP USER {account}')


tap.main(sys.modules[__name__])
