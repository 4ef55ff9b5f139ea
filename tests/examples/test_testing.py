"""The tests that docs/testing.md shows, built from its very text, pass."""
import os
import re
import sys

import tap

PAGE = (tap.ROOT / 'docs' / 'testing.md').read_text(encoding='utf-8')


def test_the_tests_of_the_page_pass(folder):
    code, output = tap.run(os.environ['TESTING'], cwd=folder)
    assert (code, output) == (0, 'all is well\n'), output


def test_the_test_with_a_real_server_passes(folder):
    server = os.environ.get('COVET_TEST_POSTGRES')
    if not server:
        raise tap.Skip('COVET_TEST_POSTGRES is not set; run the tests with tools/servers run')
    code, output = tap.run(os.environ['TESTING'], cwd=folder, env=os.environ | {'TEST_DATABASE_URL': server})
    assert (code, output) == (0, 'all is well\n'), output


def test_every_function_of_the_kit_is_in_a_header_that_is_named(_folder):
    header = ''.join((tap.ROOT / 'include' / 'covet' / name).read_text(encoding='utf-8')
                     for name in ['testing.h', 'fault_proxy.h'])
    for name in set(re.findall(r'cv_test_[a-z_]+|cv_fault_[a-z_]+|CV_FAULT_[A-Z]+', PAGE)) - {'cv_test_network'}:
        assert re.search(rf'\b{name}\b', header), name


def test_links_lead_somewhere(_folder):
    headings = {re.sub(r'[^a-z -]', '', heading.lower()).replace(' ', '-')
                for heading in re.findall(r'^## (.*)$', PAGE, re.MULTILINE)}
    for target in re.findall(r'\]\(([^)]*)\)', PAGE):
        assert target[1:] in headings if target.startswith('#') else (tap.ROOT / 'docs' / target).exists(), target


tap.main(sys.modules[__name__])
