#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A rough outline of C++ source, good enough for tidy.py: text without comments and literals, the
include lines, and where functions begin and end. Not a parser: it counts braces."""

import re
from typing import NamedTuple

_QUIET = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S)
_DIRECTIVE = re.compile(r'^[ \t]*#[ \t]*(\w+)(?:\\\n|[^\n])*', re.M)
_EVENT = re.compile(r'[{}();]|#\w+|\b(?:public|private|protected)\s*:')
_INCLUDE = re.compile(r'\s*#\s*include\s+(["<])([^">]+)[">]')


class Include(NamedTuple):
    line: int
    quoted: bool
    path: str


class Function(NamedTuple):
    name: str
    first_line: int
    last_line: int

    @property
    def lines(self):
        return self.last_line - self.first_line + 1


def _blank(text):
    return re.sub(r'[^\n]', ' ', text)


def without_literals(text):
    """The text with comments and the insides of literals turned to spaces, at equal offsets."""
    def quiet(match):
        found = match.group(0)
        return _blank(found) if found.startswith('/') else '"' + _blank(found[1:-1]) + '"'
    return _QUIET.sub(quiet, text)


def code_only(text):
    """The same without preprocessor lines."""
    return _DIRECTIVE.sub(lambda match: _blank(match.group(0)), without_literals(text))


def includes(text):
    return [Include(number, match.group(1) == '"', match.group(2))
            for number, line in enumerate(text.split('\n'), 1)
            if (match := _INCLUDE.match(line))]


def leading_includes(text):
    """Groups of includes, split by blank lines, before the first line of code and outside of #if.
    Code begins at a #define too: it is there to change what the next header does."""
    groups, depth = [[]], 0
    code, lines = without_literals(text).split('\n'), text.split('\n')
    for number, (bare, line) in enumerate(zip(code, lines), 1):
        directive = re.match(r'\s*#\s*(\w+)', bare)
        if directive is None:
            if bare.strip():
                break
            if not line.strip() and groups[-1]:
                groups.append([])
            continue
        if directive.group(1) == 'define':
            break
        if directive.group(1).startswith('if'):
            depth += 1
        elif directive.group(1) == 'endif':
            depth -= 1
        elif depth == 0 and (match := _INCLUDE.match(line)):
            groups[-1].append(Include(number, match.group(1) == '"', match.group(2)))
    return [group for group in groups if group]


def _strip_nested(text, opening, closing):
    pattern = re.compile(rf'{opening}[^{opening}{closing}]*{closing}')
    while (shorter := pattern.sub(' ', text)) != text:
        text = shorter
    return text


def _kind(head):
    """What a brace at namespace or class level opens: 'scope', 'function' or 'other'."""
    head = re.sub(r'\boperator\s*[^\s(\w]+', 'operator', head)
    head = re.sub(r'\[\[.*?\]\]|\balignas\s*\([^()]*\)', ' ', head)
    head = re.sub(r'\s*\btemplate\s*(?=<)', ' ', head)
    if re.match(r'\s*<', head):
        head = _strip_nested(head, '<', '>')
    head = head.strip()
    if re.match(r'(inline\s+)?namespace\b|extern\s*"', head):
        return 'scope'
    flat = _strip_nested(head, r'\(', r'\)')
    has_parameters = '(' in head
    if re.match(r'(typedef\s+)?(class|struct|union)\b', head) and not has_parameters:
        return 'scope'
    if re.match(r'enum\b', head) or not has_parameters:
        return 'other'
    if re.search(r'=', re.sub(r'[=!<>]=|\brequires\b.*', '', flat)):
        return 'function' if re.search(r'\]\s*\(', head) else 'other'
    constructor = re.search(r'\)\s*(noexcept\s*)?:(?!:)', head)
    if constructor and head[-1] not in ')}':
        return 'other'  # member{...} in a list of initialisers
    return 'function'


def _name(head):
    before = re.sub(r'^\s*(template\s*<.*?>\s*)?', '', head, flags=re.S).split('(')[0].split()
    return before[-1] if before else '?'


