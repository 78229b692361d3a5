# SPDX-License-Identifier: Apache-2.0
"""redknot run: streaming, options, logits, Ctrl-C."""

import json
import math
import signal

import harness
from harness import (Case, argmax, end, model, read_npy, redknot, row, scratch, start, write,
                     write_ids)

PROMPT = 'Once upon a time there was a tiny model'
IDS = [5, 17, 3, 99, 42, 7, 7, 100]


class RunCase(Case):
    def json(self, *arguments):
        return self.run_ok('run', '-m', model(), '--json', *arguments).json

    def greedy(self, *arguments):
        return self.json('-p', PROMPT, '--temp', 0, *arguments)


class Sampling(RunCase):
    """What is not said on the command line comes from the model's files."""

    ASKED = ['-p', PROMPT, '-n', 24, '--ignore-eos', '--seed', 3, '--json']

    def answer(self, model_file, *arguments):
        done = self.run_ok('run', '-m', model_file, *self.ASKED, *arguments)
        return done.json['tokens'], done.stderr

    def test_files_decide_what_is_not_said(self):
        greedy = harness.with_metadata(model(), 'greedy.gguf', {'general.sampling.temp': 0.0})
        wanted, _ = self.answer(model(), '--temp', 0)
        found, words = self.answer(greedy)
        self.assertEqual(found, wanted)
        self.assertIn("sampling, from the model's files: temperature 0\n", words)
        hot = ['--top-k', 0, '--min-p', 0, '--top-p', 1]
        said, _ = self.answer(greedy, *hot, '--temperature', 1.5)
        self.assertEqual(said, self.answer(model(), *hot, '--temp', 1.5)[0])
        self.assertNotEqual(said, wanted)
        unasked, words = self.answer(greedy, '--generation-config', 'none')
        self.assertEqual(unasked, self.answer(model())[0])
        self.assertNotIn('from the model', words)

    def test_nonsense_in_files_is_refused_by_name(self):
        wrong = harness.with_metadata(model(), 'wrong.gguf', {'general.sampling.top_p': 3.5})
        self.check_error(redknot('run', '-m', wrong, '-p', 'x'), 1,
                         r'general\.sampling\.top_p is 3\.5', '--generation-config none')
        self.check_error(redknot('serve', '-m', wrong, '--port', 0), 1, 'general.sampling.top_p')
        self.run_ok('run', '-m', wrong, '-p', 'x', '-n', 1, '--generation-config', 'none')


class Template(RunCase):
    def test_a_prompt_is_a_message_unless_it_is_raw(self):
        raw = self.greedy('--raw', '-n', 4)['usage']['prompt_tokens']
        message = self.greedy('-n', 4)['usage']['prompt_tokens']
        told = self.greedy('-n', 4, '--system', 'Be brief.')['usage']['prompt_tokens']
        self.assertLess(raw, message)
        self.assertLess(message, told)
        shown = self.run_ok('run', '-m', model(), '-p', PROMPT, '-n', 1, '--echo').text
        self.assertIn(PROMPT, shown)
        self.assertFalse(shown.startswith(PROMPT))

    def test_text_of_special_tokens_is_text(self):
        done = self.run_ok('run', '-m', model(), '-p', '<|im_end|>', '-n', 1)
        self.assertIn('--raw', done.stderr)
        self.assertNotIn('--raw', self.run_ok('run', '-m', model(), '-p', 'x', '-n', 1).stderr)

    def test_an_answer_to_raw_text_has_a_limit(self):
        answer = self.json('--raw', '-p', PROMPT, '--ignore-eos', '--temp', 0)
        self.assertEqual(len(answer['tokens']), 128)
        answer = self.json('-p', PROMPT, '--ignore-eos', '--temp', 0, '-c', 256)
        self.assertEqual(answer['usage']['prompt_tokens'] + len(answer['tokens']), 256)


