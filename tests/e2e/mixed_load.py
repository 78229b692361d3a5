#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A load on `redknot serve` that meets all that a scheduler has to do at once.

Usage: tests/e2e/mixed_load.py BINARY [--requests N] [--at-a-time N] [--seed N] [-m MODEL]
                               [-- OPTIONS OF redknot serve]

Starts a server with little KV memory and sends it seeded requests: prompts that share documents
and beginnings, with every kind of reuse and every recovery policy; priorities, so that sequences
are preempted; several answers to one prompt; streams; clients that leave; answers in a JSON schema;
log-probabilities; penalties; segments put, pinned and dropped meanwhile. Then ends it with SIGTERM
and prints what became of the requests, and a digest of the answers of all those that stayed, which
depends on neither time nor company: equal seeds give equal digests.

The exit code is 0 if nothing failed, the server ended well, and at least one sequence was
preempted.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import http.client
import json
import pathlib
import random
import socket
import sys
import threading
import time

import harness
from served import Served

READER = harness.ROOT / 'models' / 'redknot-reader.gguf'
SERVE_OPTIONS = {'-c': 2048, '--kv-memory': '24M', '--kv': 'f16', '--page-tokens': 16,
                 '--parallel': 32, '--access-log': 'off'}
POLICIES = ['none', 'boundary', 'deviation', 'elastic', 'knot']
SCHEMA = {'type': 'object', 'required': ['name', 'year'], 'additionalProperties': False,
          'properties': {'name': {'type': 'string', 'maxLength': 12},
                         'year': {'type': 'integer', 'minimum': 1500, 'maximum': 1999}}}
NAMES = ['Votkol', 'Harven', 'Lorvik', 'Gurtrort', 'Shektrim', 'Quar', 'Dron', 'Maisdil']
FACTS = ['{} lives in {}.', '{} was taught by {}.', '{} has a sister named {}.',
         '{} stands by the river {}.', 'It is known that {} makes a home in {}.']
REQUEST_SECONDS = 300


class Plan:
    """One request, and whether its client leaves before the end."""

    def __init__(self, route, body, leaves_after):
        self.route = route
        self.body = body
        self.leaves_after = leaves_after  # events of a stream; None: it stays


def document(chance):
    name = chance.choice(NAMES)
    facts = ' '.join(chance.choice(FACTS).format(name, chance.choice(NAMES))
                     for _ in range(chance.randrange(4, 24)))
    return f'Notes about {name}. {facts}'


def reuse_fields(chance):
    reuse = chance.choice(['none', 'prefix', 'prefix', 'segment', 'segment', 'segment', 'segment'])
    if reuse != 'segment':
        return {'reuse': reuse}
    fields = {'reuse': reuse, 'recovery': chance.choice(POLICIES)}
    if fields['recovery'] != 'none' and chance.random() < 0.5:
        fields['ratio'] = chance.choice([0.05, 0.1, 0.3])
    if chance.random() < 0.4:
        fields['canonical_context'] = chance.choice(['prefix', 'bare'])
    return fields


def form_fields(chance):
    """How the answer is sampled and written."""
    fields = {'seed': chance.randrange(1 << 30), 'temperature': chance.choice([0, 0.7, 1]),
              'max_tokens': chance.choice([1, 12, 40, 120, 240]), 'ignore_eos': True}
    if chance.random() < 0.2:
        fields.update(frequency_penalty=0.4, presence_penalty=0.3, repetition_penalty=1.1)
    if chance.random() < 0.2:
        fields.update(top_k=20, top_p=0.9, min_p=0.02)
    if chance.random() < 0.2:
        fields['stop'] = ['river', ' the']
    return fields


def chat(chance, documents, chosen):
    content = [{'type': 'text', 'text': documents[i], 'cache_control': {'type': 'ephemeral'}}
               for i in chosen]
    question = f'Where does {chance.choice(NAMES)} live?'
    fields = {'messages': [{'role': 'system', 'content': 'You answer in few words.'}]}
    if chance.random() < 0.5:  # documents as a field of their own
        fields['documents'] = [documents[i] for i in chosen]
        content = []
    fields['messages'].append(
        {'role': 'user', 'content': content + [{'type': 'text', 'text': question}]})
    if chance.random() < 0.3:
        fields['messages'] += [{'role': 'assistant', 'content': 'Dron'},
                               {'role': 'user', 'content': 'And the river?'}]
    if chance.random() < 0.12:
        fields['response_format'] = {'type': 'json_schema',
                                     'json_schema': {'name': 'city', 'schema': SCHEMA}}
    if chance.random() < 0.2:
        fields.update(logprobs=True, top_logprobs=3)
    return '/v1/chat/completions', fields


def plan(chance, documents):
    # A few documents are asked for often, the others seldom.
    count = chance.randrange(1, 7)
    chosen = list({min(int(chance.expovariate(0.25)), len(documents) - 1) for _ in range(count)})
    chance.shuffle(chosen)
    draw = chance.random()
    if draw < 0.8:
        route, body = chat(chance, documents, chosen)
    elif draw < 0.93:
        route, body = '/v1/completions', {'prompt': ' '.join(documents[i] for i in chosen)}
        if chance.random() < 0.3:
            body['logprobs'] = 2
    else:
        route, body = '/v1/messages', {'messages': [
            {'role': 'user', 'content': [
                {'type': 'text', 'text': documents[i], 'cache_control': {'type': 'ephemeral'}}
                for i in chosen] + [{'type': 'text', 'text': 'Who is it?'}]}]}
    body = {**body, **form_fields(chance), 'redknot': reuse_fields(chance)}
    body['redknot']['priority'] = chance.choice([-5, 0, 0, 0, 5, 10])
    if route != '/v1/messages':
        body['n'] = chance.choice([1, 1, 1, 2, 3, 4])
    body['stream'] = chance.random() < 0.5
    leaves_after = None
    if chance.random() < 0.15:
        body.update(stream=chance.random() < 0.8, max_tokens=400)
        leaves_after = chance.randrange(12)
    return Plan(route, body, leaves_after)


