# SPDX-License-Identifier: Apache-2.0
"""The model of models/: its logits are PyTorch's, and its answers are right."""

import json

import harness
from harness import ROOT, Case, read_npy, row, scratch, write

MODEL = ROOT / 'models' / 'redknot-reader.gguf'
PROFILE = ROOT / 'models' / 'redknot-reader.profile.json'
GOLDEN = ROOT / 'tests' / 'golden'


class DefaultModel(Case):
    def test_logits_agree_with_pytorch(self):
        output = scratch / 'reader.npy'
        self.run_ok('run', '-m', MODEL, '--tokens', GOLDEN / 'reader_tokens.json', '-n', 0,
                    '--logits', output)
        found, wanted = read_npy(output), read_npy(GOLDEN / 'reader_logits.npy')
        for i in range(wanted[0]):
            pairs = zip(row(wanted, i), row(found, found[0] - wanted[0] + i))
            self.assertLessEqual(max(abs(a - b) for a, b in pairs), 2e-3)

    def test_answers_the_question_of_the_example(self):
        prompt = ROOT / 'examples' / 'question.txt'
        done = self.run_ok('run', '-m', MODEL, '--raw', '-f', prompt, '--temp', 0)
        self.assertEqual(done.text.strip(), 'Lorvik')

    def test_answers_a_question_about_documents_given_as_files(self):
        text = (ROOT / 'examples' / 'question.txt').read_text()
        documents, question = text.split('<|user|> ')
        question = question.split('<|assistant|>')[0]
        files = [write(f'document{i}.txt', document)
                 for i, document in enumerate(documents.split('<|document|> ')[1:])]
        arguments = ['run', '-m', MODEL, '-p', question, '--temp', 0, '--json']
        for file in files:
            arguments += ['--doc', file]
        whole = self.run_ok('run', '-m', MODEL, '--raw', '-f',
                            ROOT / 'examples' / 'question.txt', '--temp', 0, '--json').json
        dense = self.run_ok(*arguments).json
        self.assertEqual(dense['text'], whole['text'])
        self.assertEqual(dense['usage']['prompt_tokens'], whole['usage']['prompt_tokens'])
        for order in (arguments, arguments[:-6] + arguments[-2:] + arguments[-6:-2]):
            shared = self.run_ok(*order, '--reuse', 'segment').json
            self.assertEqual(shared['text'].strip(), 'Lorvik')
            self.assertGreater(shared['usage']['adopted_tokens'], 100)
            self.assertGreater(shared['usage']['recovered_tokens'], 0)

    def test_reuse_is_measured_against_dense_attention(self):
        report, picture, profile = scratch / 'rag.json', scratch / 'rag.svg', scratch / 'p.json'
        known = json.loads(PROFILE.read_text())
        known.pop('reuse', None)
        profile.write_text(json.dumps(known))
        arguments = ['bench', 'rag', '-m', MODEL, '-n', 1, '--documents', 4, '--length', 256,
                     '--ratios', '0.1', '--profile', profile]
        done = self.run_ok(*arguments, '--json', report, '--svg', picture)
        self.assertIn('| knot, default |', done.text)
        rows = json.loads(report.read_text())['rows']
        self.assertEqual([row['arm'] for row in rows if row['kind'] == 'all'],
                         ['dense', 'prefix', 'none', 'boundary', 'deviation', 'elastic',
                          'knot', 'knot'])
        self.assertEqual([row['arm'] for row in rows if row['default'] and row['kind'] == 'all'],
                         ['knot'])
        for row in rows:
            self.assertEqual(row['n'], 5 if row['kind'] == 'all' else 1)
            self.assertGreater(row['ttft_p50_s'], 0)
            self.assertGreater(row['flops'], 0)
            self.assertLessEqual(row['ci95'][0], row['exact_match'])
            self.assertLessEqual(row['exact_match'], row['ci95'][1])
        self.assertEqual(rows[0]['kl_mean'], 0)
        self.assertIn('<svg', picture.read_text())
        self.assertEqual(json.loads(profile.read_text())['reuse']['questions'], 5)
        few = self.run_ok('bench', 'rag', '-m', MODEL, '-n', 1, '--documents', 2, '--length', 40,
                          '--text', 'random', '--arms', 'none')
        self.assertNotIn('right', few.text)

    def test_rounding_alone_is_an_arm_of_its_own(self):
        report = scratch / 'noise.json'
        arguments = ['bench', 'rag', '-m', MODEL, '-n', 1, '--documents', 4, '--length', 128,
                     '--kinds', 'one_hop,continuation', '--arms', 'none,noise']
        self.run_ok(*arguments, '--json', report)
        kl = {row['arm']: row['kl_mean'] for row in json.loads(report.read_text())['rows']
              if row['kind'] == 'all'}
        self.assertEqual(list(kl), ['dense', 'none', 'noise'])
        self.assertEqual(kl['dense'], 0)
        self.assertGreater(kl['noise'], 0)
        self.assertLess(kl['noise'], kl['none'])
        done = harness.redknot(*arguments, '--profile', PROFILE)
        self.check_error(done, 1, 'measure noise without')

    def test_one_hop_answers_are_right(self):
        report = scratch / 'reader.json'
        self.run_ok('eval', '-m', MODEL, '--suite', 'qa', '--kinds', 'one_hop', '--context', 512,
                    '-n', 60, '--json', report)
        cell, = json.loads(report.read_text())['rows']
        self.assertGreaterEqual(cell['exact_match'], 0.9)

    def test_its_profile_is_its_own_and_keeps_what_it_says(self):
        prompt = ROOT / 'examples' / 'question.txt'
        done = self.run_ok('run', '-m', MODEL, '--raw', '-f', prompt, '--temp', 0, '--profile',
                           PROFILE, '--verbose')
        self.assertEqual(done.text.strip(), 'Lorvik')
        self.assertIn('head profile: validated', done.stderr)
        validation = json.loads(PROFILE.read_text())['validation']
        self.assertLessEqual(validation['kl_mean'], 0.005)
        self.assertLessEqual(validation['kv_bytes'], 0.35 * validation['dense_f16_bytes'])
        kept = self.run_ok('inspect', MODEL, '--profile', PROFILE, '--json', '-c',
                           validation['context_tokens']).json['heads']
        self.assertEqual(sum(head['bytes'] for head in kept), validation['kv_bytes'])

    def test_its_profile_stays_near_dense_attention(self):
        report = scratch / 'profile.json'
        self.run_ok('eval', '-m', MODEL, '--kinds', 'one_hop', '--context', 1024, '-n', 10,
                    '--profile', PROFILE, '--json', report)
        noise, _, arm = json.loads(report.read_text())['arms']
        self.assertTrue(0 < noise['kl_mean'] < 1e-6, noise['kl_mean'])  # other pages, other sums
        self.assertLess(arm['kl_mean'], 0.02)
        self.assertLess(arm['kv_bytes'], 0.75 * arm['kv_bytes_dense'])


if __name__ == '__main__':
    harness.main()