class Run(RunCase):
    def test_prints_the_text_and_only_that(self):
        done = self.run_ok('run', '-m', model(), '-p', PROMPT, '-n', 20, '--temp', 0)
        self.assertEqual(done.text.rstrip('\n'), self.greedy('-n', 20)['text'].rstrip('\n'))
        self.assertRegex(done.stderr, r'prompt \d+ tokens, .*answer \d+ tokens')

    def test_no_perf_prints_nothing_on_standard_error(self):
        done = self.run_ok('run', '-m', model(), '-p', PROMPT, '-n', 4, '--temp', 0, '--no-perf')
        self.assertEqual(done.stderr, '')

    def test_streams(self):
        process = start('run', '-m', model(), '-p', PROMPT, '-n', 3000, '--ignore-eos', '--seed', 1)
        first = harness.read_some(process.stdout.fileno())
        still_running = process.poll() is None
        done = end(process)
        self.assertTrue(first)
        self.assertTrue(still_running)
        self.assertTrue(done.stdout)
        self.assertEqual(done.code, 0, done.stderr)

    def test_json_says_what_happened(self):
        answer = self.greedy('-n', 12, '--ignore-eos')
        self.assertEqual(answer['finish_reason'], 'length')
        self.assertEqual(len(answer['tokens']), 12)
        self.assertEqual(answer['usage']['generated_tokens'], 12)
        self.assertGreater(answer['usage']['prompt_tokens'], 0)

    def test_greedy_does_not_depend_on_threads_steps_or_seed(self):
        wanted = self.greedy('-n', 24)['tokens']
        for extra in (['-t', 1], ['-t', 2], ['-b', 1], ['-b', 7], ['--seed', 9], ['--top-k', 1]):
            with self.subTest(extra):
                self.assertEqual(self.greedy('-n', 24, *extra)['tokens'], wanted)

    def test_a_seed_decides_the_answer(self):
        one, again, other = (self.json('-p', PROMPT, '-n', 32, '--seed', seed, '--ignore-eos',
                                       '--temp', 1.5, '--top-k', 0)['tokens']
                             for seed in (1, 1, 2))
        self.assertEqual(one, again)
        self.assertNotEqual(one, other)

    def test_a_random_seed_is_printed_and_repeats_the_answer(self):
        options = ['-p', PROMPT, '-n', 16, '--temp', 1.5]
        first = self.run_ok('run', '-m', model(), '--json', *options)
        seed = first.json['seed']
        self.assertIn(f'seed {seed}', first.stderr)
        self.assertEqual(self.json(*options, '--seed', seed)['tokens'], first.json['tokens'])

    def test_prompt_comes_from_argument_file_or_standard_input(self):
        wanted = self.greedy('-n', 8)['tokens']
        file = write('prompt.txt', PROMPT + '\n')
        self.assertEqual(self.json('-f', file, '--temp', 0, '-n', 8)['tokens'], wanted)
        done = self.run_ok('run', '-m', model(), '--json', '-f', '-', '--temp', 0, '-n', 8,
                           stdin=PROMPT.encode())
        self.assertEqual(done.json['tokens'], wanted)

    def test_echo_prints_the_prompt_first(self):
        done = self.run_ok('run', '-m', model(), '-p', PROMPT, '-n', 4, '--temp', 0, '--echo',
                           '--raw')
        self.assertTrue(done.text.startswith(PROMPT))

    def test_no_tokens_asked_for_gives_none(self):
        done = self.run_ok('run', '-m', model(), '-p', PROMPT, '-n', 0)
        self.assertEqual(done.text, '')

    def test_minus_one_fills_the_context(self):
        answer = self.json('--tokens', write_ids('ids.json', IDS), '-n', -1, '-c', 64,
                           '--ignore-eos', '--temp', 0)
        self.assertEqual(answer['finish_reason'], 'length')
        self.assertIn(len(IDS) + len(answer['tokens']), (64, 65))

    def test_verbose_describes_the_engine(self):
        done = self.run_ok('run', '-m', model(), '-p', PROMPT, '-n', 1, '--verbose',
                           '--kernels', 'reference')
        self.assertRegex(done.stderr, r'reference kernels, activations exact, \d+ threads')


