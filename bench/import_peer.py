#!/usr/bin/python3
"""The peer of the import benchmark: the same file into the same tables with Python's sqlite3.

    import_peer.py migrate DATABASE
    import_peer.py import DATABASE FILE

Written as one would who knows the module: WAL, synchronous=FULL and foreign keys on as Covet has them, one transaction,
executemany over a generator, identifiers given by the program so that no row has to be read back. Prints how many rows
each table got."""
import re
import sqlite3
import sys

SCHEMA = '''
CREATE TABLE sections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE maintainers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, UNIQUE (name, email));
CREATE TABLE packages (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, architecture TEXT NOT NULL, priority TEXT,
    section_id INTEGER REFERENCES sections (id), maintainer_id INTEGER NOT NULL REFERENCES maintainers (id),
    installed_size INTEGER, homepage TEXT, summary TEXT NOT NULL, UNIQUE (name, architecture));
CREATE INDEX packages_section ON packages (section_id);
CREATE INDEX packages_maintainer ON packages (maintainer_id);
CREATE TABLE dependencies (
    id INTEGER PRIMARY KEY, package_id INTEGER NOT NULL REFERENCES packages (id), kind TEXT NOT NULL,
    alternatives INTEGER NOT NULL, target TEXT NOT NULL, relation TEXT, version TEXT);
CREATE INDEX dependencies_package ON dependencies (package_id);
CREATE INDEX dependencies_target ON dependencies (target);
'''
KINDS = ('Pre-Depends', 'Depends', 'Recommends', 'Suggests', 'Enhances', 'Breaks', 'Conflicts', 'Replaces')
TARGET = re.compile(r'([^\s(:]+)(?::\w+)?\s*(?:\(\s*([<>=]+)\s*([^)\s]+)\s*\))?')
MAINTAINER = re.compile(r'(.*?)\s*<([^>]*)>')


def open_database(path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute('PRAGMA journal_mode=WAL')
    connection.execute('PRAGMA synchronous=FULL')
    connection.execute('PRAGMA foreign_keys=ON')
    return connection


def stanzas(path):
    """Each stanza as a dictionary of its fields, continuation lines left out: the tables hold none of them."""
    fields = {}
    with open(path, encoding='utf-8') as file:
        for line in file:
            if line == '\n':
                if fields:
                    yield fields
                fields = {}
            elif line[0] not in ' \t':
                name, _, value = line.partition(':')
                fields[name] = value.strip()
    if fields:
        yield fields


def dependency_rows(package_id, fields):
    group = 0
    for kind in KINDS:
        value = fields.get(kind)
        if not value:
            continue
        for entry in value.split(','):
            group += 1
            for alternative in entry.split('|'):
                target, relation, version = TARGET.match(alternative.strip()).groups()
                yield package_id, kind, group, target, relation, version


class Numbers(dict):
    """Gives every new key the next number."""

    def __missing__(self, key):
        self[key] = number = len(self) + 1
        return number


def read_rows(path):
    sections, maintainers, packages, dependencies = Numbers(), Numbers(), [], []
    for package_id, fields in enumerate(stanzas(path), 1):
        section, size = fields.get('Section'), fields.get('Installed-Size')
        maintainer = MAINTAINER.match(fields['Maintainer'])
        packages.append((package_id, fields['Package'], fields['Version'], fields['Architecture'],
                         fields.get('Priority'), sections[section] if section else None,
                         maintainers[maintainer.groups() if maintainer else (fields['Maintainer'], '')],
                         int(size) if size else None, fields.get('Homepage'), fields.get('Description', '')))
        dependencies.extend(dependency_rows(package_id, fields))
    return sections, maintainers, packages, dependencies


def import_file(connection, path):
    sections, maintainers, packages, dependencies = read_rows(path)
    connection.execute('BEGIN')
    connection.executemany('INSERT INTO sections VALUES (?, ?)', ((number, name) for name, number in sections.items()))
    connection.executemany('INSERT INTO maintainers VALUES (?, ?, ?)',
                           ((number, *who) for who, number in maintainers.items()))
    connection.executemany('INSERT INTO packages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)', packages)
    connection.executemany('INSERT INTO dependencies (package_id, kind, alternatives, target, relation, version) '
                           'VALUES (?, ?, ?, ?, ?, ?)', dependencies)
    connection.execute('COMMIT')
    print(f'{len(packages)} packages, {len(dependencies)} dependencies, {len(maintainers)} maintainers, '
          f'{len(sections)} sections')


def main():
    command, database = sys.argv[1], sys.argv[2]
    connection = open_database(database)
    if command == 'migrate':
        connection.executescript(SCHEMA)
    elif command == 'import':
        import_file(connection, sys.argv[3])
    else:
        sys.exit('usage: import_peer.py migrate DATABASE | import DATABASE FILE')
    connection.close()


if __name__ == '__main__':
    main()
