"""The JSON API and the page of the example, by HTTP."""
import os
import sys

import service
import tap


def paragraph(name, section='libs', maintainer='Jane Doe <jane@example.org>', size=100, depends='', arch='amd64'):
    return (f'Package: {name}\nStatus: install ok installed\nSection: {section}\nMaintainer: {maintainer}\n'
            f'Architecture: {arch}\nVersion: 1.0\nInstalled-Size: {size}\n' + (f'Depends: {depends}\n' if depends else '')
            + f'Description: the {name} summary\n Long.\n\n')


LIST = (paragraph('alpha', size=300, depends='gamma (>= 1), beta | delta') + paragraph('beta', section='net')
        + paragraph('gamma', maintainer='Team <team@example.org>', size=200, depends='alpha')
        + paragraph('libc++', section='net') + paragraph('multi', arch='amd64') + paragraph('multi', arch='i386', size=7))


class api:
    """A served database with LIST in it."""

    def __init__(self, folder):
        self.program = service.Program(os.environ['PACKAGES'], folder, 'packages.db')
        self.program.run('migrate')
        self.program.run('import', '-', stdin=LIST)
        self.server = service.Server(self.program, (), {}, ())

    def __enter__(self):
        return self.server

    def __exit__(self, *_):
        self.server.end()


def names(page):
    return [item['name'] for item in page['results']]


def test_list(folder):
    with api(folder) as server:
        page = server.get('/api/packages')
        assert names(page) == ['alpha', 'beta', 'gamma', 'libc++', 'multi', 'multi'], page
        assert {key: page[key] for key in ('count', 'page', 'pages', 'limit')} == {
            'count': 6, 'page': 1, 'pages': 1, 'limit': 50}
        alpha = page['results'][0]
        assert alpha['section'] == {'id': alpha['section_id'], 'name': 'libs'}, alpha
        assert alpha['maintainer']['email'] == 'jane@example.org', alpha


def test_filters(folder):
    with api(folder) as server:
        for query, expected in {
                'search=ALPHA': ['alpha'], 'search=summary': ['alpha', 'beta', 'gamma', 'libc++', 'multi', 'multi'],
                'search=%25': [], 'search=_eta': [], 'search=c%2B%2B': ['libc++'], 'search=nothing+at+all': [],
                'section=net': ['beta', 'libc++'], 'section=ne': [], 'maintainer=team': ['gamma'],
                'maintainer=TEAM@EXAMPLE.ORG': ['gamma'], 'maintainer=jane&section=net&search=beta': ['beta'],
        }.items():
            found = names(server.get('/api/packages?' + query))
            assert found == expected, (query, found)


def test_orders(folder):
    with api(folder) as server:
        assert names(server.get('/api/packages?order=-name'))[-1] == 'alpha'
        assert names(server.get('/api/packages?order=-installed_size'))[:2] == ['alpha', 'gamma']
        assert names(server.get('/api/packages?order=installed_size'))[0] == 'multi'
        assert names(server.get('/api/packages?order=maintainer'))[-1] == 'gamma'
        for order in 'version', 'section', '-maintainer', 'architecture', 'priority':
            assert len(names(server.get(f'/api/packages?order={order}'))) == 6


def test_pages(folder):
    with api(folder) as server:
        found = []
        for number in 1, 2, 3:
            page = server.get(f'/api/packages?limit=2&page={number}')
            assert (page['count'], page['pages'], page['page'], page['limit']) == (6, 3, number, 2), page
            found += names(page)
        assert found == ['alpha', 'beta', 'gamma', 'libc++', 'multi', 'multi']
        assert 'there is no page 4' in server.get('/api/packages?limit=2&page=4', 404)['detail']


def test_bad_parameters_are_named(folder):
    with api(folder) as server:
        for query in 'limit=0', 'limit=201', 'limit=x', 'page=0', 'page=-1', 'page=1e3', 'order=size', 'order=--name':
            problem = server.get('/api/packages?' + query, 422)
            assert problem['errors'][0]['field'] == query.split('=')[0], problem


def test_package(folder):
    with api(folder) as server:
        found = server.get('/api/packages/alpha')
        assert found['package']['summary'] == 'the alpha summary', found
        assert [(d['name'], d['position'], d['alternative'], d['relation']) for d in found['dependencies']] == [
            ('gamma', 0, 0, '>='), ('beta', 1, 0, None), ('delta', 1, 1, None)], found
        assert found['reverse_dependency_count'] == 1
        assert found['reverse_dependencies'] == [{'package': 'gamma', 'architecture': 'amd64', 'kind': 'depends',
                                                  'relation': None, 'version': None, 'alternative': 0}], found
        assert server.get('/api/packages/libc%2B%2B')['package']['name'] == 'libc++'
        assert server.get('/api/packages/multi?architecture=i386')['package']['installed_size'] == 7


def test_package_that_does_not_exist(folder):
    with api(folder) as server:
        status, headers, problem = server.ask('GET', '/api/packages/nope')
        assert (status, headers['Content-Type']) == (404, 'application/problem+json')
        assert problem.pop('request_id') == headers['X-Request-Id']
        assert problem == {'type': 'about:blank', 'title': 'Not Found', 'status': 404,
                           'detail': 'there is no package "nope"'}, problem
        server.get('/api/packages/multi?architecture=m68k', 404)
        server.get('/api/packages/%00', 404) if server.ask('GET', '/api/packages/%00')[0] != 400 else None


def test_sections_and_stats(folder):
    with api(folder) as server:
        assert server.get('/api/sections') == [{'name': 'libs', 'packages': 4, 'installed_size': 607},
                                               {'name': 'net', 'packages': 2, 'installed_size': 200}]
        assert server.get('/api/stats') == {'packages': 6, 'sections': 2, 'maintainers': 2, 'dependencies': 4,
                                            'installed_size': 807}


def test_other_methods(folder):
    with api(folder) as server:
        status, headers, body = server.ask('HEAD', '/api/packages')
        assert status == 200 and body == b'' and int(headers['Content-Length']) > 100
        status, headers, _ = server.ask('OPTIONS', '/api/packages')
        assert status in (200, 204) and {'GET', 'HEAD', 'OPTIONS'} <= set(headers['Allow'].split(', ')), headers
        for method in 'POST', 'PUT', 'DELETE', 'PATCH':
            status, headers, problem = server.ask(method, '/api/packages')
            assert status == 405 and 'GET' in headers['Allow'] and problem['status'] == 405


def test_page_is_known_by_its_tag(folder):
    with api(folder) as server:
        for path, kind in {'/': 'text/html; charset=utf-8', '/style.css': 'text/css; charset=utf-8',
                           '/script.js': 'text/javascript; charset=utf-8'}.items():
            status, headers, body = server.ask('GET', path)
            assert (status, headers['Content-Type']) == (200, kind) and len(body) > 500
            status, again, body = server.ask('GET', path, headers={'If-None-Match': headers['ETag']})
            assert (status, again['ETag'], body) == (304, headers['ETag'], b'')
            assert server.ask('GET', path, headers={'If-None-Match': '"other"'})[0] == 200


tap.main(sys.modules[__name__])
