"""What cv_main makes of an application's own commands and settings, and of one that was built wrongly."""
import json
import os
import sys

import service
import tap


def odd(folder, **settings):
    return service.Program(os.environ['ODD_PROGRAM'], folder, **settings)


def test_exit_codes_are_the_commands_own(folder):
    program = odd(folder)
    for code in 0, 1, 7, 99:
        program.run('exit', code, code=code)


def test_errors_are_told_with_their_causes(folder):
    program = odd(folder)
    assert program.error('fail') == ('odd: could not store the thing\n'
                                     '  because: the thing has unacceptable values\n'
                                     '    name must be at most 10 characters long\n'
                                     '    detail: row 3\n'
                                     '  hint: shorten the name\n')
    error = json.loads(program.error('fail', '--json'))['error']
    assert error == {'code': 'CV_E_DB', 'message': 'could not store the thing', 'hint': 'shorten the name', 'cause': {
        'code': 'CV_E_VALIDATION', 'message': 'the thing has unacceptable values', 'detail': 'row 3',
        'fields': [{'field': 'name', 'message': 'must be at most 10 characters long'}]}}, error


def test_error_without_a_story(folder):
    assert odd(folder).error('mute') == 'odd: busy\n'
    assert json.loads(odd(folder).error('mute', '--json'))['error']['code'] == 'CV_E_BUSY'


def test_commands_get_what_is_not_a_setting(folder):
    program = odd(folder)
    assert program.run('show')[0] == 'red database [show]\n'
    output, _ = program.run('show', '-', '--port', '1', 'a', '--odd-colour=blue', '--mine', '--', '--odd-colour', 'x')
    assert output == 'blue database [show] [-] [a] [--mine] [--] [--odd-colour] [x]\n', output
    assert program.run('show', env={'ODD_COLOUR': 'green'})[0].startswith('green')


def test_own_commands_and_settings_are_in_the_help(folder):
    program = odd(folder)
    assert 'show what it got' in program.run('help')[0]
    assert program.run('help', 'show')[0] == 'usage: odd show [WORD...]\n\nshow what it got\n'
    assert 'odd.colour' in program.run('help', 'settings')[0]
    assert program.json('help')['commands'][0]['name'] == 'exit'


def test_application_built_wrongly(folder):
    for kind, message in {'command': 'cannot add the command "serve": there is a built-in one',
                          'route': '/things/{', 'models': 'things'}.items():
        program = odd(folder, ODD=kind)
        for command in 'check', 'serve', 'show':
            error = program.error(command)
            assert message in error, error
        program.run('--help') # which always works


tap.main(sys.modules[__name__])
