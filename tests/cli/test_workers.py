"""serve with workers: addresses, sockets that are handed over, reloading, draining."""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import service
import tap
from bookshop import migrated


class Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__('localhost', timeout=service.PATIENCE_S)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def get(connection, target='/books'):
    connection.request('GET', target)
    reply = connection.getresponse()
    return reply.status, reply.read()


def start(program, *arguments, prefix=(), **options):
    """serve as a process of its own, with its first line."""
    process = subprocess.Popen([*prefix, program.path, 'serve', '--json', *arguments], cwd=program.folder,
                               env=program.environment | options.pop('env', {}), text=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, **options)
    line = process.stdout.readline()
    assert line, process.wait(service.PATIENCE_S)
    return process, json.loads(line)


def finish(process, pid=None):
    """End what serves now, and see the process that was started end."""
    os.kill(pid or process.pid, signal.SIGTERM)
    status = process.wait(service.PATIENCE_S)
    if pid and pid != process.pid:
        service.wait_until(lambda: not alive(pid), 'the end of the heir')
    process.stdout.close()
    return status


def alive(pid):
    """Whether a process runs; one that nobody waits for counts as ended."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
            return stat.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def test_several_workers_answer(folder):
    program = migrated(folder)
    process, said = start(program, '--port=0', '--workers=3')
    assert said['workers'] == 3 and said['pid'] == process.pid, said
    for number in range(30):
        connection = http.client.HTTPConnection('127.0.0.1', said['listening']['port'], timeout=service.PATIENCE_S)
        body = json.dumps({'name': f'author {number}'})
        connection.request('POST', '/authors', body, {'Content-Type': 'application/json'})
        assert connection.getresponse().status == 201
        connection.close()
    assert finish(process) == 0
    assert program.rows('SELECT count(*) FROM authors') == [(30,)]


def test_each_core_has_a_worker(folder):
    program = migrated(folder)
    with program.serving(prefix=['taskset', '-c', '0']) as server:
        assert server.said['workers'] == 1, server.said


def test_database_in_memory_has_one_worker(folder):
    program = migrated(folder)
    memory = {'DATABASE_URL': 'sqlite::memory:'}
    error = program.error('serve', '--workers=2', code=3, env=memory)
    assert 'http.workers cannot be 2 with a database in memory' in error and 'http.workers to 1' in error, error
    process, said = start(program, '--port=0', env=memory, stderr=subprocess.DEVNULL)
    assert said['workers'] == 1
    assert finish(process) == 0


def test_unix_socket(folder):
    program = migrated(folder)
    path = folder / 'app.sock'
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    process, said = start(program, f'--listen=unix:{path}', '--workers=2', '--http-unix-mode=0600')
    assert said['listening']['url'] == f'unix:{path}', said
    assert path.stat().st_mode & 0o777 == 0o600
    for _ in range(10):
        assert get(Unix(path))[0] == 200
    assert str(path) in program.error('serve', f'--listen=unix:{path}')
    assert finish(process) == 0
    assert not path.exists()


def test_addresses_that_cannot_be(folder):
    program = migrated(folder)
    for address, expected in {'nonsense': 'no host with a port', 'unix:': 'needs a path', 'unix:/' + 'x' * 200: '107',
                              'fd:77': 'no listening', 'inherited': 'no socket was handed over',
                              'unix:/nowhere/x.sock': '/nowhere/x.sock'}.items():
        error = program.error('serve', '--listen', address)
        assert expected in error, (address, error)


def test_settings_that_cannot_be(folder):
    program = migrated(folder)
    for flag, expected in {'--http-unix-mode=999': 'octal', '--http-forwarded=x-real-ip': 'x-forwarded-for or forwarded',
                           '--workers=257': 'between 0 and 256', '--workers=-1': 'between 0 and 256'}.items():
        error = program.error('serve', '--port=0', flag, code=3)
        assert expected in error, (flag, error)
    error = program.error('serve', '--port=0', '--http-trusted-proxies=10.0.0.0/8, proxy')
    assert '"proxy" is no network' in error, error


def activated(program, sockets, *arguments, names=None, **options):
    """Started with sockets as systemd does it: descriptors from 3 on, and LISTEN_PID."""
    environment = {'LISTEN_FDS': str(len(sockets))} | ({'LISTEN_FDNAMES': names} if names else {})
    high = []
    for sock in sockets: # out of the way of 3, 4, ...
        high.append(os.dup2(sock.fileno(), 50 + len(high)))
    script = ''.join(f'exec {3 + i}<&{fd} {fd}<&-; ' for i, fd in enumerate(high))
    prefix = ['bash', '-c', f'{script} LISTEN_PID=$$ exec "$@"', 'bash']
    try:
        return start(program, *arguments, prefix=prefix, env=environment, pass_fds=high, **options)
    finally:
        for fd in high:
            os.close(fd)


def test_socket_activation(folder):
    program = migrated(folder)
    with socket.create_server(('127.0.0.1', 0)) as ours:
        process, said = activated(program, [ours], '--workers=2')
        assert said['listening']['port'] == ours.getsockname()[1], said
        for _ in range(10):
            assert get(http.client.HTTPConnection(*ours.getsockname(), timeout=service.PATIENCE_S))[0] == 200
        assert finish(process) == 0
        socket.create_connection(ours.getsockname(), timeout=service.PATIENCE_S).close() # it is still there


def test_socket_for_the_address_is_found(folder):
    program = migrated(folder)
    path = folder / 'app.sock'
    with socket.create_server(('127.0.0.1', 0)) as other, socket.socket(socket.AF_UNIX) as ours:
        ours.bind(str(path))
        ours.listen()
        process, said = activated(program, [other, ours], f'--listen=unix:{path}', names='web:app')
        assert said['listening']['url'] == f'unix:{path}', said
        assert get(Unix(path))[0] == 200
        assert finish(process) == 0
    assert path.exists() # it belongs to who made it


def notified(folder):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(folder / 'notify'))
    sock.settimeout(service.PATIENCE_S)
    return sock


def test_service_manager_is_told(folder):
    program = migrated(folder)
    with notified(folder) as manager:
        process, said = start(program, '--port=0', '--workers=1', env={'NOTIFY_SOCKET': str(folder / 'notify')})
        assert manager.recv(1000) == b'READY=1'
        process.send_signal(signal.SIGHUP)
        assert manager.recv(1000).startswith(b'RELOADING=1\nMONOTONIC_USEC=')
        next_said = json.loads(process.stdout.readline())
        messages = [manager.recv(1000), manager.recv(1000)]
        assert f'MAINPID={next_said["pid"]}\nREADY=1'.encode() in messages, messages
        assert process.wait(service.PATIENCE_S) == 0
        os.kill(next_said['pid'], signal.SIGTERM)
        assert manager.recv(1000) == b'STOPPING=1'
        service.wait_until(lambda: not alive(next_said['pid']), 'the end of the heir')
        process.stdout.close()
    assert said['listening'] == next_said['listening']


class Hammer(threading.Thread):
    """Asks again and again, with a connection for each request; remembers what failed."""

    def __init__(self, connect):
        super().__init__()
        self.connect = connect
        self.asked, self.failures, self.over = 0, [], False

    def run(self):
        while not self.over:
            try:
                connection = self.connect()
                status, _ = get(connection)
                assert status == 200, status
                connection.close()
            except Exception as reason: # pylint: disable=broad-except
                self.failures.append(repr(reason))
            self.asked += 1


def hammered_reloads(program, arguments, connect, workers):
    """Reload while clients ask; another number of workers each time. Nobody is refused."""
    (program.folder / 'covet.yaml').write_text(f'http: {{workers: {workers[0]}}}\n')
    process, said = start(program, *arguments)
    hammers = [Hammer(lambda: connect(said)) for _ in range(3)]
    for hammer in hammers:
        hammer.start()
    pid = process.pid
    try:
        for count in workers[1:]:
            (program.folder / 'covet.yaml').write_text(f'http: {{workers: {count}}}\n')
            before = [hammer.asked for hammer in hammers]
            os.kill(pid, signal.SIGHUP)
            now = json.loads(process.stdout.readline())
            assert now['workers'] == count and now['pid'] != pid and now['listening'] == said['listening'], now
            service.wait_until(lambda former=pid: not alive(former), 'the end of the former life')
            service.wait_until(lambda former=before: all(
                hammer.asked > asked + 20 for hammer, asked in zip(hammers, former)), 'requests in the new life')
            pid = now['pid']
    finally:
        for hammer in hammers:
            hammer.over = True
        for hammer in hammers:
            hammer.join()
        finish(process, pid)
    failures = [failure for hammer in hammers for failure in hammer.failures]
    assert not failures, f'{len(failures)} of {sum(hammer.asked for hammer in hammers)}: {failures[:5]}'


def test_reload_refuses_nobody(folder):
    hammered_reloads(migrated(folder), ['--port=0'], lambda said: http.client.HTTPConnection(
        '127.0.0.1', said['listening']['port'], timeout=service.PATIENCE_S), [2, 2, 4, 1, 3, 2])


def test_reload_at_a_unix_socket_refuses_nobody(folder):
    path = folder / 'app.sock'
    hammered_reloads(migrated(folder), [f'--listen=unix:{path}'], lambda said: Unix(path), [2, 1, 2])
    assert not path.exists()


def test_reload_takes_the_admin_listener_along(folder):
    program = migrated(folder)
    process, said = start(program, '--port=0', '--workers=1', '--admin-listen=127.0.0.1:0')
    process.send_signal(signal.SIGHUP)
    now = json.loads(process.stdout.readline())
    assert now['admin'] == said['admin'] and now['listening'] == said['listening'], (said, now)
    assert process.wait(service.PATIENCE_S) == 0
    port = int(now['admin'].rsplit(':', 1)[1].rstrip('/'))
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=service.PATIENCE_S)
    assert get(connection, '/live')[0] == 200
    connection.close()
    finish(process, now['pid'])


def test_reload_that_fails_changes_nothing(folder):
    program = migrated(folder)
    with program.serving('--workers=1') as server:
        (folder / 'covet.yaml').write_text('http: {workers: many}\n')
        server.process.send_signal(signal.SIGHUP)
        service.wait_until(lambda: 'could not reload' in server.log(), 'the complaint')
        assert 'ended with status 3 before it was ready' in server.log(), server.log()
        server.get('/books')
        (folder / 'covet.yaml').unlink()


def test_reload_without_the_program_changes_nothing(folder):
    program = migrated(folder)
    copy = folder / 'program'
    copy.write_bytes(open(program.path, 'rb').read())
    copy.chmod(0o755)
    program.path = str(copy)
    with program.serving('--workers=1') as server:
        copy.unlink()
        server.process.send_signal(signal.SIGHUP)
        service.wait_until(lambda: 'could not reload' in server.log(), 'the complaint')
        assert 'No such file' in server.log(), server.log()
        server.get('/books')


def is_ready(url):
    host, port = url.split('//')[1].rstrip('/').split(':')
    connection = http.client.HTTPConnection(host, int(port), timeout=service.PATIENCE_S)
    try:
        return get(connection, '/ready')[0] == 200
    finally:
        connection.close()


def test_second_signal_ends_all_patience(folder):
    program = migrated(folder)
    with program.serving('--workers=1', '--http-drain-delay=1h', '--admin-listen=127.0.0.1:0') as server:
        assert is_ready(server.admin)
        server.process.send_signal(signal.SIGTERM)
        service.wait_until(lambda: not is_ready(server.admin), 'the end of readiness')
        server.get('/books') # still there: load balancers are to notice first
        assert server.stop() == 0


tap.main(sys.modules[__name__])
