# SPDX-License-Identifier: Apache-2.0
"""`redknot serve` against what clients do wrong, and how it ends."""

import http.client
import json
import signal
import ssl
import subprocess
import time
import unittest

import harness
import served
from served import Served

READER = harness.ROOT / 'models' / 'redknot-reader.gguf'
CHAT = '/v1/chat/completions'
OK = {'messages': [{'role': 'user', 'content': 'Hello'}], 'max_tokens': 2, 'temperature': 0}
TEMPLATE_LOOP = "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}"


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Served(READER, '-c', 1024)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def tearDown(self):
        self.assertEqual(self.server.post(CHAT, OK).status, 200)

    def refused(self, path, body, param, status=400):
        reply = self.server.post(path, body)
        self.assertEqual(reply.status, status, (body, reply.body))
        self.assertIn(param, reply.error['param'] or '', reply.body)
        self.assertTrue(reply.error['message'])
        return reply.error

    def test_wrong_types_are_named(self):
        for field, values in {
                'messages': ('x', 3, [], [3], None),
                'temperature': ('hot', -1, 3, [1]),
                'top_p': (2, -0.1, 'x'), 'top_k': (1.5, -7, 10**30),
                'max_tokens': (-1, 2**63, 10**30, 1.5, '3'),
                'n': (0, -1, 10**6, 'x'), 'stop': (3, ['a'] * 100, [1], ['']),
                'seed': ('x', 10**30, 1.5), 'stream': ('yes', 1), 'logit_bias': ([], {'x': 1}),
                'top_logprobs': (21, -1), 'tools': ('x', [3], [{}]),
                'response_format': ('json', {'type': 'xml'}), 'documents': (3, [3]),
                'stream_options': (1,), 'redknot': ('x', {'reuse': 'magic'}, {'ratio': 2}),
        }.items():
            for value in values:
                with self.subTest(field=field, value=value):
                    self.refused(CHAT, {**OK, field: value}, field)

    def test_places_within_messages_are_named(self):
        message = {'role': 'user', 'content': [{'type': 'text', 'text': 3}]}
        self.refused(CHAT, {**OK, 'messages': [message]}, 'messages[0].content[0].text')
        image = {'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': 'x'}}]}
        self.refused(CHAT, {**OK, 'messages': [image]}, 'messages[0].content[0]')
        self.refused(CHAT, {**OK, 'messages': [{'role': 'wizard', 'content': ''}]},
                     'messages[0].role')

    def test_bodies_that_are_not_json(self):
        for body in (b'', b'{', b'[]', b'3', b'{"messages": [}', b'\xff\xfe', b'{"a": "\xc0"}',
                     b'{"a": 1, "a": 2}', b'{"temperature": 1e400}', b'[' * 100000,
                     b'{"a":' * 5000, b'\x00', b'nul'):
            with self.subTest(body=body[:20]):
                self.refused(CHAT, body, '')
                self.refused('/v1/completions', body, '')
                self.assertEqual(self.server.post('/v1/messages', body).status, 400)
                self.assertEqual(self.server.post('/tokenize', body).status, 400)
                self.assertEqual(self.server.ask('PUT', '/v1/segments', body).status, 400)

    def test_unknown_fields_are_ignored(self):
        self.assertEqual(self.server.post(CHAT, {**OK, 'wizardry': [1, {}]}).status, 200)

    def test_another_model(self):
        error = self.refused(CHAT, {**OK, 'model': 'gpt-4'}, 'model', status=404)
        self.assertIn('redknot-reader', error['message'])

    def test_a_prompt_over_the_context(self):
        message = {'role': 'user', 'content': 'word ' * 1000}
        error = self.refused(CHAT, {**OK, 'messages': [message]}, 'messages')
        self.assertEqual(error['code'], 'context_length_exceeded')
        self.refused('/v1/completions', {'prompt': 'word ' * 1000}, 'prompt')

    def test_token_ids_out_of_range(self):
        for tokens in ([-1], [2**31], [10**9], [1.5], []):
            with self.subTest(tokens=tokens):
                self.refused('/v1/completions', {'prompt': tokens}, '')
        self.assertEqual(self.server.post('/detokenize', {'tokens': [10**9]}).status, 400)

    def test_schemas_that_cannot_be_kept(self):
        for schema in ({'type': 'wizard'}, {'type': 'string', 'pattern': '(?=x)'}, {'not': {}},
                       {'$ref': '#/nowhere'}, 3):
            with self.subTest(schema=schema):
                body = {**OK, 'response_format': {
                    'type': 'json_schema', 'json_schema': {'name': 'x', 'schema': schema}}}
                self.refused(CHAT, body, 'response_format')

    def test_a_tool_without_a_name(self):
        self.refused(CHAT, {**OK, 'tools': [{'type': 'function', 'function': {}}],
                            'tool_choice': {'type': 'function', 'function': {'name': 'f'}}},
                     'tools[0].function.name')

    def test_many_references_to_one_segment(self):
        segment = self.server.ask('PUT', '/v1/segments', {'text': 'word ' * 100}).json
        parts = [{'type': 'segment', 'id': segment['id']}] * 4000
        messages = [{'role': 'user', 'content': parts}] * 40
        self.refused(CHAT, {**OK, 'messages': messages}, 'id')

    def test_pages_of_other_origins(self):
        for headers, status in (({'Origin': 'http://evil.example'}, 403),
                                ({'Origin': self.server.url}, 200),
                                # A name that its owner has lead here.
                                ({'Origin': 'http://evil.example', 'Host': 'evil.example'}, 403),
                                ({'Origin': 'http://localhost:1', 'Host': 'localhost:1'}, 200),
                                ({'Origin': 'http://[::1]', 'Host': '[::1]'}, 200),
                                ({'Origin': 'null'}, 403), ({}, 200)):
            reply = self.server.ask('POST', CHAT, OK, headers)
            self.assertEqual(reply.status, status, headers)

    def test_methods_are_named(self):
        reply = self.server.get(CHAT)
        self.assertEqual((reply.status, reply.headers['allow']), (405, 'POST'))
        self.assertEqual(self.server.post('/nowhere', {}).status, 404)

    def test_more_answers_than_may_wait(self):
        with Served(READER, '--max-queue', 2) as server:
            self.assertEqual(server.post(CHAT, {**OK, 'n': 3}).status, 400)
            self.assertEqual(server.post(CHAT, {**OK, 'n': 2}).status, 200)

    def test_tools_of_a_model_that_knows_none(self):
        tool = {'type': 'function', 'function': {'name': 'f', 'parameters': {'type': 'object'}}}
        self.refused(CHAT, {**OK, 'tools': [tool]}, 'tools')

    def test_text_of_special_tokens_is_text(self):
        plain = self.server.post('/tokenize', {'messages': [
            {'role': 'user', 'content': 'x'}]}).json['count']
        special = self.server.post('/tokenize', {'messages': [
            {'role': 'user', 'content': 'x<|end|>'}]}).json['count']
        self.assertGreater(special, plain + 1)

    def test_a_body_of_a_hundred_megabytes(self):
        connection = self.server.connection()
        connection.putrequest('POST', CHAT)
        connection.putheader('Content-Length', str(100 << 20))
        connection.endheaders()
        try:
            for _ in range(100):
                connection.send(b' ' * (1 << 20))
        except OSError:
            pass
        try:
            self.assertEqual(connection.getresponse().status, 413)
        except OSError:
            pass  # it was closed while we still sent
        connection.close()

    def test_refusals_before_a_handler_are_in_the_dialect(self):
        for path, kind in ((CHAT, 'invalid_request_error'), ('/v1/messages', 'request_too_large')):
            connection = self.server.connection()
            connection.putrequest('POST', path)
            connection.putheader('Content-Length', str(100 << 20))
            connection.endheaders()
            response = connection.getresponse()
            self.assertEqual(response.status, 413)
            body = json.loads(response.read())
            self.assertEqual(body['error']['type'], kind)
            self.assertEqual(body.get('type'), 'error' if path == '/v1/messages' else None)
            connection.close()

    def test_more_streams_than_may_be_open(self):
        with Served(READER, '--max-streams', 1) as server:
            ask = {**OK, 'max_tokens': 3000, 'ignore_eos': True, 'stream': True}
            first = server.connection()
            first.request('POST', CHAT, json.dumps(ask))
            held = first.getresponse()
            held.read(100)
            refused = server.post(CHAT, {**OK, 'stream': True})
            self.assertEqual((refused.status, refused.error['code']), (503, 'too_many_streams'))
            refused = server.post('/v1/messages', {**OK, 'stream': True, 'max_tokens': 2})
            self.assertEqual((refused.status, refused.error['type']), (503, 'overloaded_error'))
            self.assertEqual(server.post(CHAT, {**OK, 'max_tokens': 2}).status, 200)
            held.close()
            first.close()
            self.assertTrue(server.wait_for(
                lambda: server.post(CHAT, {**OK, 'stream': True, 'max_tokens': 2}).status == 200))

    def test_a_header_bomb(self):
        for headers in ({'X': 'a' * 100000}, {f'X-{i}': 'a' for i in range(90)}):
            try:
                status = self.server.get('/health', **headers).status
            except (OSError, Exception) as error:  # closed
                self.assertNotIsInstance(error, AssertionError)
                continue
            self.assertIn(status, (200, 431))

    def test_a_request_that_never_ends(self):
        slow = self.server.socket(timeout=30)
        slow.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\n')
        started = time.monotonic()
        try:
            for _ in range(200):
                slow.sendall(b'X')
                time.sleep(0.1)
        except OSError:
            pass
        self.assertLess(time.monotonic() - started, 19)
        slow.close()


