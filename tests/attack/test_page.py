"""The page about attacks says what the suite does."""
import subprocess
import sys

import tap


def test_the_summary_is_the_suite_s(_):
    summary = subprocess.run([tap.ROOT / 'tools' / 'attacks', '--summary'], capture_output=True, text=True, check=True)
    page = (tap.ROOT / 'docs' / 'security-http.md').read_text(encoding='utf-8')
    assert summary.stdout in page, 'docs/security-http.md is behind: run tools/attacks --write'


def test_the_list_names_every_case(_):
    listing = subprocess.run([tap.ROOT / 'tools' / 'attacks'], capture_output=True, text=True, check=True).stdout
    text = (tap.ROOT / 'tests' / 'attack' / 'attacks.txt').read_text(encoding='utf-8')
    assert len(listing.splitlines()) == sum(line.startswith('## ') for line in text.splitlines()) >= 80
    assert listing.startswith('cl-te '), listing[:200]


tap.main(sys.modules[__name__])
