"""tools/bench passes on results of the right shape and nothing else."""
import json
import shutil
import sys

import tap

COMPARISON = {'bench': 'b', 'unit': 'ns', 'ours': 2, 'peer': 'p', 'theirs': 4.5, 'ratio': 0.44, 'runs': 5}
PROMISE = {'bench': 'b', 'unit': 'ns', 'ours': 2, 'limit': 5, 'pass': True, 'runs': 5}
RATIO = COMPARISON | {'wanted': 0.4, 'pass': True}


def bench(folder, script, *names, benches='[{"name": "b", "script": "bench/b.py"}]'):
    """The exit status, stdout and stderr of the runner over one benchmark, a Python script."""
    tap.write(folder, meson_build="project('t')\n", bench__benches_json=benches, bench__b_py=script)
    (folder / 'meson_options.txt').write_text("option('tests', type: 'boolean')\noption('benchmarks', type: 'boolean')\n")
    (folder / 'tools').mkdir(exist_ok=True)
    shutil.copy(tap.ROOT / 'tools' / 'bench', folder / 'tools')
    command = 'unset COVET_SERVERS; exec "$0" "$@" 2>err'
    code, output = tap.run('sh', '-c', command, folder / 'tools' / 'bench', *names, cwd=folder)
    return code, output, (folder / 'err').read_text()


def printing(*results):
    return ''.join(f'print({json.dumps(json.dumps(result))})\n' for result in results)


def test_servers_of_a_benchmark_are_started_for_it(folder):
    script = 'import json, os\nprint(json.dumps(%r | {"peer": os.environ.get("COVET_SERVERS", "none")}))\n' % COMPARISON
    benches = json.dumps([{'name': 'b', 'script': 'bench/b.py', 'servers': ['redis']}])
    tap.write(folder, tools__servers_='#!/bin/sh\necho "$@" >&2\nshift 3\nCOVET_SERVERS=here exec "$@"\n')
    (folder / 'tools' / 'servers.').rename(folder / 'tools' / 'servers')
    (folder / 'tools' / 'servers').chmod(0o755)
    code, output, errors = bench(folder, script, benches=benches)
    assert code == 0 and 'run redis -- ' in errors, errors
    assert json.loads(output)['peer'] == 'here', output


def test_results_are_passed_on_alone(folder):
    results = [COMPARISON, PROMISE, PROMISE | {'what': 'yield'}, RATIO]
    code, output, errors = bench(folder, 'import sys\nprint("noise", file=sys.stderr)\n' + printing(*results))
    assert code == 0, errors
    assert [json.loads(line) for line in output.splitlines()] == results, output


def check_missed(folder, result):
    code, output, errors = bench(folder, printing(result | {'pass': False}))
    assert code == 1 and 'misses what it promises' in errors, errors
    assert json.loads(output)['pass'] is False, output


def test_missed_limit_is_printed_and_fails(folder):
    check_missed(folder, PROMISE | {'ours': 9})


def test_missed_ratio_is_printed_and_fails(folder):
    check_missed(folder, RATIO | {'wanted': 2})


def test_line_of_another_shape_is_kept_back(folder):
    code, output, errors = bench(folder, 'print("hello")\n' + printing({'bench': 'b'}))
    assert (code, output) == (1, ''), output
    assert 'is not JSON' in errors and 'has other members' in errors, errors


def test_benchmark_that_fails(folder):
    code, _, errors = bench(folder, printing(COMPARISON) + 'raise SystemExit(3)\n')
    assert code == 1 and 'ended with status 3' in errors, errors


def test_unknown_name(folder):
    code, output, errors = bench(folder, '', 'nonsense')
    assert (code, output) == (1, ''), output
    assert 'unknown benchmark "nonsense"; known: b' in errors, errors


tap.main(sys.modules[__name__])