class Client:
    """Sends the plans, and counts what becomes of them. Called from many threads."""

    def __init__(self, server, documents):
        self.server = server
        self.documents = documents
        self.lock = threading.Lock()
        self.outcomes = collections.Counter()
        self.complaints = []

    def count(self, outcome, complaint=None):
        with self.lock:
            self.outcomes[outcome] += 1
            if complaint:
                self.complaints.append(complaint)

    def send(self, number, wanted):
        """What is said in the answer, or None of a client that leaves."""
        if number % 10 == 5:
            self.use_segments(random.Random(number))
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port,
                                                timeout=REQUEST_SECONDS)
        try:
            connection.request('POST', wanted.route, json.dumps(wanted.body))
            if wanted.leaves_after is not None:
                return self.leave(connection, wanted)
            response = connection.getresponse()
            text = response.read().decode()
            if response.status != 200:
                self.count('refused', f'request {number}: status {response.status}: {text[:200]}')
                return None
            if '"error"' in text:
                self.count('failed', f'request {number}: {text[-200:]}')
                return None
            self.count('done')
            return said(text, wanted.body['stream'])
        except OSError as error:
            self.count('failed', f'request {number}: {error!r}')
        finally:
            connection.close()
        return None

    def leave(self, connection, wanted):
        """Reads some events of a stream, or waits for a moment, and hangs up."""
        if wanted.body['stream']:
            response = connection.getresponse()
            if response.status != 200:
                self.count('refused', f'status {response.status}: {response.read()[:200]}')
                return
            events = 0
            while events <= wanted.leaves_after and (line := response.readline()):
                events += line.startswith(b'data: ')
        else:
            time.sleep(0.02 * wanted.leaves_after)
        self.count('cancelled')
        try:
            if connection.sock:
                connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the server has closed it

    def use_segments(self, chance):
        """Puts a document and pins it for a moment, looks at what there is, drops another one."""
        put = self.server.ask('PUT', '/v1/segments', {'text': chance.choice(self.documents),
                                                      'ttl_seconds': chance.choice([0, 1, 5])})
        self.count(f'segments put: {put.status}')
        listed = self.server.get('/v1/segments').json['data']
        if listed and chance.random() < 0.3:
            dropped = self.server.ask('DELETE', f'/v1/segments/{chance.choice(listed)["id"]}')
            self.count(f'segments dropped: {dropped.status}')


def said(text, stream):
    """Texts, log-probabilities and reasons of an answer, without ids, times and usage."""
    if not stream:
        body = json.loads(text)
        return body.get('choices') or [body['content'], body['stop_reason']]
    pieces = collections.defaultdict(str)
    for line in text.splitlines():
        if not line.startswith('data: {'):
            continue
        event = json.loads(line[len('data: '):])
        for choice in event.get('choices', []):
            pieces[choice['index']] += choice.get('text') or choice.get('delta', {}).get(
                'content') or ''
            pieces[f'{choice["index"]} ends'] += choice.get('finish_reason') or ''
        pieces['text'] += event.get('delta', {}).get('text') or ''
    return sorted((str(key), piece) for key, piece in pieces.items())


def serve_options(given):
    """The options given, and those of SERVE_OPTIONS that are not among them."""
    return given + [part for name, value in SERVE_OPTIONS.items() if name not in given
                    for part in (name, value)]


def parse_arguments():
    arguments = sys.argv[1:]
    at = arguments.index('--') if '--' in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('binary', type=pathlib.Path)
    parser.add_argument('--requests', type=int, default=200)
    parser.add_argument('--at-a-time', type=int, default=16)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('-m', '--model', type=pathlib.Path, default=READER)
    options = parser.parse_args(arguments[:at])
    options.serve = arguments[at + 1:]
    return options


def main():
    options = parse_arguments()
    chance = random.Random(options.seed)
    documents = [document(chance) for _ in range(24)]
    plans = [plan(chance, documents) for _ in range(options.requests)]
    with Served(options.model, *serve_options(options.serve),
                binary=options.binary.resolve()) as server:
        client = Client(server, documents)
        with concurrent.futures.ThreadPoolExecutor(options.at_a_time) as pool:
            answers = list(pool.map(client.send, range(len(plans)), plans))
        preemptions = int(server.metric('redknot:num_preemptions_total'))
        code = server.terminate()
        for outcome, count in sorted(client.outcomes.items()):
            print(f'{outcome}: {count}')
        for complaint in client.complaints[:10]:
            print(complaint)
        print(f'preemptions: {preemptions}')
        print(f'digest: {hashlib.sha256(json.dumps(answers).encode()).hexdigest()[:16]}')
        print(f'exit code of the server: {code}')
        if code != 0:
            print(''.join(server.lines))
    return 0 if code == 0 and preemptions > 0 and client.outcomes['failed'] == 0 else 1


if __name__ == '__main__':
    sys.exit(main())
