"""makemigrations, migrate, showmigrations, sqlmigrate, check."""
import sys

import tap
from bookshop import fresh, migrated
from engines import own_database


def tables(program):
    return {name for name, in program.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def first(program):
    return program.folder / 'migrations' / 'bookshop' / '0001_initial.yaml'


def test_makemigrations_writes_once(folder):
    program = fresh(folder)
    output, _ = program.run('makemigrations', '--dry-run')
    assert output.startswith('would write') and not first(program).exists(), output
    output, _ = program.run('makemigrations', '--check', code=4)
    assert not first(program).exists()
    output, _ = program.run('makemigrations')
    assert 'create table books' in output and 'create table authors' in output, output
    text = first(program).read_text()
    assert 'no changes' in program.run('makemigrations')[0]
    program.run('makemigrations', '--check')
    assert first(program).read_text() == text


def test_makemigrations_takes_a_name_and_a_folder(folder):
    program = fresh(folder)
    program.run('makemigrations', '--name', 'start', '--dir', 'elsewhere')
    assert (folder / 'elsewhere/bookshop/0001_start.yaml').exists()
    program.run('migrate', '--dir', 'elsewhere')
    assert 'books' in tables(program)


def test_migrate_forward_and_back(folder):
    program = fresh(folder)
    program.run('makemigrations')
    output, _ = program.run('migrate', '--dry-run')
    assert 'would apply bookshop/0001_initial' in output and 'books' not in tables(program), output
    output, _ = program.run('migrate')
    assert '[1/1] applying bookshop/0001_initial ... done' in output, output
    assert {'authors', 'books', 'covet_migrations'} <= tables(program)
    assert 'nothing to do' in program.run('migrate')[0]
    output, _ = program.run('migrate', 'bookshop', 'zero')
    assert 'undoing bookshop/0001_initial' in output and 'books' not in tables(program), output
    program.run('migrate', 'bookshop', '0001')
    assert 'books' in tables(program)


def test_showmigrations(folder):
    program = fresh(folder)
    assert 'there are no migrations' in program.run('showmigrations')[0]
    program.run('makemigrations')
    assert 'bookshop\n [ ] 0001_initial\n' in program.run('showmigrations')[0]
    program.run('migrate')
    assert 'bookshop\n [X] 0001_initial  2' in program.run('showmigrations')[0]


def test_changed_and_missing_files_are_seen(folder):
    program = migrated(folder)
    text = first(program).read_text()
    first(program).write_text(text + '# a remark\n')
    assert 'the file was changed since' in program.run('showmigrations')[0]
    program.run('showmigrations', '--check', code=4)
    error = program.error('migrate')
    assert '0001_initial' in error, error
    first(program).unlink()
    assert 'the file is missing' in program.run('showmigrations')[0]
    program.run('showmigrations', '--check', code=4)
    program.error('migrate')


def test_sqlmigrate(folder):
    program = fresh(folder)
    program.run('makemigrations')
    sqlite, _ = program.run('sqlmigrate', 'bookshop', '0001_initial')
    postgres, _ = program.run('sqlmigrate', 'bookshop', '0001_initial', '--engine', 'postgres')
    assert 'CREATE TABLE' in sqlite and 'CREATE TABLE' in postgres and sqlite != postgres
    assert 'DROP TABLE' in program.run('sqlmigrate', 'bookshop', '0001_initial', '--backward')[0]
    assert 'oracle' in program.error('sqlmigrate', 'bookshop', '0001_initial', '--engine', 'oracle')
    assert not program.database.exists()


def test_names_that_do_not_exist(folder):
    program = fresh(folder)
    program.run('makemigrations')
    for arguments in ['migrate', 'bookshp'], ['migrate', 'bookshop', '0009'], ['sqlmigrate', 'bookshop', '0009']:
        error = program.error(*arguments)
        assert arguments[-1] in error, error


def test_broken_files_name_file_and_line(folder):
    program = fresh(folder)
    program.run('makemigrations')
    text = first(program).read_text()
    for broken in text.replace('create_table', 'creat_table', 1), text + '  - oops\n', 'covet: 1\noperations: [\n':
        first(program).write_text(broken)
        for command in 'migrate', 'showmigrations', 'check':
            error = program.error(command)
            assert '0001_initial.yaml' in error, (command, error)


def test_check_finds_models_without_migrations(folder):
    program = fresh(folder)
    _, errors = program.run('check', code=4)
    assert 'bookshop' in errors and 'bookshop makemigrations' in errors, errors
    program.run('makemigrations')
    assert 'are consistent' in program.run('check')[0]
    assert not program.database.exists()


def write_migration(program, label, name, *operations):
    path = program.folder / 'migrations' / label / f'{name}.yaml'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('covet: 1\noperations:\n' + ''.join(f'  - {operation}\n' for operation in operations))


def test_what_the_engine_of_the_settings_cannot_have_is_refused(folder):
    program = fresh(folder)
    program.run('makemigrations')
    write_migration(program, 'zoo', '0001_keys',
                    'create_table: {name: z, columns: [{name: k, type: char, max_length: 900, primary_key: true}]}')
    program.run('check')
    for url in 'mysql://nobody@127.0.0.1:1/none', 'mariadb://nobody@127.0.0.1:1/none':
        error = program.error('check', env={'DATABASE_URL': url})
        assert 'zoo/0001_keys.yaml:3:' in error and 'too long for a key on mariadb' in error, error
        assert 'at most 768' in error, error
    output, _ = program.run('sqlmigrate', 'bookshop', '0001', '--engine', 'mariadb')
    assert 'ENGINE=InnoDB' in output and 'sql_mode' in output, output
    assert program.run('sqlmigrate', 'bookshop', '0001', env={'DATABASE_URL': 'mysql://h/d'})[0] == output


def test_a_migration_that_failed_in_the_middle_is_shown_on_mariadb(folder):
    with own_database('mariadb', folder) as url:
        program = fresh(folder)
        program.environment['DATABASE_URL'] = url
        program.run('makemigrations')
        table = 'create_table: {name: z, columns: [{name: a, type: integer, null: true}]}'
        write_migration(program, 'zoo', '0001_half', table, 'run_sql: {mariadb: ["INSERT INTO none VALUES (1)"]}')
        error = program.error('migrate')
        assert 'statement 2 of 2 failed' in error and 'done: create table z' in error, error
        output, _ = program.run('showmigrations')
        assert '[ ] 0001_half  (half applied, statements done: 1)' in output, output
        status = {row['name']: row['statements_done'] for row in program.json('showmigrations')}
        assert status == {'0001_initial': None, '0001_half': 1}, status
        write_migration(program, 'zoo', '0001_half', table, 'run_sql: {mariadb: ["INSERT INTO z VALUES (1)"]}')
        program.run('migrate')
        assert 'half' not in program.run('showmigrations')[0].replace('0001_half', '')


tap.main(sys.modules[__name__])
