"""docs/server.md lists every setting of the server with its default, and nothing else."""
import re
import sys
from pathlib import Path

import tap
from bookshop import fresh

PAGE = Path(__file__).parents[2] / 'docs' / 'server.md'
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


tap.main(sys.modules[__name__])
