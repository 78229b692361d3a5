# SPDX-License-Identifier: Apache-2.0
"""redknot inspect, tokenize, bench, and --help of every verb."""

import json
import re
import xml.etree.ElementTree

import harness
from harness import Case, model, redknot, write, write_ids

OPTIONS = {
    'run': ['--help', '--model', '--profile', '--prompt', '--file', '--tokens', '--doc', '--reuse',
            '--recovery', '--ratio', '--canonical', '--no-bos', '--no-parse-special', '--predict',
            '--stop', '--ignore-eos', '--json-schema', '--json-schema-file', '--temp', '--top-k',
            '--top-p', '--min-p', '--seed', '--repeat-penalty', '--repeat-last-n',
            '--frequency-penalty', '--presence-penalty', '--logit-bias', '--echo', '--special',
            '--json', '--logprobs', '--logits', '--no-perf', '--record', '--verbose',
            '--raw', '--system', '--generation-config', '--ctx-size',
            '--threads', '--kv', '--cache-type-k', '--cache-type-v', '--page-tokens',
            '--batch-size', '--kernels', '--activations'],
    'inspect': ['--help', '--model', '--profile', '--ctx-size', '--kv', '--page-tokens',
                '--tensors', '--no-tensors', '--json'],
    'tokenize': ['--help', '--model', '--prompt', '--file', '--stdin', '--decode', '--no-bos',
                 '--no-parse-special', '--special', '--ids', '--show-count'],
    'bench': ['--help', '--model', '--profile', '--n-prompt', '--n-gen', '--n-depth', '--kv',
              '--repetitions', '--threads', '--page-tokens', '--batch-size', '--kernels',
              '--activations', '--json', '--svg'],
    'bench rag': ['--help', '--model', '--profile', '--documents', '--length', '--num-questions',
                  '--per-set', '--new', '--text', '--kinds', '--questions', '--raw', '--code',
                  '--seed', '--arms', '--ratios', '--canonical', '--threads', '--kv',
                  '--page-tokens', '--batch-size', '--kernels', '--activations', '--json',
                  '--samples', '--write-questions', '--svg'],
    'bench serve': ['--help', '--url', '--model', '--insecure', '--api-key', '--model-name',
                    '--endpoint', '--mix', '--num-prompts', '--request-rate', '--duration',
                    '--max-concurrency', '--timeout', '--seed', '--input-len', '--output-len',
                    '--question-len', '--questions', '--order', '--known', '--documents-in',
                    '--documents', '--document-len', '--per-prompt', '--zipf', '--turns',
                    '--think-time', '--trace', '--speed', '--max-input-len', '--temperature',
                    '--ignore-eos', '--reuse', '--recovery', '--ratio', '--slo-ttft-ms',
                    '--slo-itl-ms', '--stall-ms', '--check', '--idle-connections',
                    '--slow-readers', '--json', '--svg', '--beside'],
    'eval': ['--help', '--model', '--profile', '--suite', '--kinds', '--code', '--context',
             '--questions', '--file', '--raw', '--num-questions', '--seed', '--json', '--report',
             '--show', '--parallel', '--threads', '--kv', '--page-tokens', '--batch-size',
             '--kernels', '--activations'],
    'profile': ['--help', '--model', '--output', '--import', '--carry', '--text', '--ctx-size',
                '--sequences', '--seed', '--budget-kld', '--sink', '--window', '--formats',
                '--threads', '--page-tokens', '--batch-size', '--kernels', '--activations'],
    'replay': ['--help', '--model', '--threads', '--kernels', '--print'],
    'capacity': ['--help', '--model', '--profile', '--context', '--kv-memory', '--kv', '--threads',
                 '--page-tokens', '--batch-size', '--kernels', '--activations', '--json'],
}


class Help(Case):
    def test_each_verb_explains_each_option(self):
        for verb, options in OPTIONS.items():
            text = self.run_ok(*verb.split(), '--help').text
            listed = re.findall(r'^  (?:\S+, )*?(--[a-z-]+)', text, re.MULTILINE)
            with self.subTest(verb):
                self.assertEqual(sorted(listed), sorted(options))
                self.assertIn('Usage: redknot ' + verb, text)
                self.assertIn('Examples:', text)
                self.assertIn('Exit codes:', text)
                self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def test_the_verbs_are_listed(self):
        text = self.run_ok('--help').text
        for verb in OPTIONS:
            if ' ' not in verb:
                self.assertRegex(text, rf'(?m)^  {verb} ')

    def test_version(self):
        self.assertRegex(self.run_ok('--version').text, r'^redknot \d+\.\d+\.\d+\n$')


