#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows for each rule of tidy.py that good code passes and bad code fails."""

import unittest

from cpp_outline import classes, functions
from tidy import check_tree

LICENCE = '// SPDX-License-Identifier: Apache-2.0\n'
HEADER = LICENCE + '// Pages.\n#pragma once\n'
SOURCE = LICENCE + '#include "kv/page.h"\n'


def tree(changes=None):
    """A small tree without problems, then the changes."""
    files = {
        'include/redknot/redknot.h': HEADER,
        'include/redknot/kv_format.h': HEADER,
        'include/redknot/result.h': HEADER,
        'src/heads/policy.h': HEADER,
        'src/heads/CMakeLists.txt': 'redknot_sources(SOURCES policy.cc)\n',
        'src/heads/policy.cc': LICENCE + '#include "heads/policy.h"\n',
        'src/kv/page.h': HEADER + '\n#include "redknot/kv_format.h"\n#include "redknot/result.h"\n',
        'src/kv/page.cc': SOURCE + '\n#include <span>\n\n#include "heads/policy.h"\n',
        'src/kv/CMakeLists.txt': 'redknot_sources(SOURCES page.cc\n  TESTS page_test.cc)\n',
        'src/kv/page_test.cc': SOURCE + '\n#include <gtest/gtest.h>\n\n#include "tests/pools.h"\n',
        'src/engine/engine.h': HEADER,
        'src/engine/engine.cc': LICENCE + '#include "engine/engine.h"\n\n#include "kv/page.h"\n',
        'src/engine/CMakeLists.txt': 'redknot_sources(SOURCES engine.cc)\n',
        'tests/pools.h': HEADER,
        'tools/show.py': '# SPDX-License-Identifier: Apache-2.0\n',
    }
    return files | (changes or {})


def function_of(lines, name='f'):
    return f'int {name}(int x) {{\n' + '  ++x;\n' * (lines - 2) + '}\n'


