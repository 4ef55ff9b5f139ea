"""What a program that serves tells of itself: the admin listener, SIGUSR1, and who holds the loop."""
import collections
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import service
import tap

ADMIN = '--admin-listen=127.0.0.1:0'
PAGE = tap.ROOT / 'docs' / 'observability.md'


def odd(folder, **settings):
    return service.Program(os.environ['ODD_PROGRAM'], folder, 'odd.db', **settings)


def ask_admin(server, path):
    """(status, body) of one request to the admin listener."""
    try:
        with urllib.request.urlopen(server.admin + path, timeout=service.PATIENCE_S) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def begin_to_ask(server, path):
    """Ask for what is not answered before let_go(), in a thread."""
    asking = threading.Thread(target=lambda: server.get(path, 204))
    asking.start()
    return asking


def let_go(folder):
    (folder / 'let-go').touch()


def metrics(server):
    """All series as a dictionary: 'name{labels}' to its value."""
    status, text = ask_admin(server, 'metrics')
    assert status == 200, text
    return {line.rsplit(' ', 1)[0]: float(line.rsplit(' ', 1)[1])
            for line in text.splitlines() if not line.startswith('#')}


def families(text):
    return {line.split()[2] for line in text.splitlines() if line.startswith('# TYPE ')}


def test_metrics_count_every_request(folder):
    with odd(folder).serving(ADMIN) as server:
        def ask_many(count):
            connection = server.connect()
            for i in range(count):
                connection.request('GET' if i % 2 else 'POST', f'/things/{i}')
                assert connection.getresponse().read() == b''
            connection.close()
        threads = [threading.Thread(target=ask_many, args=(100,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.get('/nothing', 404)
        seen = metrics(server)
        duration = 'http_server_request_duration_seconds_count{http_request_method="%s",http_route="%s",' \
                   'http_response_status_code="%d"}'
        assert seen[duration % ('GET', '/things/{id:int}', 204)] == 200, seen
        assert seen[duration % ('POST', '/things/{id:int}', 204)] == 200, seen
        assert seen[duration % ('GET', '', 404)] == 1, seen
        service.wait_until(lambda: metrics(server)['covet_http_connections_total'] == 5, 'all connections are counted')
        assert not any('/metrics' in series for series in metrics(server))


def at_rest(seen):
    return all(seen[name] == 0 for name in (
        'covet_fibers', 'covet_fiber_stacks{state="in_use"}', 'http_server_active_requests',
        'covet_http_connections{state="idle"}', 'covet_http_connections{state="active"}', 'covet_lane_queued{lane="cpu"}',
        'covet_lane_busy{lane="cpu"}'))


def test_rest_comes_back_after_clients_were_killed(folder):
    with odd(folder).serving(ADMIN) as server:
        clients = []
        for i in range(60):
            client = socket.create_connection(('127.0.0.1', server.port))
            client.sendall([b'GET /wait HTTP/1.1\r\nHost: a\r\n\r\n', b'', b'POST /things/1 HTTP/1.1\r\nHo'][i % 3])
            clients.append(client)
        service.wait_until(lambda: metrics(server)['http_server_active_requests'] == 20, 'requests are under way')
        service.wait_until(lambda: metrics(server)['covet_http_connections{state="active"}'] == 40, 'and arriving')
        for i, client in enumerate(clients):
            if i % 2: # a reset
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            client.close()
        service.wait_until(lambda: at_rest(metrics(server)), 'nothing is left')


def test_liveness_and_readiness(folder):
    with odd(folder).serving(ADMIN) as server:
        assert ask_admin(server, 'live') == (200, 'live\n')
        status, body = ask_admin(server, 'ready')
        assert status == 200 and json.loads(body)['ready'], body
        assert [check['name'] for check in json.loads(body)['checks']] == ['serving', 'database', 'wanted'], body
    with odd(folder).serving(ADMIN, env={'UNREADY': '1'}) as server:
        status, body = ask_admin(server, 'ready')
        assert status == 503 and not json.loads(body)['ready'], body
        assert json.loads(body)['checks'][2] == {'name': 'wanted', 'ready': False, 'reason': 'nobody wants it'}, body


def test_a_program_that_stops_is_not_ready(folder):
    with odd(folder).serving(ADMIN) as server:
        asking = begin_to_ask(server, '/wait')
        service.wait_until(lambda: metrics(server)['http_server_active_requests'] == 1, 'the request is under way')
        server.process.send_signal(signal.SIGTERM)
        service.wait_until(lambda: ask_admin(server, 'ready')[0] == 503, 'it is not ready any more')
        assert 'it is stopping' in ask_admin(server, 'ready')[1]
        let_go(folder)
        asking.join()
        assert server.process.wait(service.PATIENCE_S) == 0, server.log()


def test_a_signal_dumps_all_fibers(folder):
    with odd(folder).serving(ADMIN) as server:
        clients = []
        for i in range(30):
            client = socket.create_connection(('127.0.0.1', server.port))
            client.sendall(b'GET /wait?secret=%d HTTP/1.1\r\nHost: a\r\n\r\n' % i)
            clients.append(client)
        service.wait_until(lambda: metrics(server)['http_server_active_requests'] == 30, 'requests are under way')
        server.process.send_signal(signal.SIGUSR1)
        service.wait_until(lambda: 'wait_long' in server.log(), 'a dump')
        log = server.log()
        assert '"GET /wait" since ' in log and ': GET /wait\n' in log and 'deadline in ' in log, log
        assert 'odd.c:' in log and ' more\n' in log, log
        assert len(log.splitlines()) < 300, log
        assert 'wait_long' in ask_admin(server, 'fibers')[1]
        for client in clients:
            client.close()
        server.process.send_signal(signal.SIGUSR1)


def test_who_holds_the_loop_is_named(folder):
    with odd(folder).serving() as server:
        asking = begin_to_ask(server, '/spin')
        service.wait_until(lambda: 'held' in server.log(), 'a line of the watchdog')
        let_go(folder)
        asking.join()
        assert 'GET /spin' in server.log(), server.log()


def test_who_holds_a_worker_is_named_while_it_does(folder):
    with odd(folder).serving(ADMIN) as server:
        if metrics(server)['covet_workers'] == 0:
            raise tap.Skip('requests are answered on the main loop')
        asking = begin_to_ask(server, '/spin')
        service.wait_until(lambda: 'loop held' in server.log(), 'a line of the watchdog')
        assert 'free again' not in server.log(), server.log()
        assert 'GET /spin' in server.log() and 'odd.c:' in server.log(), server.log()
        assert ask_admin(server, 'live')[0] == 200
        assert 'its loop is held by "GET /spin"' in ask_admin(server, 'fibers')[1]
        let_go(folder)
        asking.join()
        service.wait_until(lambda: 'free again' in server.log(), 'its end')
        assert server.log().count('loop held') == 1, server.log()


def test_addresses_of_the_admin_listener(folder):
    program = odd(folder)
    error = program.error('serve', '--admin-listen=nonsense', code=3)
    assert 'admin.listen cannot be "nonsense"' in error, error
    with program.serving(ADMIN) as server:
        port = server.admin.rsplit(':', 1)[1].strip('/')
        assert 'in use' in program.error('serve', '--port=0', f'--admin-listen=127.0.0.1:{port}')
    with program.serving() as server:
        assert server.admin is None
        service.wait_until(lambda: ask_port(server.port) == 404, 'the application has no such pages')


def ask_port(port):
    try:
        return urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics', timeout=service.PATIENCE_S).status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_the_page_lists_what_is_exposed(folder):
    with odd(folder).serving(ADMIN) as server:
        server.get('/things/1', 204)
        with socket.create_connection(('127.0.0.1', server.port)) as client:
            client.sendall(b'BREW / HTTP/1.1\r\nHost: a\r\n\r\n')
            assert b'501' in client.recv(1000)
        text = ask_admin(server, 'metrics')[1]
        documented = re.findall(r'^\| `([a-z_]+)(?:\{[^`]*\})?` \|', PAGE.read_text(encoding='utf-8'), re.MULTILINE)
        doubles = [name for name, count in collections.Counter(documented).items() if count > 1]
        assert not doubles, doubles
        assert set(documented) == families(text), set(documented) ^ families(text)
        check_with_promtool(['promtool', 'check', 'metrics'], text)


# OpenTelemetry's name of it ends as Prometheus would have histograms end.
NAMED_BY_OPENTELEMETRY = 'db_client_connection_count non-histogram and non-summary metrics should not have "_count" suffix'


def check_with_promtool(command, text=None):
    try:
        done = subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)
    except FileNotFoundError as reason:
        raise tap.Skip('promtool is not installed (package prometheus)') from reason
    findings = [line for line in done.stdout.splitlines() if line and line != NAMED_BY_OPENTELEMETRY]
    assert done.returncode == 0 or (text and not findings), done.stdout


def test_the_example_alerts_are_rules(folder):
    rules = folder / 'rules.yml'
    block, = re.findall(r'^```yaml\n(.*?)^```$', PAGE.read_text(encoding='utf-8'), re.MULTILINE | re.DOTALL)
    rules.write_text(block, encoding='utf-8')
    check_with_promtool(['promtool', 'check', 'rules', rules])


tap.main(sys.modules[__name__])
