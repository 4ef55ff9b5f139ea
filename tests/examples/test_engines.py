"""The example on every engine, by DATABASE_URL alone: the same list gives the same answers on every route."""
import os
import re
import sys
from contextlib import ExitStack

import service
import tap
from engines import own_database

COUNT = 300
UNICODE = '''Package: unicode
Status: install ok installed
Section: text
Maintainer: Émile Žižek <Émile@example.org>
Architecture: all
Version: 1:2.0~rc1-1
Installed-Size: 1099511627776
Priority: optional
Depends: alpha (>= 1.0), beta | delta
Description: naïve Ωmega "quotes" \\ 100% _under |pipe 日本語 \U0001F600
 Long, with a tab\tand 'quotes'.
 .
 Περισσότερα.

Package: unicode-padded
Status: install ok installed
Section: text
Maintainer: emile zizek <emile@example.org>
Architecture: all
Version: 1
Description: NAÏVE ωMEGA

'''


def demo(folder, url, text):
    folder.mkdir()
    program = service.Program(os.environ['PACKAGES'], folder)
    program.environment['DATABASE_URL'] = url
    program.run('migrate')
    (folder / 'list').write_text(text)
    counts = program.json('import', 'list')
    return program, {key: value for key, value in counts.items() if 'second' not in key and not key.endswith('_ms')}


def questions(names):
    """Every route, with every parameter that it takes."""
    orders = ['name', 'version', 'section', 'maintainer', 'installed_size', 'architecture', 'priority']
    yield from ('/api/sections', '/api/stats', '/', '/style.css', '/script.js', '/nowhere', '/api/packages/nope')
    for order in orders:
        yield f'/api/packages?order={order}&limit=200'
        yield f'/api/packages?order=-{order}&limit=7&page=3'
    for query in ('search=LIB', 'search=na%C3%AFve', 'search=%CE%A9MEGA', 'search=%CF%89mega', 'search=%25', 'search=_',
                  'search=%5C', 'search=%7Cpipe', 'search=%22quotes%22', 'search=%E6%97%A5%E6%9C%AC', 'search=%F0%9F%98%80',
                  'search=e', 'search=nothing+at+all', "search='%20OR%201=1--%20", 'section=text', 'section=TEXT',
                  'section=text%20', 'section=tex', 'maintainer=EMILE', 'maintainer=%C3%A9MILE',
                  'maintainer=%C3%A9mile%40example.org', 'maintainer=a&section=libs&search=o', 'page=2', 'page=99',
                  'limit=0', 'limit=x', 'order=size', 'order=--name', 'limit=3&page=100'):
        yield '/api/packages?' + query
    for name in names:
        yield f'/api/packages/{name}'
        yield f'/api/packages/{name}?architecture=amd64'
        yield f'/api/packages/{name.upper()}'


def answer(server, target):
    """An answer as it came, apart from what differs from one request to the next, and from the keys that the engine gave
    to dependencies: MariaDB leaves gaps between the rows of one INSERT and those of the next."""
    if server.connection is None:
        server.connection = server.connect()
    server.connection.request('GET', target, headers={'X-Request-Id': 'the-same-everywhere'})
    reply = server.connection.getresponse()
    body = reply.read()
    kept = {name: value for name, value in reply.getheaders() if name not in ('Date', 'X-Request-Id')}
    request_id = reply.getheader('X-Request-Id')
    body, dependencies = re.subn(rb'"id":\d+,"package_id"', b'"id":-,"package_id"', body)
    if dependencies:
        del kept['Content-Length']
    return reply.status, kept, body.replace(request_id.encode(), b'-') if request_id else body


def test_every_route_answers_the_same_on_every_engine(folder):
    code, output = tap.run(sys.executable, tap.ROOT / 'bench/generate_packages.py', COUNT, folder / 'list')
    assert code == 0, output
    text = (folder / 'list').read_text() + '\n' + UNICODE
    names = re.findall('^Package: (.*)$', text, re.MULTILINE)[::9] + ['unicode', 'unicode-padded']
    with ExitStack() as stack:
        servers, counts = [], []
        for engine in 'sqlite', 'postgres', 'mariadb':
            url = stack.enter_context(own_database(engine, folder))
            program, counted = demo(folder / engine, url, text)
            counts.append(counted)
            servers.append(stack.enter_context(program.serving()))
        assert counts[0] == counts[1] == counts[2] and counts[0]['packages'] == COUNT + 2, counts
        asked = 0
        for target in questions(names):
            answers = [answer(server, target) for server in servers]
            assert answers[0] == answers[1], (target, answers[0], answers[1])
            assert answers[0] == answers[2], (target, answers[0], answers[2])
            asked += 1
        assert asked > 100


def test_a_second_import_replaces_the_first_on_mariadb(folder):
    with own_database('mariadb', folder) as url:
        program, counted = demo(folder / 'demo', url, UNICODE)
        assert counted['packages'] == 2, counted
        error = program.error('import', '-', stdin='Package: a\nnonsense\n')
        assert 'standard input, line 2' in error, error
        with program.serving() as server:
            assert server.get('/api/stats')['packages'] == 2
            assert program.json('import', '-', stdin=UNICODE.replace('unicode-padded', 'other'))['packages'] == 2
            found = server.get('/api/packages?section=text')
            assert [package['name'] for package in found['results']] == ['other', 'unicode'], found
        assert all(row['applied_at'] for row in program.json('showmigrations'))
        program.run('migrate', 'packages', 'zero')


tap.main(sys.modules[__name__])
