"""The program of the guide (docs/guide.md), built from its very text, does what the guide says."""
import os
import re
import sys

import service
import tap

GUIDE = (tap.ROOT / 'docs' / 'guide.md').read_text(encoding='utf-8')


def shop(folder):
    program = service.Program(os.environ['GUIDE'], folder)
    program.run('makemigrations')
    program.run('migrate')
    return program


def test_books_by_http(folder):
    program = shop(folder)
    program.run('example')
    with program.serving() as server:
        page = server.get('/books?title=wizard')
        book = page['results'][0]
        assert page['count'] == 1 and book['author']['name'] == 'Ursula K. Le Guin', page
        server.post('/books', {'title': 'Rocannon', 'price': 5, 'pages': 0, 'author_id': 1}, 422)
        made = server.post('/books', {'title': 'Rocannon', 'price': 5, 'author_id': 1})
        status, _, changed = server.ask('PATCH', f'/books/{made["id"]}', {'price': '7.25', 'stock': 1})
        assert (status, changed['price'], changed['title']) == (200, 7.25, 'Rocannon'), changed
        shelf = server.get('/shelf?author=guin')
        assert shelf['in_stock'] == 1 and [b['title'] for b in shelf['affordable']] == ['Rocannon'], shelf
        server.post(f'/books/{made["id"]}/sales', None, 204)
        problem = server.post(f'/books/{made["id"]}/sales', None, 409)
        assert problem['detail'] == '"Rocannon" is sold out', problem
        server.post('/books/99/sales', None, 404)
        server.get('/books?limit=101', 422)


def test_commands(folder):
    program = shop(folder)
    assert program.run('restock', 'Lem', 'Solaris')[0] == '5 of "Solaris", sold in EUR\n'
    assert program.run('restock', 'Lem', 'Fiasko', '--shop-currency', 'PLN')[0].endswith('sold in PLN\n')
    assert program.run('titles')[0] == 'Fiasko\nSolaris\n'
    program.run('restock', code=2)
    assert 'title' in program.error('restock', 'Lem', 'Solaris')


def test_settings_file_of_the_guide(folder):
    text = re.search(r'^```yaml\n(.*?)^```$', GUIDE, re.MULTILINE | re.DOTALL).group(1)
    (folder / 'covet.yaml').write_text(text)
    settings = {setting['name']: setting['value'] for setting in shop(folder).json('help')['settings']}
    assert (settings['http.host'], settings['log.format']) == ('0.0.0.0', 'json'), settings


def test_commands_of_the_guide_exist(folder):
    program = shop(folder)
    (folder / 'authors.csv').write_text('name\n"Lem, Stanisław"\n')
    for line in re.findall(r'^\./bookshop (.*?)(?: +#.*)?$', GUIDE, re.MULTILINE):
        if not line.startswith('serve'):
            program.run(*line.split())
        if line.endswith('zero'):
            program.run('migrate')


def test_links_of_the_guide_lead_somewhere(_folder):
    headings = {re.sub(r'[^a-z -]', '', heading.lower()).replace(' ', '-')
                for heading in re.findall(r'^## (.*)$', GUIDE, re.MULTILINE)}
    for target in re.findall(r'\]\(([^)]*)\)', GUIDE):
        assert target[1:] in headings if target.startswith('#') else (tap.ROOT / 'docs' / target).exists(), target


tap.main(sys.modules[__name__])
