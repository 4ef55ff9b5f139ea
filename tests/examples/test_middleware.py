"""The program of docs/middleware.md, built from its very text, does what the page says."""
import os
import sys

import service
import tap


def ask(server, path, headers=None):
    return server.ask('GET', path, headers=headers)


def test_a_key_is_needed_below_api(folder):
    program = service.Program(os.environ['MIDDLEWARE'], folder)
    with program.serving() as server:
        assert ask(server, '/hello')[2] == b'hello, stranger\n'
        status, headers, body = ask(server, '/api/hello')
        assert status == 401 and 'X-Api-Key' in body['detail'], body
        assert headers['Server-Timing'].startswith('app;dur='), headers
        status, _, body = ask(server, '/api/hello', {'X-Api-Key': 'open sesame'})
        assert (status, body) == (200, b'hello, the one with the key\n'), body


def test_what_a_program_has_by_itself(folder):
    program = service.Program(os.environ['MIDDLEWARE'], folder)
    with program.serving('--development') as server:
        status, headers, body = ask(server, '/nothing', {'Accept': 'text/html', 'Accept-Encoding': 'gzip'})
        assert status == 404 and len(headers['X-Request-Id']) == 36, headers
        assert headers['X-Content-Type-Options'] == 'nosniff', headers
        assert b'<h1>404 Not Found</h1>' in body and b'Its headers' in body, body


def test_the_combined_log(folder):
    program = service.Program(os.environ['MIDDLEWARE'], folder)
    with program.serving('--http-access-log=common') as server:
        ask(server, '/hello', {'User-Agent': 'tests'})
        assert server.stop() == 0
        line = server.process.stdout.read()
    assert line.startswith('127.0.0.1 - - [') and line.endswith('"GET /hello HTTP/1.1" 200 16 "-" "tests"\n'), line


tap.main(sys.modules[__name__])
