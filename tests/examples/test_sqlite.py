"""The program of docs/sqlite.md, built from its very text, does what the page says."""
import os
import sys

import tap


def test_the_program_of_the_page(folder):
    for run in 1, 2:
        code, output = tap.run(os.environ['SQLITE'], cwd=folder)
        lines = output.splitlines()
        assert code == 0 and f'notes {run}' in lines and any(line.endswith(' pages') for line in lines), output
        assert (folder / 'backup.db').stat().st_size > 0


tap.main(sys.modules[__name__])
