"""Settings from a file, the environment and flags."""
import sys

import tap
from bookshop import fresh


def port(program, *arguments, **options):
    """The value of http.port as the program sees it, and where it comes from."""
    settings = program.json('help', *arguments, **options)['settings']
    found = {setting['name']: setting for setting in settings}['http.port']
    return found['value'], found['source']


def test_precedence(folder):
    program = fresh(folder)
    assert port(program) == ('8000', 'default')
    (folder / 'covet.yaml').write_text('http:\n  port: 1001\n')
    assert port(program) == ('1001', 'file covet.yaml:2')
    (folder / 'other.yaml').write_text('http: {port: 1002}\n')
    assert port(program, '--config', 'other.yaml') == ('1002', 'file other.yaml:1')
    assert port(program, '--config=other.yaml')[0] == '1002'
    assert port(program, env={'HTTP_PORT': '1003'}) == ('1003', 'environment HTTP_PORT')
    assert port(program, '--port', '1004', env={'HTTP_PORT': '1003'}) == ('1004', 'flag --port')
    assert port(program, '--port=1005')[0] == '1005'


def test_mistakes_in_a_file_name_it_and_the_line(folder):
    program = fresh(folder)
    for text, expected in {
            'http:\n  prot: 80\n': ('covet.yaml:2: there is no setting "http.prot"', 'did you mean "http.port"?'),
            'http: [80]\n': ('covet.yaml:1',),
            'http:\n  port: 99999\n': ('"99999"', 'http.port', 'between 0 and 65535', 'covet.yaml:2'),
            'http:\n  port: 80\n  port: 81\n': ('covet.yaml', 'port'),
            'http: {port: 80\n': ('covet.yaml',),
            'log: {level: loud}\n': ('log.level cannot be "loud"',),
            'log: {format: xml}\n': ('log.format cannot be "xml"',),
            'database: {url: "oracle://h/d"}\n': ('"oracle"', 'there are sqlite, postgres and mysql'),
            'database: {url: "mariadbs://h/d"}\n': ('"mariadbs"', 'did you mean "mariadb"?'),
    }.items():
        (folder / 'covet.yaml').write_text(text)
        program.environment.pop('DATABASE_URL', None)
        error = program.error('showmigrations', code=3)
        for part in expected:
            assert part in error, (text, error)


def test_files_that_cannot_be_read(folder):
    program = fresh(folder)
    for arguments in ['--config', 'nowhere.yaml'], ['--config=nowhere.yaml']:
        assert 'nowhere.yaml' in program.error('check', *arguments, code=1)
    assert '"--config" needs a file name' in program.error('check', '--config', code=3)


def test_mistakes_in_environment_and_flags(folder):
    program = fresh(folder)
    error = program.error('check', code=3, env={'HTTP_PORT': 'eighty'})
    assert '"eighty"' in error and 'environment HTTP_PORT' in error, error
    error = program.error('check', '--http-idle-timeout', '5', code=3)
    assert 'flag --http-idle-timeout' in error and 'duration' in error, error
    assert 'needs a value' in program.error('check', '--port', code=3)


def test_secrets_are_never_shown(folder):
    program = fresh(folder)
    url = 'postgres://me:sesame@127.0.0.1:1/db?connect_timeout=100ms'
    output, errors = program.run('help', 'settings', env={'DATABASE_URL': url})
    assert 'sesame' not in output + errors
    error = program.error('showmigrations', env={'DATABASE_URL': url})
    assert 'sesame' not in error, error
    error = program.error('showmigrations', '--database', 'nonsense://me:sesame@h/d', code=3)
    assert 'sesame' not in error, error


def test_database_is_named_after_the_program_by_default(folder):
    program = fresh(folder)
    del program.environment['DATABASE_URL']
    program.run('makemigrations')
    program.run('migrate')
    assert (folder / 'bookshop.db').exists()


tap.main(sys.modules[__name__])
