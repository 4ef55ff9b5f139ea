"""Commands, options, help, exit codes and the output for scripts."""
import json
import os
import re
import subprocess
import sys

import tap
from bookshop import fresh, migrated

COMMANDS = ['serve', 'migrate', 'makemigrations', 'showmigrations', 'sqlmigrate', 'copy', 'check', 'routes', 'help']


def test_help_names_all_commands(folder):
    program = fresh(folder)
    for arguments in [], ['help'], ['--help'], ['-h']:
        output, _ = program.run(*arguments)
        assert output.startswith('usage: bookshop COMMAND'), output
        for command in COMMANDS:
            assert re.search(rf'^  {command} +\w', output, re.MULTILINE), output


def test_help_of_each_command(folder):
    program = fresh(folder)
    for command in COMMANDS:
        output, _ = program.run('help', command)
        assert output.startswith(f'usage: bookshop {command} '), output
        assert program.run(command, '--help')[0] == output
        assert program.run(command, 'whatever', '-h')[0] == output
        usage, _, rest = output.partition('\n')
        for option in set(re.findall(r'--[a-z-]+', usage)) - {'--json'}:
            assert option in rest, (option, output)


def test_help_of_settings_shows_values_and_sources(folder):
    output, _ = fresh(folder, HTTP_PORT='81').run('help', 'settings', '--http-max-body', '2MiB')
    assert 'http.port\n' in output and 'now: 81 (environment HTTP_PORT)' in output, output
    assert 'now: 2MiB (flag --http-max-body)' in output and 'now: *** (environment DATABASE_URL)' in output, output


def test_unknown_names_suggest_the_nearest(folder):
    program = fresh(folder)
    for arguments, expected in {
            ('serv',): 'there is no command "serv"; did you mean "serve"?',
            ('xyzzy',): 'there is no command "xyzzy"\n',
            ('help', 'migrat'): 'there is no command "migrat"; did you mean "migrate"?',
            ('migrate', '--dry-rnu'): 'there is no option "--dry-rnu"; did you mean "--dry-run"?',
            ('serve', '--prot', '80'): 'there is no option "--prot"; did you mean "--port"?',
            ('serve', '--hsot', 'x'): 'did you mean "--host"?\nusage: bookshop serve [--listen ADDRESS | --host ADDRESS',
            ('serve', '--prot=80'): 'did you mean "--port"?',
            ('routes', '--jsno'): 'did you mean "--json"?',
            ('check', '--http-max-bodi', '1'): 'did you mean "--http-max-body"?',
            ('check', '-x'): 'there is no option "-x"',
    }.items():
        error = program.error(*arguments, code=2)
        assert expected in error, (arguments, error)


def test_wrong_number_of_arguments(folder):
    program = fresh(folder)
    for arguments, expected in {
            ('serve', 'now'): 'too many arguments', ('routes', 'a'): 'too many arguments',
            ('migrate', 'a', 'b', 'c'): 'too many arguments', ('sqlmigrate', 'bookshop'): 'too few arguments',
            ('sqlmigrate', 'a', 'b', '--engine'): '"--engine" needs a value', ('help', 'a', 'b'): 'too many',
            ('makemigrations', '--name'): '"--name" needs a value', ('--json', 'check'): 'the command comes first',
    }.items():
        error = program.error(*arguments, code=2)
        assert expected in error and 'usage: ' in error or 'comes first' in error, (arguments, error)


def test_exit_codes(folder):
    program = fresh(folder)
    program.run('check', code=4) # models without migrations
    program.run('makemigrations')
    program.run('check')
    program.run('showmigrations', '--check', code=4)
    program.run('sqlmigrate', 'bookshop', 'nope', code=1)
    program.run('nope', code=2)
    program.run('check', '--port', 'x', code=3)


def test_all_json_output_parses(folder):
    program = fresh(folder)
    assert program.json('check', code=4)['ok'] is False
    made = program.json('makemigrations')
    assert made[0]['label'] == 'bookshop' and made[0]['name'] == '0001_initial' and made[0]['operations'], made
    assert program.json('makemigrations') == []
    assert program.json('check')['ok'] is True
    assert program.json('migrate', '--dry-run')['migrations'][0]['name'] == '0001_initial'
    status = program.json('showmigrations')
    assert status == [{'label': 'bookshop', 'name': '0001_initial', 'applied_at': None, 'changed': False,
                       'missing': False, 'statements_done': None}], status
    assert program.json('migrate')['migrations'] == [
        {'label': 'bookshop', 'name': '0001_initial', 'direction': 'forward'}]
    assert program.json('migrate')['migrations'] == []
    assert program.json('showmigrations')[0]['applied_at'].endswith('Z')
    assert 'CREATE TABLE' in program.json('sqlmigrate', 'bookshop', '0001')['sql']
    assert {'methods': 'POST', 'pattern': '/authors'} in program.json('routes')
    known = program.json('help')
    assert COMMANDS == [command['name'] for command in known['commands']], known
    assert {setting['name']: setting['value'] for setting in known['settings']}['database.url'] == '***', known


def test_errors_are_json_too(folder):
    program = fresh(folder)
    program.run('makemigrations')
    error = json.loads(program.error('sqlmigrate', 'bookshop', 'nope', '--json'))['error']
    assert error['code'].startswith('CV_E_') and 'nope' in error['message'], error


def test_routes(folder):
    output, _ = fresh(folder).run('routes')
    assert re.search(r'^GET +/books$', output, re.MULTILINE) and re.search(r'^POST +/books$', output, re.MULTILINE)


def test_output_that_cannot_be_written(folder):
    program = fresh(folder)
    with open('/dev/full', 'w', encoding='utf-8') as full:
        for arguments in ['routes'], ['routes', '--json'], ['help']:
            done = subprocess.run([program.path, *arguments], cwd=folder, env=program.environment, stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False)
            assert done.returncode == 1 and 'could not write' in done.stderr, (arguments, done)


def covet(*arguments, code=0):
    status, output = tap.run(os.environ['COVET'], *arguments)
    assert status == code, output
    return output


def test_covet_command(_):
    assert 'embed --dir FOLDER' in covet() == covet('help') == covet('--help')
    assert re.match(r'covet \d+\.\d+\.\d+\n$', covet('version'))
    assert 'did you mean "embed"?' in covet('embde', code=2)
    assert '--dir and --symbol are needed' in covet('embed', code=2)
    assert 'there is no option "--symbl"; did you mean "--symbol"?' in covet('embed', '--symbl', 'x', code=2)


def test_covet_embed(folder):
    program = migrated(folder)
    source = covet('embed', '--dir', folder / 'migrations', '--symbol', 'bookshop_migrations')
    for part in 'const cv_embedded_migration bookshop_migrations[]', 'const size_t bookshop_migrations_count', '0001_initial':
        assert part in source, source
    covet('embed', '--dir', folder / 'migrations', '--symbol', 'bookshop_migrations', '--output', folder / 'out.c')
    assert (folder / 'out.c').read_text() == source
    assert not (folder / 'out.c.new').exists()
    assert 'could not read the folder' in covet('embed', '--dir', folder / 'nowhere', '--symbol', 'x', code=1)
    assert 'could not write' in covet('embed', '--dir', folder / 'migrations', '--symbol', 'x', '--output',
                                      folder / 'nowhere' / 'out.c', code=1)
    (program.folder / 'migrations/bookshop/0001_initial.yaml').write_text('covet: 1\noperations: 5\n')
    assert '0001_initial.yaml' in covet('embed', '--dir', folder / 'migrations', '--symbol', 'x', code=1)


tap.main(sys.modules[__name__])
