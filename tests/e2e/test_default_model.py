# SPDX-License-Identifier: Apache-2.0
"""The model of models/: its logits are PyTorch's, and its answers are right."""

import json

import harness
from harness import ROOT, Case, read_npy, row, scratch

MODEL = ROOT / 'models' / 'redknot-reader.gguf'
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
        done = self.run_ok('run', '-m', MODEL, '-f', prompt, '--temp', 0)
        self.assertEqual(done.text.strip(), 'Lorvik')

    def test_one_hop_answers_are_right(self):
        report = scratch / 'reader.json'
        self.run_ok('eval', '-m', MODEL, '--suite', 'qa', '--kinds', 'one_hop', '--context', 512,
                    '-n', 60, '--json', report)
        cell, = json.loads(report.read_text())['rows']
        self.assertGreaterEqual(cell['exact_match'], 0.9)


if __name__ == '__main__':
    harness.main()
