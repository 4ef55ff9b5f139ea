"""Cases of a test script, reported in TAP: each function `test_*` of the caller is one case and gets an empty folder.

A case fails by an exception (assert), and skips itself with `raise Skip("why")`."""
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


class Skip(Exception):
    pass


def run(*command, cwd=None, env=None, timeout=240):
    """Run a command; its exit status and everything that it printed."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, timeout=timeout, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


def write(folder, **files):
    """write(folder, src__base__a_c='...') makes folder/src/base/a.c; "__" is "/", the last "_" a dot."""
    for name, text in files.items():
        stem, _, suffix = name.rpartition('_')
        path = folder / (stem.replace('__', '/') + '.' + suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')


def run_case(case):
    with tempfile.TemporaryDirectory() as folder:
        try:
            case(Path(folder))
        except Skip as reason:
            return f'ok - {case.__name__} # SKIP {reason}'
        except Exception:  # pylint: disable=broad-except
            return f'not ok - {case.__name__}\n' + '\n'.join('# ' + l for l in traceback.format_exc().splitlines())
        return f'ok - {case.__name__}'


def main(module):
    cases = [value for name, value in vars(module).items() if name.startswith('test_')]
    print(f'1..{len(cases)}')
    results = [run_case(case) for case in cases]
    for result in results:
        print(result)
    sys.exit(any(result.startswith('not') for result in results))