class Inspect(Case):
    def test_json(self):
        done = self.run_ok('inspect', model(), '--json', '-c', '100,4096', '--kv', 'f16,q8',
                           '--page-tokens', 32)
        found = done.json
        config = found['model']
        self.assertEqual(config['architecture'], 'llama')
        self.assertEqual(config['file_bytes'], model().stat().st_size)
        heads = config['layers'] * config['kv_heads']
        self.assertEqual([(kv['format'], kv['context_tokens']) for kv in found['kv']],
                         [('f16', 100), ('f16', 4096), ('q8', 100), ('q8', 4096)])
        for kv in found['kv']:
            self.assertEqual(kv['bytes_per_token'], heads * kv['bytes_per_token_per_head'])
            self.assertGreaterEqual(kv['bytes_at_context'],
                                    kv['bytes_per_token'] * kv['context_tokens'])
            self.assertEqual(kv['total_bytes'], found['weight_bytes'] + kv['bytes_at_context'])
        self.assertEqual(found['kv'][0]['bytes_per_token_per_head'], 4 * config['head_dim'])
        self.assertEqual(sum(1 for t in found['tensors'] if 'attn_q.weight' in t['name']),
                         config['layers'])
        for tensor in found['tensors']:
            self.assertGreater(tensor['bytes'], 0)

    def test_text_has_every_part(self):
        text = self.run_ok('inspect', model()).text
        for part in ('Model', 'Tokenizer', 'KV cache', 'Memory needed', 'Tensors'):
            self.assertRegex(text, rf'(?m)^{part}')
        self.assertIn('blk.{}.attn_q.weight', text)
        self.assertIn('blk.0.attn_q.weight', self.run_ok('inspect', model(), '--tensors').text)
        self.assertNotIn('attn_q', self.run_ok('inspect', model(), '--no-tensors').text)

    def test_zero_is_the_trained_context(self):
        found = self.run_ok('inspect', model(), '--json', '-c', 0).json
        self.assertEqual(found['kv'][0]['context_tokens'], found['model']['context_tokens'])


class Tokenize(Case):
    TEXTS = ['Hello world', ' leading and trailing ', 'tabs\tand\nlines\n\n', 'ünïcödé 日本語 🙂',
             "it's 1234 <tags> & \\x00"]

    def ids(self, text, *arguments):
        return json.loads(self.run_ok('tokenize', '-m', model(), '--ids', '-p', text,
                                      *arguments).stdout)

    def test_round_trip(self):
        for text in self.TEXTS:
            with self.subTest(text):
                ids = self.ids(text, '--no-bos')
                path = write_ids('round.json', ids)
                for argument in (path, json.dumps(ids), ' '.join(map(str, ids))):
                    done = self.run_ok('tokenize', '-m', model(), '--decode', argument)
                    self.assertEqual(done.text, text + '\n')

    def test_text_comes_from_argument_file_or_standard_input(self):
        text = self.TEXTS[2]
        wanted = self.ids(text)
        from_file = self.run_ok('tokenize', '-m', model(), '--ids', '-f', write('t.txt', text))
        from_stdin = self.run_ok('tokenize', '-m', model(), '--ids', '--stdin',
                                 stdin=text.encode())
        self.assertEqual(json.loads(from_file.stdout), wanted)
        self.assertEqual(json.loads(from_stdin.stdout), wanted)

    def test_a_line_for_each_token(self):
        ids = self.ids('Hello\nworld')
        done = self.run_ok('tokenize', '-m', model(), '-p', 'Hello\nworld', '--show-count')
        lines = done.text.splitlines()
        self.assertEqual([int(line.split(' -> ')[0]) for line in lines[:-1]], ids)
        self.assertTrue(all(re.fullmatch(r" *\d+ -> '.*'", line) for line in lines[:-1]))
        self.assertEqual(lines[-1], f'Total number of tokens: {len(ids)}')

    def test_run_sees_the_same_tokens(self):
        text = self.TEXTS[0]
        path = write_ids('same.json', self.ids(text))
        options = ['run', '-m', model(), '--raw', '--temp', 0, '-n', 8, '--json']
        self.assertEqual(self.run_ok(*options, '-p', text).json['tokens'],
                         self.run_ok(*options, '--tokens', path).json['tokens'])

    def test_errors(self):
        self.check_error(redknot('tokenize', '-m', model(), '--decode', '[999999]'), 1, '999999')
        self.check_error(redknot('tokenize', '-m', model(), '--decode', 'absent.json'), 1,
                         'absent.json')


class Bench(Case):
    def test_json_has_a_line_for_each_test(self):
        done = self.run_ok('bench', '-m', model('Q8_0'), '-p', '16,33', '-n', 4, '-d', '0,64',
                           '-r', 3, '-t', 1, '--kv', 'f16,q8', '--json')
        lines = [json.loads(line) for line in done.text.splitlines()]
        tests = {(m['test'], m['tokens'], m['depth'], m['kv']) for m in lines}
        self.assertEqual(tests, {(test, tokens, depth, kv)
                                 for test, tokens in (('prefill', 16), ('prefill', 33),
                                                      ('decode', 4))
                                 for depth in (0, 64) for kv in ('f16', 'q8')})
        self.assertEqual(len(lines), len(tests))
        for m in lines:
            self.assertEqual(m['threads'], 1)
            self.assertEqual(len(m['samples']), 3)
            self.assertEqual(m['tokens_per_second'], sorted(m['samples'])[1])
            self.assertGreater(min(m['samples']), 0)
            self.assertGreater(m['limit_share'], 0)

    def test_speed_can_be_drawn(self):
        drawn = harness.scratch / 'speed.svg'
        self.run_ok('bench', '-m', model(), '-p', 16, '-n', 4, '-d', '0,64', '-r', 1, '--kv',
                    'f16,q8', '--svg', drawn)
        picture = xml.etree.ElementTree.fromstring(drawn.read_text())
        words = [each.text for each in picture.iter() if each.text and each.text.strip()]
        self.assertIn('Prefill of 16 tokens, tokens per second', words)
        self.assertIn('Decode of 4 tokens, tokens per second', words)
        for word in ('64', 'f16 KV', 'q8 KV'):
            self.assertEqual(words.count(word), 2, word)

    def test_table(self):
        done = self.run_ok('bench', '-m', model(), '-p', 16, '-n', 0, '-r', 1)
        self.assertRegex(done.text, r'(?m)^prefill +16 +0 +f16 ')
        self.assertNotRegex(done.text, r'(?m)^decode')


if __name__ == '__main__':
    harness.main()
