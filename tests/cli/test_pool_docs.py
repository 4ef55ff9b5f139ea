"""docs/pools.md lists every option of every engine's pool, and nothing else."""
import re
import sys
from pathlib import Path

import tap

ROOT = Path(__file__).parents[2]


def options_of_the_code():
    text = (ROOT / 'src' / 'db' / 'options.c').read_text()
    table = text[text.index('common_options[] = {'):text.index('#undef AT')]
    names = set(re.findall(r'^\s*\{"(\w+)"', table, re.M)) | {'pool_name'}
    return {name for name in names if not name.startswith('statement_') and name not in ('read_only', 'listen_check')}


def options_of_the_page():
    text = (ROOT / 'docs' / 'pools.md').read_text()
    table = text[text.index('## Options'):text.index('## What happens')]
    return set(re.findall(r'^\| `(\w+)` \|', table, re.M))


def test_every_option_is_on_the_page(folder):
    missing = options_of_the_code() - options_of_the_page()
    assert not missing, missing


def test_the_page_has_no_other_options(folder):
    others = options_of_the_page() - options_of_the_code()
    assert not others, others


def test_every_metric_is_on_the_page(folder):
    text = (ROOT / 'docs' / 'pools.md').read_text()
    source = (ROOT / 'src' / 'db' / 'pool' / 'stats.c').read_text()
    for name in re.findall(r'_get\(registry, "(\w+)"', source):
        ending = name.removeprefix('db_client_connection').removeprefix('covet_db_pool')
        assert name in text or f'`{ending}`' in text, name


def test_every_field_of_the_options_is_on_the_page(folder):
    header = (ROOT / 'include' / 'covet' / 'db.h').read_text()
    block = header[header.index('/* The pool (docs/pools.md)'):header.index('size_t statement_cache')]
    names = {re.sub(r'_ms$', '', name) for name in re.findall(r'^\s+(?:const char \*|int64_t |int |size_t )(\w+);', block, re.M)}
    assert names and names <= options_of_the_page(), names - options_of_the_page()


tap.main(sys.modules[__name__])
