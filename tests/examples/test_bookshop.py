"""The program of the README, built from its very text: from no database to acknowledged writes that survive a kill."""
import signal
import sys
import threading

import service
import tap
from bookshop import AUTHOR, BOOK, fresh, migrated

def fields(problem):
    return [entry['field'] for entry in problem['errors']]


def test_first_steps_of_the_readme(folder):
    program = fresh(folder)
    output, _ = program.run('makemigrations')
    assert 'migrations/bookshop/0001_initial.yaml' in output, output
    assert 'create table books' in (folder / 'migrations/bookshop/0001_initial.yaml').read_text() or output, output
    program.run('makemigrations', '--check')
    program.run('showmigrations', '--check', code=4)
    program.run('migrate')
    program.run('showmigrations', '--check')
    program.run('check')
    with program.serving() as server:
        assert server.post('/authors', AUTHOR) == {'id': 1} | AUTHOR
        made = server.post('/books', BOOK)
        assert made == {'id': 1, 'title': BOOK['title'], 'price': 9.5, 'pages': 183, 'author_id': 1}, made
        found = server.get('/books?title=EARTHSEA')
        assert found == [made | {'author': {'id': 1} | AUTHOR}], found
        assert server.get('/books?title=dispossessed') == []
        assert server.get('/books/1') == made


def test_bad_bodies_are_refused_with_all_their_fields(folder):
    with migrated(folder).serving() as server:
        problem = server.post('/books', {'title': 'x' * 201, 'price': -1, 'pages': 'many', 'autor_id': 1}, 422)
        assert sorted(fields(problem)) == ['author_id', 'autor_id', 'pages', 'price', 'title'], problem
        assert problem['status'] == 422 and problem['type'] == 'about:blank', problem
        status, headers, _ = server.ask('POST', '/books', '{"title": ', {'Content-Type': 'application/json'})
        assert (status, headers['Content-Type']) == (400, 'application/problem+json')
        assert server.ask('POST', '/books', 'title=x', {'Content-Type': 'text/plain'})[0] == 415
        assert server.ask('POST', '/books', b'[' * 100000, {'Content-Type': 'application/json'})[0] == 422
        assert server.ask('POST', '/books', b'{"a":' * 10000, {'Content-Type': 'application/json'})[0] == 400
        assert server.ask('POST', '/books', b' ' * 3000000, {'Content-Type': 'application/json'})[0] == 413
        server.connection = None # it was closed after the refusal
        server.connection = None
        assert server.get('/books') == []


def test_conflicts_name_their_fields(folder):
    with migrated(folder).serving() as server:
        server.post('/authors', AUTHOR)
        problem = server.post('/authors', AUTHOR, 409)
        assert 'name' in problem['detail'], problem
        server.post('/books', BOOK)
        problem = server.post('/books', BOOK, 409)
        assert 'title' in problem['detail'] and 'author' in problem['detail'], problem
        server.post('/books', BOOK | {'author_id': 77}, 409)
        assert len(server.get('/books')) == 1


def test_what_is_not_there(folder):
    with migrated(folder).serving() as server:
        for target in '/books/1', '/books/x', '/book', '/books/99999999999999999999':
            problem = server.get(target, 404)
            assert problem['status'] == 404, problem
        status, headers, _ = server.ask('DELETE', '/books')
        assert status == 405 and 'POST' in headers['Allow'], headers


def test_serving_before_migrating(folder):
    program = fresh(folder)
    program.run('makemigrations')
    with program.serving() as server:
        assert 'not applied' in server.log() and 'bookshop migrate' in server.log(), server.log()
        problem = server.get('/books', 500)
        assert problem['title'] == 'Internal Server Error' and 'detail' not in problem, problem
        assert 'no such table: books' in server.log() and 'migrat' in server.log().split('no such table')[1], server.log()


def write_until_killed(server, acknowledged, writer):
    connection = server.connect()
    for number in range(100000):
        body = f'{{"title": "{writer}-{number}", "price": 1, "author_id": 1}}'
        try:
            connection.request('POST', '/books', body, {'Content-Type': 'application/json'})
            reply = connection.getresponse()
            reply.read()
        except (OSError, service.http.client.HTTPException):
            return
        if reply.status == 201:
            acknowledged.append(f'{writer}-{number}')


def test_every_acknowledged_write_survives_a_kill(folder):
    program = migrated(folder)
    acknowledged = []
    with program.serving() as server:
        server.post('/authors', AUTHOR)
        writers = [threading.Thread(target=write_until_killed, args=(server, acknowledged, writer)) for writer in range(8)]
        for writer in writers:
            writer.start()
        service.wait_until(lambda: len(acknowledged) > 500, '500 acknowledged writes')
        server.process.send_signal(signal.SIGKILL)
        for writer in writers:
            writer.join()
    assert program.rows('PRAGMA integrity_check') == [('ok',)]
    stored = {title for title, in program.rows('SELECT title FROM books')}
    missing = set(acknowledged) - stored
    assert not missing, f'{len(missing)} of {len(acknowledged)} are lost'
    with program.serving() as server: # and it goes on
        server.post('/books', BOOK)


tap.main(sys.modules[__name__])
