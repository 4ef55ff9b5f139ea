"""tools/check_headers accepts the tree as it is and names every header that does not compile alone."""
import sys

import tap

GOOD = '#include <stdint.h>\nint64_t cv_good(void);\n'


def check(folder, **files):
    tap.write(folder, include__covet__good_h=GOOD, src__base__good_h='#include <covet/good.h>\n', **files)
    return tap.run(tap.ROOT / 'tools' / 'check_headers', folder)


def test_every_header_of_this_repository_compiles_alone(_folder):
    code, output = tap.run(tap.ROOT / 'tools' / 'check_headers')
    assert code == 0, output


def test_headers_that_compile_alone_pass(folder):
    assert check(folder) == (0, '')


def test_header_that_lacks_an_include(folder):
    code, output = check(folder, src__base__bad_h='int64_t cv__bad(void);\n')
    assert code != 0 and 'src/base/bad.h:1: does not compile alone as c\n' in output, output


def test_public_header_that_is_no_cpp(folder):
    code, output = check(folder, include__covet__bad_h='void cv_bad(int class);\n')
    assert code != 0 and 'include/covet/bad.h:1: does not compile alone as c++' in output, output
    assert 'alone as c\n' not in output, output


def test_public_header_that_uses_a_private_one(folder):
    code, output = check(folder, include__covet__bad_h='#include "base/good.h"\n')
    assert code != 0 and 'include/covet/bad.h:1: does not compile alone as c\n' in output, output


def test_public_header_that_needs_the_feature_macro_of_the_library(folder):
    code, output = check(folder, include__covet__bad_h='#include <stdlib.h>\nstatic inline int cv_bad(char *t)\n'
                                                       '{\n    return rpmatch(t);\n}\n')
    assert code != 0 and 'include/covet/bad.h:1: does not compile alone as c\n' in output, output


def test_private_header_may_be_no_cpp(folder):
    assert check(folder, src__base__c_only_h='void cv__c_only(int class);\n') == (0, '')


tap.main(sys.modules[__name__])
