#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what two builds of redknot compute, bit for bit.

Usage: tests/compare_binaries.py BEFORE AFTER [--quick] [--golden FOLDER] [--only REGEX]
                                [--answers-only]

BEFORE and AFTER are redknot binaries. Both are given the same work, side by side:
  golden   logits and greedy tokens of the models in ../shared/golden, where that folder is there
  eval     answers to all twelve kinds of questions, without a profile and with the model's own
  rag      what reuse costs and what its answers are worth, by policy
  serve    the same kinds of questions over HTTP: answers and their log-probabilities with each way
           of reuse and each recovery policy, without a profile and with the model's own; and
           sampled answers to many at a time in little memory
  run      generations, greedy and sampled, by KV format, page size and number of threads
Times and random names are left out; all else must be equal, with --answers-only but for usage (how
many tokens were computed, reused and recovered). One line is printed for each
comparison: "equal", "DIFFERS" with the first difference, or "FAILED" with what a binary said. The
exit code is 0 if all are equal, else 1.

The questions come from the tool `corpus` that is built beside the binaries (--corpus).
"""

import argparse
import concurrent.futures
import gzip
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests' / 'e2e'))
from served import Served  # noqa: E402

READER = ROOT / 'models' / 'redknot-reader.gguf'
PROFILE = ROOT / 'models' / 'redknot-reader.profile.json'
KINDS = ['one_hop', 'two_hop', 'comparison', 'counting', 'alias', 'continuation', 'correction',
         'quote', 'not_stated', 'chat', 'key_value', 'passkey']
POLICIES = ['none', 'boundary', 'deviation', 'elastic', 'knot']
SEED = 7
LIMIT_SECONDS = 1800
# Fields that hold a time or a random name.
IGNORED = re.compile(r'.*(_s|_ms|seconds|per_second)|id|created')


class Failure(Exception):
    """A binary did not do its work."""


class Side:
    """One of the two binaries, with a folder for what it writes."""

    def __init__(self, name, binary, folder):
        self.name = name
        self.binary = pathlib.Path(binary).resolve()
        self.folder = folder / name
        self.folder.mkdir()

    def run(self, *arguments):
        """Standard output and standard error of a run that ends well."""
        done = subprocess.run([self.binary, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=LIMIT_SECONDS, check=False)
        errors = done.stderr.decode(errors='replace')
        if done.returncode != 0:
            raise Failure(f'{self.name}: redknot {arguments[0]}: exit code {done.returncode}: '
                          f'{errors.strip()[-300:]}')
        return done.stdout.decode(errors='replace'), errors

    def answer(self, *arguments):
        """What `redknot run` answers, with log-probabilities."""
        return json.loads(self.run('run', *arguments, '--json', '--logprobs', 3)[0])

    def generate(self, *arguments):
        """The same, and the logits of all positions."""
        logits = self.folder / 'logits.npy'
        return {'answer': self.answer(*arguments, '--logits', logits),
                'logits': logits.read_bytes()}

    def logits(self, *arguments):
        logits = self.folder / 'logits.npy'
        self.run('run', *arguments, '-n', 0, '--logits', logits)
        return logits.read_bytes()

    def report(self, *arguments):
        """What a verb writes to its --json FILE."""
        report = self.folder / 'report.json'
        _, errors = self.run(*arguments, '--json', report)
        answers = [line for line in errors.splitlines() if ': expected "' in line]
        return {'report': json.loads(report.read_text()), 'answers': answers}


def first_difference(before, after, ignored=IGNORED, path=''):
    """Where two values differ first and how, or None."""
    if type(before) is not type(after):
        return f'{path}: {brief(before)} and {brief(after)}'
    if isinstance(before, dict):
        # Usage comes last: what was counted matters less than what was answered.
        for key in sorted(before.keys() | after.keys(), key=lambda key: (key == 'usage', key)):
            if ignored.fullmatch(key):
                continue
            if key not in before or key not in after:
                return f'{path}.{key}: only {"after" if key in after else "before"}'
            if found := first_difference(before[key], after[key], ignored, f'{path}.{key}'):
                return found
        return None
    if isinstance(before, list):
        for i, (one, other) in enumerate(zip(before, after)):
            if found := first_difference(one, other, ignored, f'{path}[{i}]'):
                return found
        if len(before) != len(after):
            return f'{path}: {len(before)} entries and {len(after)}'
        return None
    if isinstance(before, bytes) and before != after:
        at = next((i for i, (x, y) in enumerate(zip(before, after)) if x != y),
                  min(len(before), len(after)))
        return (f'{path}: byte {at} of {len(before)}: {before[at:at + 4].hex()}'
                f' and of {len(after)}: {after[at:at + 4].hex()}')
    return None if before == after else f'{path}: {brief(before)} and {brief(after)}'


def brief(value):
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + '...'


class Settings:
    """What is the same for both sides: the inputs, and how much is asked."""

    def __init__(self, options, folder):
        self.quick = options.quick
        self.golden = options.golden
        self.folder = folder
        self.corpus = options.corpus or next(
            (tool for tool in (pathlib.Path(binary).resolve().with_name('corpus')
                               for binary in (options.after, options.before)) if tool.exists()),
            None)
        self.questions_of_a_kind = 1 if options.quick else 50
        self.samples = {}

    def questions(self, kind, count):
        """Samples of the corpus whose last turn asks that kind of question."""
        if self.corpus is None:
            raise Failure('there is no tool `corpus` beside the binaries; give --corpus')
        if (kind, count) not in self.samples:
            done = subprocess.run(
                [self.corpus, '--split', 'test', '--mix', f'{kind}=1', '--seed', str(SEED), '-n',
                 str(count)], capture_output=True, timeout=60, check=True)
            self.samples[kind, count] = [json.loads(line) for line in done.stdout.splitlines()]
        return self.samples[kind, count]

    def document_files(self):
        """The documents of one question as files, and the question."""
        sample = self.questions('two_hop', 1)[0]
        files = []
        for i, text in enumerate(sample['documents']):
            path = self.folder / f'document{i}.txt'
            path.write_text(text)
            files += ['--doc', path]
        return files, sample['turns'][-1]['question']


# Golden models.

def golden_models(settings):
    """(name, model file, prompts by name) of every model; packed ones are unpacked."""
    for path in sorted(settings.golden.glob('models/*/golden.json')):
        golden = json.loads(path.read_text())
        for dtype in golden['dtypes']:
            if settings.quick and (dtype != 'F32' and path.parent.name != 'qwen3'):
                continue
            model = settings.folder / f'{path.parent.name}.{dtype}.gguf'
            if not model.exists():
                with gzip.open(path.parent / f'model.{dtype}.gguf.gz') as packed, \
                        open(model, 'wb') as plain:
                    shutil.copyfileobj(packed, plain)
            yield f'{path.parent.name} {dtype}', model, golden['prompts']
    stories = settings.golden / 'stories260K'
    prompts = json.loads((stories / 'golden.json').read_text())['prompts']
    prompts = {name: prompt['ids'] for name, prompt in prompts.items()}
    yield 'stories260K file', stories / 'stories260K.gguf', prompts
    yield 'stories260K folder', settings.golden / 'stories260K-hf', prompts


def golden_comparisons(settings):
    def look(side, model, prompts):
        out = {}
        for name, ids in prompts.items():
            if settings.quick and len(ids) > 100:
                continue
            tokens = side.folder / 'tokens.json'
            tokens.write_text(json.dumps(ids))
            fixed = ['-m', model, '--tokens', tokens, '-c', 0, '-t', 1]
            for kv in ('auto', 'q8'):
                out[f'{name} {kv}'] = side.logits(*fixed, '--kv', kv)
            count = 16 if settings.quick else 64
            if len(ids) < 400:
                out[f'{name} greedy'] = side.generate(*fixed, '-n', count, '--temp', 0, '--seed',
                                                      SEED, '--ignore-eos')
        return out

    if not settings.golden.is_dir():
        print(f'skipped  golden: {settings.golden} is absent', flush=True)
        return
    for name, model, prompts in golden_models(settings):
        yield f'golden {name}', lambda side, m=model, p=prompts: look(side, m, p)


# Verbs that ask the corpus.

def eval_comparisons(settings):
    count = settings.questions_of_a_kind
    fixed = ['eval', '-m', READER, '--context', 512, '-s', SEED, '-t', 1]
    yield 'eval', lambda side: side.report(*fixed, '-n', count, '--show', count)
    # Each question is asked of four arms.
    few = max(1, count // 5)
    kinds = ['--kinds', ','.join(KINDS[:3])] if settings.quick else []
    yield 'eval --profile', lambda side: side.report(
        *fixed, '-n', few, '--show', few, '--profile', PROFILE, *kinds)


def rag_comparisons(settings):
    fixed = ['bench', 'rag', '-m', READER, '--seed', SEED, '--documents', 4, '-t', 1,
             '--ratios', '0.1']
    kinds = [kind for kind in KINDS if kind != 'chat'][:2 if settings.quick else None]
    fixed += ['--kinds', ','.join(kinds), '--length', 64 if settings.quick else 128,
              '-n', 1 if settings.quick else 3]
    # Under a profile, bench rag writes what it found into the profile's file.
    def with_profile(side):
        profile = side.folder / PROFILE.name
        shutil.copy(PROFILE, profile)
        return side.report(*fixed, '--profile', profile)

    yield 'rag', lambda side: side.report(*fixed)
    yield 'rag --canonical bare --page-tokens 64', lambda side: side.report(
        *fixed, '--canonical', 'bare', '--page-tokens', 64)
    if not settings.quick:
        yield 'rag --profile', with_profile


# The server.

def chat_request(sample, **fields):
    """The body that asks the last turn of a sample, with the turns before it as they went."""
    messages = [{'role': 'system', 'content': sample['system']}]
    for turn in sample['turns']:
        messages += [{'role': 'user', 'content': turn['question']},
                     {'role': 'assistant', 'content': turn['answer']}]
    return {'messages': messages[:-1], 'documents': sample['documents'], 'temperature': 0,
            'max_tokens': 96, 'logprobs': True, 'top_logprobs': 2, **fields}


def ways_to_ask(sample):
    """(name, body) for each kind of reuse; those that reuse come after what they can reuse."""
    for reuse in ('none', 'prefix'):
        yield reuse, chat_request(sample, redknot={'reuse': reuse})
    for policy in POLICIES:
        yield f'segment {policy}', chat_request(
            sample, redknot={'reuse': 'segment', 'recovery': policy})
    turned = {**sample, 'documents': sample['documents'][1:] + sample['documents'][:1]}
    yield 'segment knot 0.1, turned', chat_request(
        turned, redknot={'reuse': 'segment', 'recovery': 'knot', 'ratio': 0.1})
    yield 'segment knot, bare', chat_request(
        sample, redknot={'reuse': 'segment', 'canonical_context': 'bare'})


def ask(server, body):
    reply = server.post('/v1/chat/completions', body)
    if reply.status != 200:
        raise Failure(f'status {reply.status}: {reply.body.decode(errors="replace")[:300]}')
    return reply.json


def serve_comparisons(settings):
    def one_by_one(side, kind, options):
        with Served(READER, '-c', 4096, '-t', 1, '--access-log', 'off', *options,
                    binary=side.binary) as server:
            return [{name: ask(server, body) for name, body in ways_to_ask(sample)}
                    for sample in settings.questions(kind, settings.questions_of_a_kind)]

    for options in ([], ['--profile', PROFILE]):
        name = 'serve' + (' --profile' if options else '')
        for kind in KINDS[::4 if settings.quick else 1]:
            yield f'{name} {kind}', lambda side, k=kind, o=options: one_by_one(side, k, o)
        yield f'{name} many at a time', lambda side, o=options: many(settings, side, o)


def many(settings, side, options):
    """Sampled answers to questions that run together and give way to each other.

    What was counted is left out: it depends on who came first.
    """
    chance = random.Random(SEED)
    bodies = []
    for kind in KINDS:
        for sample in settings.questions(kind, 1 if settings.quick else 8):
            way = chance.choice(list(ways_to_ask(sample)))[1]
            bodies.append({**way, 'seed': len(bodies), 'n': chance.randrange(1, 4),
                           'temperature': chance.choice([0, 0.7, 1]), 'max_tokens': 32,
                           'priority': chance.randrange(3), 'ignore_eos': True,
                           'presence_penalty': chance.choice([0, 0.5])})
    with Served(READER, '-c', 2048, '--kv-memory', '32M', '--kv', 'f16', '--page-tokens', 16,
                '-t', 1, '--access-log', 'off', *options, binary=side.binary) as server, \
            concurrent.futures.ThreadPoolExecutor(16) as clients:
        return [reply['choices'] for reply in clients.map(lambda body: ask(server, body), bodies)]


# Generations.

def run_comparisons(settings):
    prompt = ['-m', READER, '-f', ROOT / 'examples' / 'question.txt', '--ignore-eos']
    samplings = {'greedy': ['--temp', 0, '--seed', 10], 'sampled': ['--temp', 1, '--seed', 11],
                 'seed 12': ['--temp', 0.8, '--seed', 12, '--repeat-penalty', 1.2]}

    def grid(side, kv, page_tokens):
        return {f'{threads} threads, {name}': side.generate(
            *prompt, *sampling, '-n', 100, '--kv', kv, '--page-tokens', page_tokens, '-t', threads)
            for threads in ((1, 2) if settings.quick else (1, 2, 3))
            for name, sampling in samplings.items()}

    def each(side, arguments_by_name):
        return {name: side.generate(*arguments) for name, arguments in arguments_by_name.items()}

    ratios = (0.05,) if settings.quick else (0.05, 0.4)

    def reused(side, canonical):
        return {f'{policy} {ratio}, {profile}': side.answer(
            *asked, '--reuse', 'segment', '--canonical', canonical, '--recovery', policy,
            '--ratio', ratio, '--profile', profile)
            for policy in POLICIES for ratio in ratios for profile in ('none', PROFILE)}

    for kv in ('f16', 'q8', 'f32'):
        for page_tokens in ((16, 64) if settings.quick else (16, 32, 64, 128)):
            yield f'run --kv {kv} --page-tokens {page_tokens}', \
                lambda side, k=kv, p=page_tokens: grid(side, k, p)
    sampled = [*prompt, '-n', 40, '--seed', 5, '-t', 1]
    yield 'run, ways to sample', lambda side: each(side, {
        'top-k': [*sampled, '--top-k', 3], 'top-p': [*sampled, '--top-p', 0.5, '--min-p', 0],
        'penalties': [*sampled, '--frequency-penalty', 0.5, '--presence-penalty', 0.5],
        'bias': [*sampled, '--logit-bias', '260-inf', '--logit-bias', '393+2'],
        'schema': [*sampled, '--json-schema', '{"type": "object", "properties": {"name": '
                   '{"type": "string", "maxLength": 12}}, "required": ["name"]}'],
        'stop': [*sampled, '--stop', 'the']})
    yield 'run, ways to compute', lambda side: each(side, {
        f'{name}, {kv}': [*sampled, *arguments, '--kv', kv]
        for kv in ('f16', 'q8') for name, arguments in {
            'batch of 1': ['-b', 1], 'batch of 48': ['-b', 48], 'avx2': ['--kernels', 'avx2'],
            'profile': ['--profile', PROFILE]}.items()})
    if not settings.quick:
        yield 'run --kernels reference', lambda side: side.generate(*sampled, '--kernels',
                                                                    'reference')
    files, question = settings.document_files()
    asked = ['-m', READER, *files, '-p', question, '-t', 1, '--temp', 0, '-n', 24, '--seed', SEED,
             '--ignore-eos']
    for canonical in ('prefix', 'bare'):
        yield f'run --reuse segment --canonical {canonical}', \
            lambda side, c=canonical: reused(side, c)


def outcome(sides, look, ignored):
    """(verdict, what there is to say) of one comparison."""
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            before, after = pool.map(look, sides)
    except Failure as failure:
        return 'FAILED', str(failure)
    except Exception as error:  # what a binary wrote cannot be read, or it does not answer
        return 'FAILED', f'{error!r} at {traceback.extract_tb(error.__traceback__)[-1].line}'
    found = first_difference(before, after, ignored)
    return ('DIFFERS', found) if found else ('equal', '')


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('before')
    parser.add_argument('after')
    parser.add_argument('--quick', action='store_true', help='a subset of about 20 seconds')
    parser.add_argument('--golden', type=pathlib.Path, default=ROOT.parent / 'shared' / 'golden')
    parser.add_argument('--only', default='', help='comparisons whose name has this')
    parser.add_argument('--answers-only', action='store_true', help='leave usage out')
    parser.add_argument('--corpus', type=pathlib.Path, help='the tool that writes questions')
    return parser.parse_args()


def main():
    options = parse_arguments()
    # What it took depends on what the cache had, in reports of reuse too.
    usage = '|usage|flops|hit_rate|kv_.*|.*_tokens'
    ignored = re.compile(IGNORED.pattern + usage) if options.answers_only else IGNORED
    with tempfile.TemporaryDirectory(prefix='redknot-compare-') as scratch:
        folder = pathlib.Path(scratch)
        settings = Settings(options, folder)
        sides = [Side('before', options.before, folder), Side('after', options.after, folder)]
        counts = {'equal': 0, 'DIFFERS': 0, 'FAILED': 0}
        for family in (run_comparisons, golden_comparisons, rag_comparisons, eval_comparisons,
                       serve_comparisons):
            for name, look in family(settings):
                if not re.search(options.only, name):
                    continue
                verdict, words = outcome(sides, look, ignored)
                counts[verdict] += 1
                print(f'{verdict:8} {name}' + (f': {words}' if words else ''), flush=True)
    print(', '.join(f'{count} {verdict}' for verdict, count in counts.items()))
    return 0 if counts['equal'] == sum(counts.values()) > 0 else 1


if __name__ == '__main__':
    sys.exit(main())
