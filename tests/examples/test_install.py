"""What `make install` installs is enough for the programs of the documentation, in plain C17."""
import os
import subprocess
import sys

import tap


class Installed:
    """The library below a folder, as it would lie below /."""

    def __init__(self, folder):
        self.root = folder / 'root'
        code, output = tap.run('meson', 'install', '--no-rebuild', '--quiet', '-C', os.environ['BUILD_ROOT'],
                               '--destdir', self.root)
        assert code == 0, output
        self.description = next(self.root.rglob('covet.pc'))
        self.environment = os.environ | {'PKG_CONFIG_PATH': str(self.description.parent),
                                         'PKG_CONFIG_SYSROOT_DIR': str(self.root),
                                         'LD_LIBRARY_PATH': str(self.description.parent.parent)}

    def pkg_config(self, *arguments):
        return subprocess.run(['pkg-config', *arguments, 'covet'], env=self.environment, check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()


def test_programs_of_the_pages_compile_and_run(folder):
    installed = Installed(folder)
    for page in 'README.md', 'docs/guide.md':
        code, output = tap.run(sys.executable, tap.ROOT / 'tests/support/code_blocks.py', tap.ROOT / page,
                               folder / 'bookshop.c')
        assert code == 0, output
        code, output = tap.run('cc', '-std=c17', '-Wall', '-Wextra', '-Werror', 'bookshop.c', '-o', 'bookshop',
                               *installed.pkg_config('--cflags', '--libs'), cwd=folder)
        assert code == 0, output
        code, output = tap.run('./bookshop', 'routes', cwd=folder, env=installed.environment)
        assert code == 0 and '/books' in output, output


def test_versions_agree(folder):
    installed = Installed(folder)
    code, output = tap.run(next(installed.root.rglob('bin/covet')), 'version', env=installed.environment)
    assert code == 0 and output.split() == ['covet', *installed.pkg_config('--modversion')], output


tap.main(sys.modules[__name__])