class RuleTest(unittest.TestCase):
    def rules(self, changes):
        return [(each.path, each.line, each.rule) for each in check_tree(tree(changes))]

    def expect(self, path, text, line, rule):
        self.assertEqual(self.rules({path: text}), [(path, line, rule)])

    def expect_clean(self, path, text):
        self.assertEqual(check_tree(tree({path: text})), [])

    def test_the_tree_itself_is_clean(self):
        self.assertEqual(check_tree(tree()), [])

    def test_line_length(self):
        self.expect('src/kv/page.cc', SOURCE + '// ' + 'x' * 98 + '\n', 3, 'line length')
        self.expect_clean('src/kv/page.cc', SOURCE + '// ' + 'x' * 97 + '\n')

    def test_line_length_counts_characters_not_bytes(self):
        self.expect_clean('src/kv/page.cc', SOURCE + '// ' + '\u2581' * 97 + '\n')

    def test_file_length(self):
        start = LICENCE + '#include "heads/policy.h"\n'
        self.expect('src/heads/policy.cc', start + '\n' * 499, 501, 'file length')
        self.expect_clean('src/heads/policy.cc', start + '\n' * 498)

    def test_core_files_are_shorter(self):
        text = SOURCE + '\n' * 349
        self.expect('src/kv/page.cc', text, 351, 'file length')
        self.expect_clean('src/kv/page.cc', text[:-1])
        start = LICENCE + '#include "heads/policy.h"\n'
        self.expect_clean('src/heads/policy.cc', start + '\n' * 349)

    def test_class_size_in_the_centre(self):
        def engine(methods, fields):
            return (LICENCE + '// Turns.\n' * 3 + '#pragma once\n\nclass Engine {\n public:\n' +
                    '  Engine();\n' + ''.join(f'  void f{i}();\n' for i in range(methods)) +
                    ''.join(f'  int x{i}_ = 0;\n' for i in range(fields)) + '};\n')
        self.expect_clean('src/engine/engine.h', engine(20, 12))
        self.expect('src/engine/engine.h', engine(21, 12), 7, 'class size')
        self.expect('src/engine/engine.h', engine(20, 13), 7, 'class size')
        self.expect_clean('src/heads/policy.h', engine(21, 13))

    def test_bytes_of_pages_are_for_the_rooms_below_the_plan(self):
        memory = {'src/kv/page_memory.h': HEADER}
        below = {'src/kv/page.h': HEADER + '\n#include "kv/page_memory.h"\n'
                 '#include "redknot/kv_format.h"\n#include "redknot/result.h"\n'}
        self.assertEqual(self.rules(memory | below), [])
        above = {'src/engine/engine.cc': LICENCE + '#include "engine/engine.h"\n\n'
                 '#include "kv/page_memory.h"\n'}
        self.assertEqual(self.rules(memory | above), [('src/engine/engine.cc', 4, 'layer')])

    def test_function_length(self):
        self.expect('src/kv/page.cc', SOURCE + function_of(71), 3, 'function length')
        self.expect_clean('src/kv/page.cc', SOURCE + function_of(70) + function_of(70, 'g'))

    def test_kernels_may_be_longer(self):
        files = {'src/kernels/CMakeLists.txt': 'redknot_sources(SOURCES a.cc)\n'}
        self.assertEqual(self.rules(files | {'src/kernels/a.cc': LICENCE + function_of(120)}), [])
        self.assertEqual(self.rules(files | {'src/kernels/a.cc': LICENCE + function_of(121)}),
                         [('src/kernels/a.cc', 2, 'function length')])

    def test_python_function_length(self):
        text = '# SPDX-License-Identifier: Apache-2.0\ndef f():\n' + '    pass\n' * 70
        self.expect('tools/show.py', text, 2, 'function length')

    def test_licence(self):
        self.expect('src/kv/page.cc', '#include "kv/page.h"\n', 1, 'licence')
        self.expect('tools/show.py', 'print(1)\n', 1, 'licence')
        self.expect('build_it', '#!/bin/sh\nmake\n', 1, 'licence')

    def test_pragma_once(self):
        self.expect('src/kv/page.h', HEADER.replace('#pragma once\n', ''), 1, 'pragma once')

    def test_header_comment(self):
        self.expect('src/kv/page.h', LICENCE + '#pragma once\n', 2, 'header comment')

    def test_header_comment_of_a_class(self):
        full = LICENCE + '// A page.\n//\n// The pool owns it; one thread.\n#pragma once\n'
        for head in ('class Page', 'class [[nodiscard]] Page final', 'class Page : public Sheet',
                     'template <typename T>\nclass Page', 'struct Book {\n  class Page'):
            self.expect('src/kv/page.h', HEADER + head + ' {};\n', 2, 'header comment')
            self.expect_clean('src/kv/page.h', full + head + ' {};\n')
        for text in ('class Page;\n', 'enum class Page { kOne };\n', 'struct Page {};\n',
                     'template <class Page>\nvoid f() {}\n', '// class Page {\n'):
            self.expect_clean('src/kv/page.h', HEADER + text)

    def test_open_task(self):
        self.expect('src/kv/page.cc', SOURCE + '// TO' 'DO: later\n', 3, 'open task')
        self.expect_clean('src/kv/page.cc', SOURCE + '// TO' 'DO(#12): when pages move\n')

    def test_machine_path(self):
        self.expect('docs/A.md', 'see /ho' 'me/jo/notes\n', 1, 'machine path')
        self.expect_clean('docs/A.md', 'see include/home/x and $HOME/x\n')

    def test_registry_host(self):
        self.expect('tools/show.sh', 'curl archive.' 'example.org/x\n', 1, 'registry host')
        self.expect_clean('tools/show.sh', 'see example.org and page.tokens\n')

    def test_banned_words_in_names(self):
        self.expect('src/kv/page.cc', SOURCE + 'class PageManager;\n', 3, 'name')
        self.expect('src/kv/page.cc', SOURCE + 'int merge_util(int x);\n', 3, 'name')
        self.expect('src/kv/page.cc', SOURCE + 'int merge_v2(int x);\n', 3, 'name')
        self.expect('src/kv/page.cc', SOURCE + 'int get_pages();\n', 3, 'name')
        self.expect_clean('src/kv/page.cc', SOURCE + '// a util\nauto x = std::get_if<int>(y);\n')

    def test_banned_words_in_file_names(self):
        listing = {'src/kv/CMakeLists.txt': 'page.cc page_test.cc page_impl.cc'}
        self.assertEqual(self.rules(listing | {'src/kv/page_impl.cc': LICENCE}),
                         [('src/kv/page_impl.cc', 1, 'name')])

    def test_exception(self):
        self.expect('src/kv/page.cc', SOURCE + 'int x = y ? 1 : throw 2;\n', 3, 'exception')
        self.expect_clean('src/kv/page.cc', SOURCE + 'int x = y ? 1 : throw std::bad_alloc();\n')

    def test_layer(self):
        self.expect('src/heads/policy.cc', LICENCE + '#include "heads/policy.h"\n\n'
                    '#include "kv/page.h"\n', 4, 'layer')

    def test_layer_of_public_header(self):
        text = SOURCE + '\n#include "redknot/redknot.h"\n'
        self.expect('src/kv/page.cc', text, 4, 'layer')
        self.expect_clean('src/engine/engine.cc', text.replace('kv/page.h', 'engine/engine.h'))

    def test_layer_of_the_public_headers_themselves(self):
        self.expect('include/redknot/redknot.h', HEADER + '#include "kv/page.h"\n', 4, 'layer')

    def test_layer_of_tests(self):
        above = SOURCE + '\n#include "engine/engine.h"\n'
        below = SOURCE + '\n#include "heads/policy.h"\n#include "tests/pools.h"\n'
        self.expect_clean('src/kv/page_test.cc', below)
        self.assertIn(('src/kv/page_test.cc', 4, 'layer'),
                      self.rules({'src/kv/page_test.cc': above}))

    def test_folder_without_a_row(self):
        files = {'src/extra/a.cc': LICENCE, 'src/extra/CMakeLists.txt': 'a.cc'}
        self.assertEqual(self.rules(files), [('src/extra/a.cc', 1, 'layer')])

    def test_includes_start_at_a_root(self):
        self.expect('src/kv/page.cc', SOURCE + '\n#include "policy.h"\n', 4, 'include')

    def test_include_order(self):
        std, ours = '#include <span>\n', '#include "heads/policy.h"\n'
        for includes, line in (
                (SOURCE + '\n' + ours + '\n' + std, 6),  # groups swapped
                (SOURCE + '\n' + std + ours, 5),         # no blank line between
                (LICENCE + std + '\n#include "kv/page.h"\n', 4)):  # own header not first
            with self.subTest(includes):
                self.assertIn(('src/kv/page.cc', line, 'include order'),
                              self.rules({'src/kv/page.cc': includes}))

    def test_includes_after_code_may_stand_anywhere(self):
        self.expect_clean('src/kv/page.cc', SOURCE + '\n#include "heads/policy.h"\n'
                          '#if X\n#include <span>\n#endif\nint x;\n#include <vector>\n')
        self.expect_clean('src/kv/page.cc', SOURCE + '\n#include "heads/policy.h"\n\n'
                          '#define WIDTH 8\n#include <pcre2.h>\n')

    def test_header_includes_what_it_uses(self):
        self.expect('src/kv/page.h', HEADER + 'std::vector<int> pages();\n', 4, 'include')
        self.expect_clean('src/kv/page.h',
                          HEADER + '#include <vector>\nstd::vector<int> pages();\n')

    def test_waits_of_tests(self):
        begin = SOURCE + '\n#include "tests/pools.h"\n\nTEST(A, B) {\n'
        for wait in ('while (!x) std::this_thread::yield();', 'changed.wait(lock, [] {});',
                     'future.wait();', 'thread.join();'):
            with self.subTest(wait):
                text = begin + '  ' + wait + '\n}\n'
                self.expect('src/kv/page_test.cc', text, 7, 'wait')
                self.expect_clean('src/kv/page.cc', text.replace('"tests/pools.h"', '<span>'))
        limit = begin + '  const TimeLimit limit("a thread");\n  thread.join();\n}\n'
        self.expect_clean('src/kv/page_test.cc', limit)
        self.expect('src/kv/page_test.cc', limit + 'void f() {\n  thread.join();\n}\n', 11, 'wait')
        self.expect_clean('src/kv/page_test.cc', begin + '  changed.wait_for(lock, x);\n}\n')

    def test_temporary_files_of_tests(self):
        begin = SOURCE + '\n#include "tests/pools.h"\n\nTEST(A, B) {\n  auto path = '
        for shared in ('testing::TempDir()', 'std::filesystem::temp_directory_path()'):
            self.expect('src/kv/page_test.cc', begin + shared + ' + "a";\n}\n', 7, 'files')
        self.expect_clean('src/kv/page_test.cc', begin + 'folder / "a";\n}\n')

    def test_waits_of_python_tests(self):
        begin = '# SPDX-License-Identifier: Apache-2.0\n'
        for endless, timed in (('process.wait()', 'process.wait(5)'),
                               ('thread.join()', "' '.join(words)"),
                               ('p.communicate()', 'p.communicate(timeout=5)'),
                               ('subprocess.run([x])', 'subprocess.run([x], timeout=5)'),
                               ('os.read(0, 1)', 'harness.read_some(0)'),
                               ('socket.create_connection(x)',
                                'socket.create_connection(x, timeout=5)')):
            with self.subTest(endless):
                self.expect('tests/e2e/test_a.py', begin + endless + '\n', 2, 'wait')
                self.expect_clean('tests/e2e/test_a.py', begin + timed + '\n')
                self.expect_clean('tools/show.py', begin + endless + '\n')

    def test_dead_source(self):
        self.expect('src/kv/table.cc', LICENCE, 1, 'dead file')

    def test_dead_header(self):
        self.expect('src/kv/table.h', HEADER, 1, 'dead file')


