# SPDX-License-Identifier: Apache-2.0
"""What all end-to-end tests share: the binary, tiny models, and reading of what it writes.

Each test file is run as `python3 test_x.py BUILD_DIR [unittest arguments]`. Models are made once
for each file by BUILD_DIR/make_model, in a scratch folder that goes away at the end.
"""

import array
import ast
import atexit
import json
import os
import pathlib
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TIMEOUT_SECONDS = 300
ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / 'shared'
GOLDEN = SHARED / 'golden'

build_dir = pathlib.Path('.')
scratch = pathlib.Path(tempfile.mkdtemp(prefix='redknot-e2e-'))
atexit.register(shutil.rmtree, scratch, ignore_errors=True)


def main():
    """Runs the tests of the calling file on the build directory named first."""
    global build_dir
    if len(sys.argv) < 2:
        sys.exit(f'usage: {sys.argv[0]} BUILD_DIR [unittest arguments]')
    build_dir = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0]] + sys.argv[2:], verbosity=2)


def model(dtype='F32', seed=1, shape='tiny-llama'):
    """The path of a tiny random model."""
    path = scratch / f'{shape}.{dtype}.{seed}.gguf'
    if not path.exists():
        subprocess.run([build_dir / 'make_model', '--shape', shape, '--type', dtype,
                        '--seed', str(seed), '-o', path],
                       check=True, capture_output=True, timeout=TIMEOUT_SECONDS)
    return path


def with_metadata(path, name, values):
    """A copy of a GGUF file, called `name`, that has these numbers, too: floats and integers."""
    def text(value):
        return struct.pack('<Q', len(value)) + value.encode()

    kinds = {float: (6, '<f'), int: (5, '<i')}
    added = b''
    for key, value in values.items():
        kind, layout = kinds[type(value)]
        added += text(key) + struct.pack('<I', kind) + struct.pack(layout, value)
    # A text that fills up to the alignment, so that the data stays where the directory has it.
    filler = text('test.filler') + struct.pack('<IQ', 8, 0)
    spaces = -(len(added) + len(filler)) % 32
    added += text('test.filler') + struct.pack('<I', 8) + text(' ' * spaces)
    file = pathlib.Path(path).read_bytes()
    magic, version, tensors, count = struct.unpack_from('<IIQQ', file)
    head = struct.pack('<IIQQ', magic, version, tensors, count + len(values) + 1)
    copy = scratch / name
    copy.write_bytes(head + added + file[len(head):])
    return copy


class Ended:
    """How a process ended."""

    def __init__(self, code, stdout, stderr):
        self.code = code
        self.stdout = stdout  # bytes
        self.stderr = stderr.decode(errors='replace')

    @property
    def text(self):
        return self.stdout.decode()

    @property
    def json(self):
        return json.loads(self.stdout)


def start(*arguments, **options):
    """Starts redknot. Ctrl-C reaches it even where this process was told to ignore it."""
    return subprocess.Popen(
        [build_dir / 'redknot', *map(str, arguments)], stdin=subprocess.DEVNULL,
        stdout=options.get('stdout', subprocess.PIPE), stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def end(process):
    try:
        stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Ended(process.returncode, stdout or b'', stderr)


def read_some(descriptor, most_bytes=1 << 16, seconds=TIMEOUT_SECONDS):
    """What there is to read, as soon as there is something; empty at the end."""
    if not select.select([descriptor], [], [], seconds)[0]:
        raise TimeoutError(f'nothing to read within {seconds} seconds')
    return os.read(descriptor, most_bytes)


def becomes_true(holds, seconds=TIMEOUT_SECONDS, pause_seconds=0.01):
    """Whether holds() is true, now or within the time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_seconds)
    return True


def started_threads(calls):
    """Threads that make these calls, and do not keep the process from ending."""
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    return threads


def all_end(threads, seconds=TIMEOUT_SECONDS):
    """Whether all threads end within the time."""
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def redknot(*arguments, stdin=b''):
    done = subprocess.run([build_dir / 'redknot', *map(str, arguments)], input=stdin,
                          capture_output=True, timeout=TIMEOUT_SECONDS, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def write(name, text):
    """A scratch file with that text."""
    path = scratch / name
    path.write_text(text)
    return path


def write_ids(name, ids):
    return write(name, json.dumps(ids))


def read_npy(path):
    """(rows, columns, values) of a float32 matrix as NumPy writes it."""
    content = pathlib.Path(path).read_bytes()
    if content[:8] != b'\x93NUMPY\x01\x00':
        raise ValueError(f'{path}: not a NumPy 1.0 file')
    header_bytes = int.from_bytes(content[8:10], 'little')
    header = ast.literal_eval(content[10:10 + header_bytes].decode())
    if header['descr'] != '<f4' or header['fortran_order']:
        raise ValueError(f'{path}: {header}')
    rows, columns = header['shape']
    values = array.array('f', content[10 + header_bytes:])
    if len(values) != rows * columns:
        raise ValueError(f'{path}: {len(values)} values for shape {rows} x {columns}')
    return rows, columns, values


def row(matrix, index):
    rows, columns, values = matrix
    index = index % rows
    return values[index * columns:(index + 1) * columns]


def argmax(values):
    return max(range(len(values)), key=lambda i: (values[i], -i))


class Case(unittest.TestCase):
    """A test case with the checks that many need."""

    def run_ok(self, *arguments, stdin=b''):
        done = redknot(*arguments, stdin=stdin)
        self.assertEqual(done.code, 0, done.stderr)
        return done

    def check_error(self, done, code, *needles):
        """The exit code, and a message "redknot: attempt: cause" that says these things."""
        self.assertEqual(done.code, code, done.stderr)
        messages = [line for line in done.stderr.splitlines() if line.startswith('redknot: ')]
        self.assertTrue(messages, f'no message on standard error: {done.stderr!r}')
        for needle in needles:
            self.assertRegex(done.stderr, re.compile(needle, re.IGNORECASE))
