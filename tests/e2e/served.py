# SPDX-License-Identifier: Apache-2.0
"""A `redknot serve` of a test's own, and how its routes are asked."""

import http.client
import json
import re
import signal
import socket
import subprocess
import threading

import harness

START_SECONDS = 180
END_SECONDS = 180


class Reply:
    """Status, headers (names in lower case) and body of an answer."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json['error']

    @property
    def events(self):
        """What each `data:` line of a stream has, parsed; "[DONE]" as it is."""
        out = []
        for line in self.body.decode().splitlines():
            if line.startswith('data: '):
                data = line[len('data: '):]
                out.append(data if data == '[DONE]' else json.loads(data))
        return out


class Served:
    """The running server; a context manager that kills what is left.

    Without `binary` it is that of the build directory.
    """

    def __init__(self, model, *options, port=0, binary=None):
        self.process = subprocess.Popen(
            [binary or harness.build_dir / 'redknot', 'serve', '-m', str(model),
             '--port', str(port), *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.port = None
        self.listening = threading.Event()
        self.reader = threading.Thread(target=self.read_stderr, daemon=True)
        self.reader.start()
        if not self.listening.wait(START_SECONDS):
            self.process.kill()
            raise RuntimeError('redknot serve does not listen: ' + ''.join(self.lines))

    def read_stderr(self):
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r'listening on https?://\S+:(\d+)$', line.strip())
            if found:
                self.port = int(found.group(1))
                self.listening.set()
        self.listening.set()

    @property
    def url(self):
        return f'http://127.0.0.1:{self.port}'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(END_SECONDS)
        self.reader.join(END_SECONDS)
        self.process.stderr.close()

    def connection(self, timeout=60):
        return http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)

    def socket(self, timeout=60):
        """A connection over which any bytes can be sent."""
        return socket.create_connection(('127.0.0.1', self.port), timeout=timeout)

    def ask(self, method, path, body=None, headers=None):
        """Body: bytes as they are, or what becomes JSON."""
        connection = self.connection()
        try:
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            connection.request(method, path, body, headers or {})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask('GET', path, headers=headers)

    def post(self, path, body, **headers):
        return self.ask('POST', path, body, headers)

    def metric(self, name):
        """The sum of all series of that name."""
        total = 0.0
        for line in self.get('/metrics').body.decode().splitlines():
            if re.match(re.escape(name) + r'(\{| )', line):
                total += float(line.rsplit(' ', 1)[1])
        return total

    def terminate(self, timeout=END_SECONDS):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def wait_for(self, condition, seconds=20):
        return harness.becomes_true(condition, seconds, pause_seconds=0.05)