class Choice(RunCase):
    """Options that change which token comes."""

    def test_stop_string_ends_the_text_before_it(self):
        text = self.greedy('-n', 60, '--ignore-eos')['text']
        middle = len(text) // 2
        stop = text[middle:middle + 3]
        answer = self.greedy('-n', 60, '--ignore-eos', '--stop', 'never said', '--stop', stop)
        self.assertEqual(answer['text'], text[:text.index(stop)])
        self.assertEqual(answer['finish_reason'], 'stop')

    def test_logit_bias_forbids_and_forces(self):
        first = self.greedy('-n', 1, '--ignore-eos')['tokens'][0]
        other = self.greedy('-n', 1, '--ignore-eos', '--logit-bias', f'{first}-inf')['tokens'][0]
        self.assertNotEqual(other, first)
        forced = self.greedy('-n', 5, '--ignore-eos', '--logit-bias', '40+1000')['tokens']
        self.assertEqual(forced, [40] * 5)

    def test_penalties_end_a_repetition(self):
        force = ['-n', 3, '--ignore-eos', '--logit-bias', '40+1000']
        for penalty in ('--presence-penalty', '--frequency-penalty'):
            tokens = self.greedy(*force, penalty, 2000)['tokens']
            self.assertEqual(tokens.count(40), 1, tokens)
        self.assertEqual(self.greedy(*force, '--presence-penalty', 2000, '--repeat-last-n',
                                     0)['tokens'], [40] * 3)

    def test_log_probabilities(self):
        answer = self.greedy('-n', 6, '--ignore-eos', '--logprobs', 4)
        self.assertEqual(len(answer['logprobs']), 6)
        for token, entry in zip(answer['tokens'], answer['logprobs']):
            values = [other['logprob'] for other in entry['top']]
            self.assertEqual(entry['token'], token)
            self.assertEqual(entry['top'][0]['token'], token)
            self.assertEqual(len(values), 4)
            self.assertEqual(values, sorted(values, reverse=True))
            self.assertLessEqual(sum(map(math.exp, values)), 1.0001)


class JsonSchema(RunCase):
    """What the answer has to be. The model is random, so that nothing else makes it JSON."""
    SCHEMA = {'type': 'object', 'required': ['name', 'age'], 'properties': {
        'name': {'type': 'string', 'maxLength': 8},
        'age': {'type': 'integer', 'minimum': 3, 'maximum': 1200},
        'kind': {'enum': ['cat', 'dog']}}}

    def check(self, answer):
        self.assertEqual(answer['finish_reason'], 'stop')
        value = json.loads(answer['text'])
        self.assertLessEqual(len(value['name']), 8)
        self.assertTrue(3 <= value['age'] <= 1200)
        self.assertIn(value.get('kind', 'cat'), ('cat', 'dog'))
        self.assertLessEqual(set(value), {'name', 'age', 'kind'})

    def test_answers_meet_it_whatever_the_seed(self):
        file = write('schema.json', json.dumps(self.SCHEMA))
        for seed in range(4):
            with self.subTest(seed):
                options = ['-p', PROMPT, '-n', 300, '--temp', 1.5, '--top-k', 0, '--seed', seed]
                answer = self.json(*options, '-j', json.dumps(self.SCHEMA))
                self.check(answer)
                again = self.json(*options, '--json-schema-file', file)
                self.assertEqual(again['tokens'], answer['tokens'])

    def test_a_schema_that_is_refused_is_named(self):
        schema = '{"properties": {"age": {"type": "whole"}}}'
        done = redknot('run', '-m', model(), '-p', PROMPT, '-j', schema)
        self.check_error(done, 1, 'properties.age.type', '"whole"')
        done = redknot('run', '-m', model(), '-p', PROMPT, '--json-schema-file', 'missing.json')
        self.check_error(done, 1, 'missing.json')


