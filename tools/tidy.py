#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The house rules that a machine can check; a ctest. Usage: tools/tidy.py [ROOT]

Prints `file:line: rule: what, why` for each place that breaks a rule, and fails if there is one.
A rule that is wrong is changed here, in a commit of its own.
"""

import ast
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

from cpp_outline import classes, code_only, functions, includes, leading_includes

# folder of src/: what it may include besides itself and COMMON_HEADERS. "redknot.h" is the public
# header. The storeys are those of docs/ARCHITECTURE.md, which says the same in words; in each of
# them the lowest comes first.
LAYERS = {
    # The core makes tokens.
    'base': '',
    'tensor': 'base',
    'kernels': 'base tensor',
    'model': 'base tensor redknot/sampling.h',
    'text': 'base model',
    'heads': 'base',
    'kv': 'base tensor heads model/vocabulary.h',  # TokenId
    'store': 'base tensor heads kv',
    'step': 'base heads kv model/vocabulary.h redknot/sampling.h',  # TokenId
    'sched': 'base heads kv step store model/vocabulary.h redknot/recovery.h '
             'redknot/sampling.h',
    'runtime': 'base tensor kernels model heads kv step redknot/sampling.h',
    'grammar': 'base redknot.h',
    # It knows jinja, of the front, because the public header speaks of chat templates.
    'engine': 'base grammar jinja tensor kernels model text heads kv step store sched runtime '
              'redknot.h',
    # The front is how people and programs reach it.
    'jinja': 'base redknot.h',
    'chat': 'base redknot.h',
    'http': 'base',
    'server': 'base chat http redknot.h',
    # Measuring asks what it is worth.
    'corpus': 'base',
    'eval': 'base chat corpus redknot.h',
    'load': 'base http',
    'profiler': 'base model heads kv step sched runtime engine redknot.h',
    # The binary is of the front, and sees the measuring rooms, too.
    'cli': 'base heads engine profiler chat http server load corpus eval redknot.h',
}
# Tests beside the code may also include these, and every folder above their own row.
TEST_INCLUDES = 'tests'
THIRD_PARTY = ('CLI', 'benchmark', 'boost', 'gmock', 'gtest', 'hwy', 'nlohmann', 'openssl',
               'prometheus', 'rapidcheck', 'spdlog')
# Of the product: these belong to everybody, the others to the folder they speak for.
COMMON_HEADERS = {'redknot/result.h', 'redknot/kv_format.h', 'redknot/activation_format.h'}
PUBLIC_HEADERS = {'redknot/redknot.h': 'redknot.h', 'redknot/constraint.h': 'redknot.h',
                  'redknot/chat_template.h': 'redknot.h', 'redknot/recovery.h': 'redknot.h',
                  'redknot/sampling.h': 'redknot.h'}

LINE_COLUMNS = 100
FILE_LINES = 500
CORE_FILE_LINES = 350
FUNCTION_LINES = 70
CLASS_COMMENT_LINES = 3
KERNEL_FUNCTION_LINES = 120
# Where everything meets: files stay short in CORE, classes small in CENTRE.
CORE = ('kv', 'step', 'sched', 'runtime', 'engine')
CENTRE = ('step', 'sched', 'engine')
CLASS_METHODS = 20  # public and private, constructors and operators aside
CLASS_FIELDS = 12
# Headers that only some rooms may include, whatever their layer.
RESTRICTED = {'kv/page_memory.h': ('src/kv/', 'src/runtime/', 'src/store/')}

BANNED_WORDS = {'manager', 'managers', 'util', 'utils', 'utility', 'utilities', 'helper', 'helpers',
                'misc'}
BANNED_IN_FILE_NAMES = BANNED_WORDS | {'impl', 'new', 'old', 'opt', 'info', 'data', 'process',
                                       'handle', 'common'}
# std:: name: the header that a header using it must include itself.
STD_HEADERS = {
    'array': 'array', 'atomic': 'atomic', 'condition_variable': 'condition_variable',
    'deque': 'deque', 'filesystem': 'filesystem', 'function': 'functional', 'map': 'map',
    'mutex': 'mutex', 'optional': 'optional', 'shared_ptr': 'memory', 'span': 'span',
    'string': 'string', 'string_view': 'string_view', 'thread': 'thread', 'unique_ptr': 'memory',
    'unordered_map': 'unordered_map', 'variant': 'variant', 'vector': 'vector',
    'int8_t': 'cstdint', 'int16_t': 'cstdint', 'int32_t': 'cstdint', 'int64_t': 'cstdint',
    'uint8_t': 'cstdint', 'uint16_t': 'cstdint', 'uint32_t': 'cstdint', 'uint64_t': 'cstdint',
}
SPDX = 'SPDX-License-Identifier: Apache-2.0'
CPP = ('.h', '.cc', '.cpp', '.cu')
SOURCES = ('.cc', '.cpp', '.cu')
CLASS_WITH_BODY = re.compile(
    r'^[ \t]*class\s+(?:\[\[.*?\]\]\s*|alignas\(.*?\)\s*)*(\w+)(?:\s+final)?\s*(?::[^;{]*)?\{',
    re.M)
# Assembled from parts, so that this file keeps its own rules.
OPEN_TASKS = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X)\b(?!\(#\d+\))')
MACHINE_PATH = re.compile(r'(?<![\w.$}/-])/(?:ho' r'me|ro' r'ot|wo' r'rk|Us' r'ers|mn' r't)/\w')
REGISTRY_HOST = re.compile(
    r'\b(?:deb|ftp|security|snapshot|archive|registry|index|pypi|proxy|mirrors?|packages?|pkg)'
    r'\.(?:[\w-]+\.)*(?:org|com|io|net|dev)\b')


class Problem(NamedTuple):
    path: str
    line: int
    rule: str
    what: str

    def __str__(self):
        return f'{self.path}:{self.line}: {self.rule}: {self.what}'


def suffix(path):
    return pathlib.PurePosixPath(path).suffix


def is_script(text):
    return text.startswith('#!')


def is_cmake(path):
    return path.endswith(('CMakeLists.txt', '.cmake', '.cmake.in'))


def room_of(path):
    """src/sched/baselines/x.cc -> sched; nothing outside of src/"""
    parts = path.split('/')
    return parts[1] if parts[0] == 'src' and len(parts) > 2 else ''


def words(name):
    """page_poolIds -> page, pool, ids"""
    return re.findall(r'[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]*', name)


def check_lines(path, text):
    """Lengths of lines and files; tasks, machine paths and registries in any text."""
    is_code = suffix(path) in CPP + ('.py',) or is_script(text) or is_cmake(path)
    lines = text.split('\n')
    for number, line in enumerate(lines, 1):
        if is_code and len(line) > LINE_COLUMNS:
            yield Problem(path, number, 'line length',
                          f'{len(line)} columns; at most {LINE_COLUMNS} can be read side by side')
        if match := OPEN_TASKS.search(line):
            yield Problem(path, number, 'open task',
                          f'{match.group(1)} without an issue, write {match.group(1)}(#12)')
        if match := MACHINE_PATH.search(line):
            yield Problem(path, number, 'machine path',
                          f'"{match.group(0)}..." exists on one machine only')
        if match := REGISTRY_HOST.search(line):
            yield Problem(path, number, 'registry host',
                          f'"{match.group(0)}": the system knows where its packages come from')
    count = text.count('\n')
    is_core = room_of(path) in CORE and not re.search(r'_test\.\w+$', path)
    most = CORE_FILE_LINES if is_core else FILE_LINES
    if is_code and count > most:
        yield Problem(path, count, 'file length', f'{count} lines; split it by what its parts are '
                      f'for, at most {most}')


def check_opening(path, text):
    """Licence line, include guard, and what a header is for."""
    lines = text.split('\n') + ['', '']
    if suffix(path) in CPP:
        if lines[0] != f'// {SPDX}':
            yield Problem(path, 1, 'licence', f'the first line must be "// {SPDX}"')
    elif is_script(text) or suffix(path) == '.py':
        if f'# {SPDX}' not in lines[:2]:
            yield Problem(path, 1, 'licence', f'the first or second line must be "# {SPDX}"')
    if suffix(path) != '.h':
        return
    if '#pragma once' not in lines:
        yield Problem(path, 1, 'pragma once', 'missing; a header may be included twice')
    if not lines[1].startswith('// '):
        yield Problem(path, 2, 'header comment', 'say here what this is, who owns it, which thread')
        return
    comment = next((count for count, line in enumerate(lines[1:])
                    if not line.startswith('//')), 0)
    declared = CLASS_WITH_BODY.search(code_only(text))
    if declared and comment < CLASS_COMMENT_LINES:
        yield Problem(path, 2, 'header comment',
                      f'at least {CLASS_COMMENT_LINES} lines for {declared.group(1)}: what it '
                      'owns, who calls it and from which thread')


def check_functions(path, text):
    limit = KERNEL_FUNCTION_LINES if path.startswith('src/kernels/') else FUNCTION_LINES
    if suffix(path) == '.py':
        spans = [(node.name, node.lineno, node.end_lineno - node.lineno + 1)
                 for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    else:
        spans = [(each.name, each.first_line, each.lines) for each in functions(text)]
    for name, line, count in spans:
        if count > limit:
            yield Problem(path, line, 'function length',
                          f'{name} has {count} lines; at most {limit}, so that it does one thing')


def check_classes(path, text):
    if suffix(path) != '.h' or room_of(path) not in CENTRE:
        return
    for each in classes(text):
        for kind, count, most in (('methods', len(each.methods), CLASS_METHODS),
                                  ('fields', len(each.fields), CLASS_FIELDS)):
            if count > most:
                yield Problem(path, each.line, 'class size', f'{each.name} has {count} {kind}; at '
                              f'most {most}, so that it is one thing')


def check_names(path, text):
    stem = pathlib.PurePosixPath(path).name.split('.')[0]
    for word in re.split(r'[_\-]', stem):
        if word in BANNED_IN_FILE_NAMES or re.fullmatch(r'v\d+', word):
            yield Problem(path, 1, 'name', f'"{word}" in a file name says how, not what')
    if suffix(path) not in CPP:
        return
    for number, line in enumerate(code_only(text).split('\n'), 1):
        for match in re.finditer(r'[A-Za-z_]\w*', line):
            name = match.group(0)
            bad = BANNED_WORDS & {word.lower() for word in words(name)}
            if bad or re.search(r'_v\d+_?$', name):
                yield Problem(path, number, 'name',
                              f'{name}: "{bad.pop() if bad else "v2"}" does not say what it is')
        if match := re.search(r'(?<![.:>\w])get_\w+(?=\()', line):
            yield Problem(path, number, 'name', f'{match.group(0)}: a noun is enough, no get_')
        # Memory exhausted may throw; and CLI11 is answered by its own exceptions only.
        if re.search(r'\bthrow\b(?! std::bad_alloc| CLI::)', line):
            yield Problem(path, number, 'exception', 'we throw none: return a Result')


def allowed(path):
    """Folders and files that `path` may include, or None for everything."""
    parts = path.split('/')
    if parts[0] in ('include', 'examples'):
        return {'redknot.h'}
    if parts[0] != 'src':
        return None
    folder = parts[1]
    may = {folder} | set(LAYERS.get(folder, '').split())
    if re.search(r'_test\.\w+$', path):
        order = list(LAYERS)
        may |= set(TEST_INCLUDES.split()) | set(order[:order.index(folder)])
    return may


def check_layers(path, text, tree):
    if path.startswith('src/') and path.split('/')[1] not in LAYERS:
        yield Problem(path, 1, 'layer', 'this folder has no row in LAYERS of tools/tidy.py')
        return
    may = allowed(path)
    for include in includes(text):
        first = include.path.split('/')[0]
        if include.path in COMMON_HEADERS or first in THIRD_PARTY or not include.quoted:
            continue
        if not any(root + include.path in tree for root in ('src/', 'include/', '')):
            yield Problem(path, include.line, 'include',
                          f'"{include.path}" is not a path from src/, include/ or the root')
            continue
        rooms = RESTRICTED.get(include.path)
        if rooms and not path.startswith(rooms):
            yield Problem(path, include.line, 'layer', f'"{include.path}": nothing above the plan '
                          'touches bytes; only the rooms below it may')
            continue
        wanted = PUBLIC_HEADERS.get(include.path, first)
        if may is not None and not {wanted, include.path} & may:
            yield Problem(path, include.line, 'layer',
                          f'"{include.path}" is not below this folder, see docs/ARCHITECTURE.md')


def own_header(path, tree):
    """The header that `path` implements or tests, as it would be included, or None."""
    match = re.fullmatch(r'(src/|(?=tests/))(.+?)(_test)?\.(cc|cpp|cu)', path)
    header = match.group(2) + '.h' if match else None
    return header if match and match.group(1) + header in tree else None


def check_include_order(path, text, tree):
    own = own_header(path, tree)
    titles = ('its own header', '<standard and system>', '"folder/file.h"')
    highest = 0
    for group in leading_includes(text):
        kinds = [0 if each.path == own else 2 if each.quoted else 1 for each in group]
        for include, kind in zip(group, kinds):
            if kind < highest or kind != kinds[0]:
                yield Problem(path, include.line, 'include order', f'{include.path} stands wrong: '
                              f'three groups with a blank line between, {", ".join(titles)}')
                return
        highest = kinds[0]
    if own and own in {include.path for include in includes(text)}:
        first = includes(text)[0]
        if first.path != own:
            yield Problem(path, first.line, 'include order',
                          f'"{own}" comes first: it shows that the header stands alone')


def check_std_includes(path, text):
    # Headers of kernels/cpu are parts of one .cc each, included inside its target region.
    if suffix(path) != '.h' or path.startswith('src/kernels/cpu/'):
        return
    included = {include.path for include in includes(text)}
    missing = {}
    for number, line in enumerate(code_only(text).split('\n'), 1):
        for name in re.findall(r'\bstd::(\w+)', line):
            header = STD_HEADERS.get(name)
            if header and header not in included:
                missing.setdefault(header, (number, name))
    for header, (number, name) in missing.items():
        yield Problem(path, number, 'include', f'std::{name} is used, <{header}> is not included')


def listed_in_cmake(path, tree):
    folder = pathlib.PurePosixPath(path).parent
    for parent in (folder, *folder.parents):
        cmake = tree.get(str(parent / 'CMakeLists.txt'))
        name = pathlib.PurePosixPath(path).relative_to(parent)
        if cmake and re.search(rf'(?<![\w./-]){re.escape(str(name))}(?![\w-])', cmake):
            return True
    return False


def check_dead_files(tree):
    used = {include.path for path, text in tree.items() if suffix(path) in CPP
            for include in includes(text)}
    for path in tree:
        if suffix(path) in SOURCES and not listed_in_cmake(path, tree):
            yield Problem(path, 1, 'dead file', 'no CMakeLists.txt lists it: it is never compiled')
        # Public headers are for others to include.
        if suffix(path) == '.h' and not path.startswith('include/') and not any(
                path == root + each for each in used for root in ('src/', '')):
            yield Problem(path, 1, 'dead file', 'nobody includes it')


# What may never come is waited for with a limit of seconds (tests/wait.h, tests/e2e/harness.py).
WAITS = re.compile(r'\.(wait|join)\(')
ENDLESS_CALLS = {'wait', 'join', 'communicate'}  # without arguments
TIMED_CALLS = {'run', 'check_output', 'check_call', 'call', 'create_connection', 'urlopen'}


def is_test(path):
    return bool(re.search(r'_test\.(cc|h)$', path)) or path.startswith('tests/')


def check_waits(path, text):
    """That a test waits for nothing without a limit."""
    if suffix(path) == '.py':
        yield from check_python_waits(path, text)
        return
    code = code_only(text).split('\n')
    limited = set()  # lines of functions with a TimeLimit
    for each in functions(text):
        lines = range(each.first_line, each.last_line + 1)
        if any('TimeLimit' in code[line - 1] for line in lines):
            limited.update(lines)
    for number, line in enumerate(code, 1):
        if 'this_thread::yield' in line and path != 'tests/wait.cc':
            yield Problem(path, number, 'wait', 'a loop of its own that may never end: use '
                          'becomes_true of tests/wait.h')
        if (match := WAITS.search(line)) and number not in limited and path != 'tests/wait.cc':
            yield Problem(path, number, 'wait', f'{match.group(1)} may never return: wait_for, '
                          'or a TimeLimit of tests/wait.h in this function')


def check_temporary_files(path, text):
    """That tests, which run beside each other, share no file."""
    for number, line in enumerate(code_only(text).split('\n'), 1):
        if re.search(r'\bTempDir\(|temp_directory_path\(', line) and path != 'tests/temp_folder.cc':
            yield Problem(path, number, 'files', 'another test may have a file of this name there '
                          'at the same time: use tests/temp_folder.h')


def check_python_waits(path, text):
    for call in ast.walk(ast.parse(text)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        name, owner = call.func.attr, getattr(call.func.value, 'id', '')
        arguments = len(call.args) + len(call.keywords)
        has_timeout = any(each.arg in ('timeout', None) for each in call.keywords)
        if (name in ENDLESS_CALLS and arguments == 0
                or owner in ('subprocess', 'socket', 'request') and name in TIMED_CALLS
                and not has_timeout
                or owner == 'os' and name in ('read', 'system', 'waitpid')
                and path != 'tests/e2e/harness.py'):
            yield Problem(path, call.lineno, 'wait', f'{name} may never return: give it a timeout, '
                          'or use what tests/e2e/harness.py has')


def check_tree(tree):
    """All problems of a tree {path: text}, in the order of files and lines."""
    problems = list(check_dead_files(tree))
    for path, text in tree.items():
        problems += check_lines(path, text)
        problems += check_opening(path, text)
        problems += check_names(path, text)
        if suffix(path) in CPP + ('.py',):
            problems += check_functions(path, text)
        if suffix(path) in CPP:
            problems += check_classes(path, text)
            problems += check_layers(path, text, tree)
            problems += check_include_order(path, text, tree)
            problems += check_std_includes(path, text)
        if is_test(path) and suffix(path) in CPP + ('.py',):
            problems += check_waits(path, text)
        if is_test(path) and suffix(path) in CPP:
            problems += check_temporary_files(path, text)
    return sorted(problems)


def read_tree(root):
    """Texts of all files that git knows or would add; of all files where there is no git."""
    command = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    listing = subprocess.run(command, cwd=root, capture_output=True, check=False)
    if listing.returncode == 0:
        names = [name for name in listing.stdout.decode().split('\0') if name]
    else:
        names = [str(path.relative_to(root)) for path in root.rglob('*')
                 if path.relative_to(root).parts[0] not in ('build', '.git', '.cache')]
    tree = {}
    for name in sorted(set(names)):
        path = root / name
        if path.is_file() and name != 'LICENSE' and not name.startswith('fuzz/corpus/'):
            content = path.read_bytes()
            if b'\0' not in content:
                tree[name] = content.decode(errors='replace')
    return tree


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.').resolve()
    tree = read_tree(root)
    problems = check_tree(tree)
    for problem in problems:
        print(problem)
    print(f'tidy: {len(tree)} files, {len(problems)} problems')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
