"""tools/check_layers accepts the tree as it is and names every planted violation of the law."""
import shutil
import sys

import tap


def plant(folder, **files):
    """A tree with two floors that keep the law, and the given files beside them."""
    (folder / 'tools').mkdir()
    shutil.copy(tap.ROOT / 'tools' / 'layers.toml', folder / 'tools')
    tap.write(folder, include__covet__ctx_h='', include__covet__fiber_h='#include <covet/ctx.h>\n',
              src__base__ctx_h='#include <covet/ctx.h>\n', src__base__ctx_c='#include "base/ctx.h"\n',
              src__rt__fiber_c='#include <covet/fiber.h>\n#include "base/ctx.h"\n#include <uv.h>\n',
              examples__a__a_c='#include <covet/fiber.h>\n')
    tap.write(folder, **files)
    return tap.run(tap.ROOT / 'tools' / 'check_layers', folder)


def expect(result, violation):
    code, output = result
    assert code == 1, output
    assert violation in output, output
    assert len(output.splitlines()) == 1, output


def test_this_repository_keeps_the_law(_folder):
    code, output = tap.run(tap.ROOT / 'tools' / 'check_layers')
    assert code == 0, output


def test_a_lawful_tree_passes(folder):
    assert plant(folder) == (0, '')


def test_private_include_of_a_higher_floor(folder):
    expect(plant(folder, src__rt__wait_h='', src__base__bad_c='\n#include "rt/wait.h"\n'),
           'src/base/bad.c:2: "base" may not use "rt"')


def test_public_include_of_a_higher_floor(folder):
    expect(plant(folder, src__base__bad_c='#include <covet/fiber.h>\n'), 'src/base/bad.c:1: "base" may not use "rt"')


def test_include_by_a_path_that_leaves_the_folder(folder):
    expect(plant(folder, src__rt__wait_h='', src__base__bad_c='#include "../rt/wait.h"\n'),
           'src/base/bad.c:1: "base" may not use "rt"')


def test_driver_folders_belong_to_their_floor(folder):
    expect(plant(folder, src__orm__model_h='', src__db__sqlite__bad_c='#include "orm/model.h"\n'),
           'src/db/sqlite/bad.c:1: "db" may not use "orm"')


def test_a_driver_sees_no_pool_and_no_other_driver(folder):
    expect(plant(folder, src__db__pool__pool_h='', src__db__sqlite__bad_c='#include "db/pool/pool.h"\n'),
           'src/db/sqlite/bad.c:1: "db/sqlite" may not see "db/pool/pool.h"')


def test_what_drivers_share_sees_no_driver(folder):
    expect(plant(folder, src__db__postgres__wire_h='', src__db__server__bad_c='#include "../postgres/wire.h"\n'),
           'src/db/server/bad.c:1: "db/server" may not see "db/postgres/wire.h"')


def test_a_driver_sees_itself_and_what_is_for_drivers(folder):
    assert plant(folder, src__db__db_driver_h='', src__db__server__hosts_h='', src__db__mariadb__wire_h='',
                 src__db__mariadb__changes__feed_c='#include "db/db_driver.h"\n#include "db/server/hosts.h"\n'
                                                   '#include "../wire.h"\n') == (0, '')


def test_public_header_of_a_lower_floor_includes_a_higher_one(folder):
    expect(plant(folder, include__covet__error_h='#include <covet/fiber.h>\n'),
           'include/covet/error.h:1: "base" may not use "rt"')


def test_public_header_that_the_table_does_not_know(folder):
    expect(plant(folder, include__covet__stray_h=''), 'include/covet/stray.h:1: the header stands in no floor')


def test_folder_that_the_table_does_not_know(folder):
    expect(plant(folder, src__attic__a_c=''), 'src/attic:1: the folder stands in no floor')


def test_include_of_what_does_not_exist(folder):
    expect(plant(folder, src__base__bad_c='#include "base/gone.h"\n'), 'src/base/bad.c:1: there is no header')


def test_example_that_uses_a_private_header(folder):
    expect(plant(folder, examples__a__b_c='#include "base/ctx.h"\n'), 'examples/a/b.c:1: an example may not use')


def test_table_in_which_a_floor_uses_a_later_one(folder):
    plant(folder)
    table = folder / 'tools' / 'layers.toml'
    table.write_text(table.read_text().replace('[floors.base]\nuses = []', '[floors.base]\nuses = ["rt"]'))
    expect(tap.run(tap.ROOT / 'tools' / 'check_layers', folder), '"base" uses "rt", which does not stand before it')


tap.main(sys.modules[__name__])