class OutlineTest(unittest.TestCase):
    def outline(self, text):
        return [(each.name, each.first_line, each.last_line) for each in functions(text)]

    def test_namespaces_and_classes_are_not_functions(self):
        text = ('namespace a {\nstruct B {\n  int x() const {\n    return 1;\n  }\n};\n'
                'class C : public B {\n public:\n  C() : x_{1}, y_(2) {\n  }\n};\n}\n')
        self.assertEqual(self.outline(text), [('x', 3, 5), ('C', 9, 10)])

    def test_what_is_inside_belongs_to_the_function_around_it(self):
        text = 'int f() {\n  auto g = [](int x) {\n    return x;\n  };\n  if (g(1)) {\n  }\n}\n'
        self.assertEqual(self.outline(text), [('f', 1, 7)])

    def test_tables_are_not_functions(self):
        text = 'constexpr int kTable[] = {\n  f(1),\n  2};\nenum class E { kA };\n'
        self.assertEqual(self.outline(text), [])

    def test_defaults_and_templates(self):
        text = ('template <typename T = int>\nT f(Options o = {}) {\n}\n'
                'bool operator==(A a, B b) {\n}\nauto g = [](int x) {\n};\n')
        self.assertEqual([first for _, first, _ in self.outline(text)], [1, 4, 6])

    def test_literals_and_comments_hold_no_braces(self):
        text = 'int f() {\n  char c = \'{\'; // }\n  g("}", R"({)", 1\'000);\n}\nint h() {\n}\n'
        self.assertEqual(self.outline(text), [('f', 1, 4), ('h', 5, 6)])

    def test_methods_and_fields_of_a_class(self):
        text = ('class Page : public Sheet {\n public:\n  using Id = int;\n  Page(int a, int b);\n'
                '  ~Page();\n  int end() const { return begin_ + f({1}); }\n'
                '  static Page of(int x);\n  bool operator==(const Page&) const = default;\n\n'
                ' private:\n  struct Slot {\n    int a, b;\n    void f();\n  };\n'
                '  static constexpr int kMost = 3;\n  int begin_ = 0, end_{};\n'
                '  std::function<void(int)> done_;\n  std::map<int, int> by_id_;\n};\n'
                'class Page;\n')
        found, = classes(text)
        self.assertEqual((found.name, found.line), ('Page', 1))
        self.assertEqual(found.methods, ['end', 'of'])
        self.assertEqual(len(found.fields), 4)

    def test_branches_of_the_preprocessor_open_once(self):
        text = '#if A\nint f(int x) {\n#else\nint f() {\n#endif\n}\nint g() {\n}\n'
        self.assertEqual([last for _, _, last in self.outline(text)], [6, 8])


if __name__ == '__main__':
    unittest.main()
