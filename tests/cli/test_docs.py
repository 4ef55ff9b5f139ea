"""docs/server.md lists every setting of the server with its default, and nothing else; docs/postgresql.md every option of a
database URL that only PostgreSQL has, docs/mariadb.md those of MariaDB."""
import re
import sys
from pathlib import Path

import tap
from bookshop import fresh

ROOT = Path(__file__).parents[2]
PAGE = ROOT / 'docs' / 'server.md'
POSTGRES_PAGE = ROOT / 'docs' / 'postgresql.md'
MARIADB_PAGE = ROOT / 'docs' / 'mariadb.md'
ROW = re.compile(r'^\| `([a-z_.]+)` \| (.*?) \| (.+) \|$', re.MULTILINE)


def settings(folder):
    program = fresh(folder)
    program.environment.pop('DATABASE_URL', None)
    return {setting['name']: setting for setting in program.json('help')['settings']
            if setting['name'].startswith(('http.', 'database.', 'admin.', 'log.'))}


def test_each_setting_has_its_row(folder):
    known, listed = settings(folder), {name: (default, text) for name, default, text in ROW.findall(PAGE.read_text())}
    assert sorted(known) == sorted(listed), sorted(set(known) ^ set(listed))
    for name, setting in known.items():
        default = f'`{setting["default"]}`' if setting['default'] is not None else ''
        assert listed[name][0] == default, (name, listed[name][0], default)


def test_rows_say_what_the_help_says(folder):
    listed = {name: text for name, _, text in ROW.findall(PAGE.read_text())}
    for name, setting in settings(folder).items():
        assert listed[name].replace('`', '') == setting['help'].replace('|', '\\|'), (name, setting['help'])


def names_in(path, table):
    """The first string of each entry of a table in C."""
    text = (ROOT / path).read_text()
    body = re.search(table + r'\[\] = \{\n(.*?)\n\};', text, re.DOTALL).group(1)
    return set(re.findall(r'^ *(?:\{|TEXT\()?"([a-z_]+)"', body, re.MULTILINE))


def test_each_option_of_postgresql_has_its_row(folder):
    own = names_in('src/db/postgres/options.c', 'names')
    every_engine = names_in('src/db/options.c', 'common_options')
    assert {'sslmode', 'pooler'} <= own and {'read_only', 'statement_cache'} <= every_engine
    listed = {name for name, _, _ in ROW.findall(POSTGRES_PAGE.read_text())}
    assert own <= listed, own - listed
    assert listed <= own | every_engine, listed - own - every_engine
    assert {name for name in every_engine if name.startswith('statement_')} <= listed


def test_each_option_of_mariadb_has_its_row(folder):
    own = names_in('src/db/mariadb/options.c', 'options_known')
    assert {'ssl_mode', 'ssl_ca', 'socket'} <= own, own
    page = MARIADB_PAGE.read_text()
    missing = [name for name in own if f'`{name}`' not in page]
    assert not missing, missing


def test_each_error_of_connecting_has_its_row(folder):
    codes = set(re.findall(r'CV_E_[A-Z_]+', (ROOT / 'src/db/postgres/refusal.c').read_text()))
    page = POSTGRES_PAGE.read_text()
    missing = [code for code in codes - {'CV_E_DB', 'CV_E_PERMISSION', 'CV_E_UNREACHABLE'} if f'`{code}`' not in page]
    assert not missing, missing


tap.main(sys.modules[__name__])
