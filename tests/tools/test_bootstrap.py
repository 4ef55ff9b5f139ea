"""tools/bootstrap asks for exactly what is missing and says so clearly where it cannot install."""
import os
import stat
import sys

import tap

BOOTSTRAP = tap.ROOT / 'tools' / 'bootstrap'


def with_commands(folder, **scripts):
    """An environment in which the given commands stand before the system's."""
    for name, script in scripts.items():
        path = folder / name.replace('_', '-')
        path.write_text('#!/bin/sh\n' + script, encoding='utf-8')
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return os.environ | {'PATH': f"{folder}:{os.environ['PATH']}", 'POLICY_RC_D': str(folder / 'policy')}


def test_only_missing_packages_are_installed(folder):
    installed = r'for p; do case $p in -*|\$*|meson|g++) ;; *) echo "$p installed" ;; esac; done'
    env = with_commands(folder, dpkg_query=installed, sudo='exec "$@"', apt_cache='echo "  Candidate: 1"',
                        apt_get=f'echo "$*" >> {folder}/log')
    code, output = tap.run(BOOTSTRAP, 'build', 'test', env=env)
    if 'this system is not Debian' in output:
        raise tap.Skip('not a Debian')
    assert code == 0, output
    update, install = (folder / 'log').read_text().splitlines()
    assert update.endswith('update'), update
    assert install.split('--no-install-recommends ')[1] == 'meson g++', install
    assert 'installing meson g++' in output, output


def test_services_are_not_started(folder):
    installed = r'for p; do case $p in -*|\$*|redis-server) ;; *) echo "$p installed" ;; esac; done'
    policy = folder / 'policy'
    ask = f'case $* in *install*) sh {policy}; echo $? >> {folder}/log; cat {policy} >> {folder}/log; esac'
    env = with_commands(folder, dpkg_query=installed, sudo='exec "$@"', apt_cache='echo "  Candidate: 1"', apt_get=ask)
    code, output = tap.run(BOOTSTRAP, 'test', env=env)
    if 'this system is not Debian' in output:
        raise tap.Skip('not a Debian')
    assert code == 0, output
    assert (folder / 'log').read_text().startswith('101\n') and not policy.exists(), output
    policy.write_text('exit 7\n')
    code, output = tap.run(BOOTSTRAP, 'test', env=env)
    assert code == 0 and (folder / 'log').read_text().endswith('7\nexit 7\n'), output
    assert policy.read_text() == 'exit 7\n'


def test_an_installed_alternative_is_enough(folder):
    installed = r'for p; do case $p in -*|\$*|libclang-rt-14-dev) ;; *) echo "$p installed" ;; esac; done'
    env = with_commands(folder, dpkg_query=installed, sudo='exec "$@"', apt_get=f'echo "$*" >> {folder}/log')
    code, output = tap.run(BOOTSTRAP, 'fuzz', env=env)
    if 'this system is not Debian' in output:
        raise tap.Skip('not a Debian')
    assert (code, output) == (0, ''), output
    assert not (folder / 'log').exists()


def test_what_may_be_left_out(folder):
    installed = r'for p; do case $p in -*|\$*|chromium) ;; *) echo "$p installed" ;; esac; done'
    for candidate, expected in {'(none)': '', '120': 'bootstrap: installing chromium?\n'}.items():
        env = with_commands(folder, dpkg_query=installed, sudo='exec "$@"', apt_cache=f'echo "  Candidate: {candidate}"',
                            apt_get=f'echo "$*" >> {folder}/log')
        code, output = tap.run(BOOTSTRAP, 'test', env=env)
        if 'this system is not Debian' in output:
            raise tap.Skip('not a Debian')
        assert (code, output) == (0, expected), output
    assert (folder / 'log').read_text().endswith('--no-install-recommends chromium\n')


def test_list_prints_packages_and_installs_nothing(folder):
    code, output = tap.run(BOOTSTRAP, '--list', 'build', env=with_commands(folder, apt_get='exit 1'))
    assert code == 0, output
    assert {'meson', 'libuv1-dev', 'node-llhttp'} <= set(output.split()), output


def test_unknown_purpose_is_refused(_folder):
    code, output = tap.run(BOOTSTRAP, 'party')
    assert code == 1 and 'unknown purpose "party"' in output, output


tap.main(sys.modules[__name__])
