# SPDX-License-Identifier: Apache-2.0
"""`redknot serve` with many clients at a time: wrk, streams, slow readers, clients that leave."""

import functools
import json
import random
import shutil
import socket
import statistics
import subprocess
import time
import unittest

import harness
from served import Served

READER = harness.ROOT / 'models' / 'redknot-reader.gguf'
CHAT = '/v1/chat/completions'


def body(question, **fields):
    return {'messages': [{'role': 'user', 'content': question}], 'temperature': 0,
            'max_tokens': 16, 'ignore_eos': True, **fields}


def answer(reply):
    return reply.json['choices'][0]['message']['content']


class Load(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Served(READER, '-c', 2048, '--access-log', 'off')

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    @unittest.skipUnless(shutil.which('wrk'), 'wrk is not installed')
    def test_wrk(self):
        script = harness.write('chat.lua', 'wrk.method = "POST"\nwrk.body = \'%s\'\n' % json.dumps(
            body('Who?', max_tokens=2)))
        for path, options in (('/health', []), (CHAT, ['-s', script])):
            done = subprocess.run(['wrk', '-t1', '-c16', '-d2s', *map(str, options),
                                   self.server.url + path],
                                  capture_output=True, text=True, timeout=60)
            self.assertIn('requests in', done.stdout)
            self.assertNotIn('Non-2xx', done.stdout)
            self.assertNotIn('Socket errors', done.stdout)

    def test_everybody_gets_what_they_get_alone(self):
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)
        bodies = [body(f'Question {i}: what is {chance.randrange(10**6)}?', seed=i,
                       temperature=chance.choice([0, 1]),
                       max_tokens=chance.randrange(1, 40)) for i in range(24)]
        alone = [answer(self.server.post(CHAT, {**one, 'redknot': {'reuse': 'none'}}))
                 for one in bodies]
        together = [None] * len(bodies)

        def ask(i):
            together[i] = answer(self.server.post(CHAT, bodies[i]))
        asking = harness.started_threads([functools.partial(ask, i) for i in range(len(bodies))])
        self.assertTrue(harness.all_end(asking))
        self.assertEqual(together, alone, f'seed {seed}')

    def test_clients_that_leave_disturb_nobody(self):
        alone = answer(self.server.post(CHAT, body('Who stays?', max_tokens=200)))
        for _ in range(20):
            client = self.server.socket()
            data = json.dumps(body('Who leaves?', max_tokens=400, stream=True)).encode()
            client.sendall(b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n' %
                           (CHAT.encode(), len(data)) + data[:random.randrange(len(data) + 1)])
            client.close()
        self.assertEqual(answer(self.server.post(CHAT, body('Who stays?', max_tokens=200))), alone)
        self.assertTrue(self.server.wait_for(
            lambda: self.server.get('/redknot/status').json['running'] == 0))

    def first_token_seconds(self, times=9):
        seconds = []
        for i in range(times):
            started = time.monotonic()
            reply = self.server.post(CHAT, body(f'How long {i}?', max_tokens=1))
            self.assertEqual(reply.status, 200)
            seconds.append(time.monotonic() - started)
        return statistics.median(seconds)

    def test_idle_and_slow_clients(self):
        """They are held, and others are answered. What that costs is a benchmark's matter."""
        idle = [self.server.socket() for _ in range(300)]
        slow = []
        for _ in range(20):
            client = self.server.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            data = json.dumps(body('Slowly?', max_tokens=300, stream=True)).encode()
            client.sendall(b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n' %
                           (CHAT.encode(), len(data)) + data)
            slow.append(client)
        self.assertLess(self.first_token_seconds(), 10)
        for client in idle + slow:
            client.close()
        self.assertTrue(self.server.wait_for(
            lambda: self.server.get('/redknot/status').json['running'] == 0))

    def test_a_full_queue_says_so(self):
        with Served(READER, '--parallel', 1, '--max-queue', 2, '--access-log', 'off') as server:
            statuses = []

            def ask():
                statuses.append(server.post(CHAT, body('Wait?', max_tokens=300)).status)
            self.assertTrue(harness.all_end(harness.started_threads([ask] * 12)))
            self.assertEqual(set(statuses), {200, 429})

    def test_waiting_too_long_is_refused(self):
        with Served(READER, '--parallel', 1, '--queue-timeout', 0.2,
                    '--access-log', 'off') as server:
            long = harness.started_threads(
                [lambda: server.post(CHAT, body('Long?', max_tokens=2000))])
            self.assertTrue(server.wait_for(
                lambda: server.get('/redknot/status').json['running'] == 1))
            self.assertEqual(server.post(CHAT, body('Short?', max_tokens=1)).status, 429)
            self.assertTrue(harness.all_end(long))


if __name__ == '__main__':
    harness.main()