class Logits(RunCase):
    def logits(self, *arguments):
        path = scratch / 'logits.npy'
        answer = self.json('--tokens', write_ids('ids.json', IDS), '--logits', path, '--temp', 0,
                           '--ignore-eos', *arguments)
        return answer, read_npy(path)

    def vocabulary_size(self):
        done = self.run_ok('inspect', model(), '--json', '--no-tensors')
        return done.json['tokenizer']['vocabulary_size']

    def test_prompt_alone(self):
        answer, matrix = self.logits('-n', 0)
        self.assertEqual(answer['tokens'], [])
        self.assertEqual(answer['usage']['prompt_tokens'], len(IDS))
        self.assertEqual(matrix[:2], (len(IDS), self.vocabulary_size()))

    def test_every_position_fed_has_a_row_and_greedy_follows_them(self):
        answer, matrix = self.logits('-n', 6)
        self.assertEqual(matrix[:2], (len(IDS) + 5, self.vocabulary_size()))
        wanted = [argmax(row(matrix, len(IDS) - 1 + i)) for i in range(6)]
        self.assertEqual(answer['tokens'], wanted)

    def test_steps_make_no_difference_to_a_bit(self):
        _, whole = self.logits('-n', 3)
        for extra in (['-b', 1], ['-b', 3], ['-t', 1]):
            with self.subTest(extra):
                self.assertEqual(self.logits('-n', 3, *extra)[1], whole)

    def test_formats_of_the_kv_cache_and_what_llama_cpp_calls_them(self):
        found = {kv: self.logits('-n', 0, '--kv', kv)[1] for kv in ('f32', 'f16', 'q8', 'k8v4')}
        self.assertEqual(len({matrix[2].tobytes() for matrix in found.values()}), 4)
        for keys, values, kv in [('f16', 'f16', 'f16'), ('q8_0', 'q8_0', 'q8'),
                                 ('q8_0', 'q4_0', 'k8v4'), ('f32', 'f32', 'f32')]:
            with self.subTest(kv):
                self.assertEqual(self.logits('-n', 0, '--cache-type-k', keys,
                                             '--cache-type-v', values)[1], found[kv])

    def test_tokens_may_be_wrapped_in_an_object(self):
        plain = self.logits('-n', 2)[0]['tokens']
        file = write('wrapped.json', json.dumps({'tokens': IDS}))
        answer = self.json('--tokens', file, '-n', 2, '--temp', 0, '--ignore-eos')
        self.assertEqual(answer['tokens'], plain)

    def test_a_shorter_result_replaces_a_longer_one(self):
        self.logits('-n', 6)
        self.assertEqual(self.logits('-n', 0)[1][0], len(IDS))


class Interrupt(Case):
    ENDLESS = ['-p', PROMPT, '-n', -1, '-c', 4096, '--ignore-eos', '--seed', 1]

    def test_ctrl_c_keeps_the_text_and_says_130(self):
        process = start('run', '-m', model(), *self.ENDLESS)
        first = harness.read_some(process.stdout.fileno())
        process.send_signal(signal.SIGINT)
        done = end(process)
        self.check_error(done, 130, 'interrupted')
        self.assertTrue((first + done.stdout).endswith(b'\n'))

    def test_ctrl_c_completes_json_and_logits(self):
        path = scratch / 'interrupted.npy'
        process = start('run', '-m', model(), *self.ENDLESS, '--json', '--logits', path)
        self.assertTrue(harness.becomes_true(
            lambda: path.exists() and path.stat().st_size > 0, pause_seconds=0.001))
        process.send_signal(signal.SIGINT)
        done = end(process)
        self.check_error(done, 130, 'interrupted')
        self.assertEqual(done.json['finish_reason'], 'cancelled')
        self.assertGreater(read_npy(path)[0], 0)


class Documents(Case):
    def test_wrong_combinations(self):
        document = write('doc.txt', 'A knot holds.')
        for options, needle in [(['--reuse', 'segment'], '--doc'),
                                (['--doc', document, '--reuse', 'all'], '--reuse'),
                                (['--doc', document, '--recovery', 'knot'], '--reuse'),
                                (['--doc', document, '--reuse', 'prefix', '--ratio', 0.1],
                                 '--reuse segment'),
                                (['--doc', document, '--reuse', 'segment', '--recovery', 'some'],
                                 '--recovery'),
                                (['--doc', document, '--reuse', 'segment', '--ratio', 1.5],
                                 '--ratio'),
                                (['--doc', document, '--reuse', 'segment', '--logits', 'l.npy'],
                                 '--logits')]:
            self.check_error(redknot('run', '-m', model(), '-p', 'a', *options), 2, needle)
        self.check_error(redknot('run', '-m', model(), '-p', 'a', '--doc', scratch / 'none.txt'), 1,
                         'none.txt')


if __name__ == '__main__':
    harness.main()