class _Position:
    """Where the outline stands: open braces, open parentheses, start of the current head."""

    def __init__(self):
        self.open, self.parentheses, self.head = [], 0, 0

    def copy(self):
        other = _Position()
        other.open, other.parentheses, other.head = list(self.open), self.parentheses, self.head
        return other


def functions(text):
    """The outermost functions; a lambda or local class is part of the function around it."""
    bare = without_literals(text)
    branches, found, at = [], [], _Position()
    # Branches of #if all start from the same open braces; the last one's are kept.
    marked = _DIRECTIVE.sub(
        lambda match: '#' + match.group(1) + _blank(match.group(0))[len(match.group(1)) + 1:], bare)
    code = _DIRECTIVE.sub(lambda match: _blank(match.group(0)), bare)
    for event in _EVENT.finditer(marked):
        token, offset = event.group(0), event.start()
        if token.startswith('#if'):
            branches.append(at.copy())
        elif token in ('#else', '#elif') and branches:
            at = branches[-1].copy()
        elif token == '#endif' and branches:
            branches.pop()
        elif token in '()':
            at.parentheses += 1 if token == '(' else -1
        elif token == ';' and at.parentheses == 0 and (not at.open or at.open[-1][0] == 'scope'):
            at.head = offset + 1
        elif token[0] == 'p':  # an access specifier
            at.head = event.end()
        elif token == '{':
            outside = at.parentheses == 0 and (not at.open or at.open[-1][0] == 'scope')
            head = code[at.head:offset]
            kind = _kind(head) if outside else 'other'
            start = at.head + len(head) - len(head.lstrip())
            at.open.append((kind, start, _name(head) if kind == 'function' else ''))
            if kind == 'scope':
                at.head = offset + 1
        elif token == '}' and at.open:
            kind, start, name = at.open.pop()
            if kind == 'function':
                found.append(Function(name, code.count('\n', 0, start) + 1,
                                      code.count('\n', 0, offset) + 1))
            if kind != 'other':
                at.head = offset + 1
    return found


class Class(NamedTuple):
    name: str
    line: int
    methods: list
    fields: list


_CLASS = re.compile(r'\bclass\s+(\w+)\b[^;{}()]*\{')
_NO_MEMBER = re.compile(r'\s*(?:using|friend|enum|struct|class|union|typedef|static\s+constexpr)\b')


def _statements(body):
    """The members of a class: what nested braces hold is left out, and ends a function."""
    flat, depth, start = [], 0, 0
    for offset, char in enumerate(body):
        if char == '{':
            if depth == 0:
                flat.append(body[start:offset] + '{')
            depth += 1
        elif char == '}':
            depth -= 1
            if depth == 0:
                start = offset + 1
                ends = re.match(r'\s*[;,=.)]', body[start:])
                flat.append('}' if ends else '};')
    flat.append(body[start:])
    text = re.sub(r'\b(?:public|private|protected)\s*:', ';', ''.join(flat))
    return [part.strip() for part in text.split(';') if part.strip()]


def classes(text):
    """Classes with a body: their methods, constructors and operators aside, and their fields."""
    code, found = code_only(text), []
    for match in _CLASS.finditer(code):
        depth, end = 1, match.end()
        while depth and end < len(code):
            depth += {'{': 1, '}': -1}.get(code[end], 0)
            end += 1
        name, methods, fields = match.group(1), [], []
        for statement in _statements(code[match.end():end - 1]):
            if _NO_MEMBER.match(statement):
                continue
            bare = re.sub(r'\[\[.*?\]\]', ' ', _strip_nested(statement, '<', '>'))
            before = re.split(r'(?<![=!<>])=(?!=)', bare)[0]
            if method := re.search(r'(~?\w+)\s*\(', before):
                if method.group(1).lstrip('~') != name and 'operator' not in before:
                    methods.append(method.group(1))
            else:
                fields += [part for part in before.split('{')[0].split(',') if part.strip()]
        found.append(Class(name, code.count('\n', 0, match.start()) + 1, methods, fields))
    return found