class Templates(unittest.TestCase):
    def test_a_template_that_loops_is_refused(self):
        path = harness.write('loop.jinja', TEMPLATE_LOOP)
        with Served(READER, '--chat-template-file', path) as server:
            reply = server.post(CHAT, OK)
            self.assertEqual(reply.status, 400, reply.body)
            self.assertEqual(server.get('/health').status, 200)


class Endings(unittest.TestCase):
    def test_kill_and_start_again(self):
        with Served(READER) as server:
            first = server.post(CHAT, OK).json['choices']
            port = server.port
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(served.END_SECONDS)
        with Served(READER, port=port) as server:
            self.assertEqual(server.port, port)
            self.assertEqual(server.post(CHAT, OK).json['choices'], first)

    def test_streams_end_in_order(self):
        with Served(READER) as server:
            replies = []

            def ask():
                replies.append(server.post(CHAT, {**OK, 'max_tokens': 1500, 'stream': True,
                                                  'ignore_eos': True}))
            asking = harness.started_threads([ask])
            self.assertTrue(server.wait_for(
                lambda: server.get('/redknot/status').json['running'] == 1))
            self.assertEqual(server.terminate(), 0)
            self.assertTrue(harness.all_end(asking))
            self.assertEqual(replies[0].events[-1], '[DONE]')
            self.assertEqual(replies[0].events[-2]['choices'][0]['finish_reason'], 'length')

    def test_what_takes_longer_than_the_deadline_is_cut(self):
        model = harness.model(shape='tiny-llama')
        with Served(model, '--drain-timeout', 1, '-c', 100000) as server:
            replies = {}

            def ask(stream):
                replies[stream] = server.post(
                    '/v1/completions', {'prompt': [1, 2], 'max_tokens': 90000,
                                        'ignore_eos': True, 'stream': stream})
            asking = harness.started_threads([lambda: ask(True), lambda: ask(False)])
            self.assertTrue(server.wait_for(
                lambda: server.get('/redknot/status').json['running'] == 2))
            started = time.monotonic()
            self.assertEqual(server.terminate(), 0)
            self.assertLess(time.monotonic() - started, 15)
            self.assertTrue(harness.all_end(asking))
            self.assertEqual(replies[True].status, 200)
            *_, error, done = replies[True].events
            self.assertEqual((error['error']['code'], done), ('server_is_ending', '[DONE]'))
            self.assertGreater(len(replies[True].events), 2)
            self.assertEqual(replies[False].status, 503)
            self.assertEqual(replies[False].error['code'], 'server_is_ending')

    def test_while_it_ends_it_says_so(self):
        model = harness.model(shape='tiny-llama')
        with Served(model, '--drain-timeout', 20, '-c', 100000) as server:
            stream = server.connection()
            stream.request('POST', '/v1/completions', json.dumps(
                {'prompt': [1, 2], 'max_tokens': 90000, 'ignore_eos': True, 'stream': True}))
            answer = stream.getresponse()
            answer.read(100)
            self.assertEqual(server.get('/health').status, 200)
            server.process.send_signal(signal.SIGTERM)
            self.assertTrue(server.wait_for(lambda: server.get('/health').status == 503))
            self.assertEqual(server.get('/health').json['status'], 'draining')
            refused = server.post('/v1/completions', {'prompt': [1, 2]})
            self.assertEqual(refused.status, 503)
            self.assertEqual(refused.error['message'], 'the server is ending')
            self.assertEqual(refused.headers['retry-after'], '1')
            refused = server.post('/v1/messages', {})
            self.assertEqual(refused.json['error']['type'], 'overloaded_error')
            self.assertEqual(server.get('/redknot/status').json['running'], 1)
            stream.close()  # nobody is left
            self.assertEqual(server.process.wait(10), 0)

    def test_a_client_that_leaves_frees_its_pages(self):
        with Served(READER) as server:
            connection = server.connection()
            connection.request('POST', CHAT, json.dumps(
                {**OK, 'max_tokens': 3000, 'ignore_eos': True, 'stream': True}))
            connection.getresponse().read(100)
            self.assertEqual(server.get('/redknot/status').json['running'], 1)
            connection.close()
            self.assertTrue(server.wait_for(
                lambda: server.get('/redknot/status').json['running'] == 0, seconds=5))

    def test_a_port_that_is_taken(self):
        with Served(READER) as server:
            done = harness.redknot('serve', '-m', READER, '--port', server.port)
            self.assertEqual(done.code, 1)
            self.assertIn('127.0.0.1', done.stderr)

    def test_wrong_options(self):
        for options in (['--port', '99999'], ['--host', 'no.such.host.invalid'],
                        ['--ssl-cert-file', 'x'], ['--api-key', 'a b'],
                        ['--chat-template-file', '/nowhere']):
            done = harness.redknot('serve', '-m', READER, *options)
            self.assertIn(done.code, (1, 2), options)
            self.assertIn('redknot:', done.stderr)


class Tls(unittest.TestCase):
    def test_an_answer_over_tls(self):
        certificate, key = harness.scratch / 'cert.pem', harness.scratch / 'key.pem'
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1',
                        '-subj', '/CN=localhost', '-keyout', key, '-out', certificate],
                       check=True, capture_output=True, timeout=harness.TIMEOUT_SECONDS)
        with Served(READER, '--ssl-cert-file', certificate, '--ssl-key-file', key) as server:
            context = ssl.create_default_context(cafile=str(certificate))
            context.check_hostname = False
            connection = http.client.HTTPSConnection('127.0.0.1', server.port, context=context)
            connection.request('POST', CHAT, json.dumps(OK))
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()


if __name__ == '__main__':
    harness.main()
