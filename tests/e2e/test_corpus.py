# SPDX-License-Identifier: Apache-2.0
"""The corpus tool, and a tokenizer trained on what it writes."""

import array
import json
import subprocess
import sys

import harness
from harness import ROOT, Case, scratch

PADDING = 0xFFFF
ANSWER = 0x8000


def corpus(*arguments):
    return subprocess.run([harness.build_dir / 'corpus', *map(str, arguments)],
                          capture_output=True, timeout=harness.TIMEOUT_SECONDS)


def tokenizer():
    """The folder of a small tokenizer, trained once."""
    folder = scratch / 'tokenizer'
    if not folder.exists():
        subprocess.run([sys.executable, ROOT / 'tools' / 'train' / 'tokenizer.py', '--corpus',
                        harness.build_dir / 'corpus', '-o', folder, '--vocabulary', '320',
                        '--samples', '40'], check=True, capture_output=True,
                       timeout=harness.TIMEOUT_SECONDS)
    return folder / 'tokenizer.json'


class Corpus(Case):
    def test_writes_samples_as_json_lines(self):
        done = corpus('--mix', 'two_hop=1,chat=2', '-n', 20, '--turns', 3)
        self.assertEqual(done.returncode, 0, done.stderr)
        samples = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(samples), 20)
        kinds = {turn['kind'] for sample in samples for turn in sample['turns']}
        self.assertEqual(kinds, {'one_hop', 'two_hop', 'chat'})  # a chat begins with one_hop

    def test_equal_seeds_give_equal_samples(self):
        self.assertEqual(corpus('--seed', 5).stdout, corpus('--seed', 5).stdout)
        self.assertNotEqual(corpus('--seed', 5).stdout, corpus('--seed', 6).stdout)

    def test_refuses_what_it_does_not_know(self):
        for arguments, needle in [(['--mix', 'bogus=1'], 'bogus'), (['--mix', 'alias=x'], 'x'),
                                  (['--mix', 'alias=0'], 'all weights are 0'),
                                  (['--split', 'both'], 'both'), (['-n', '0'], '0'),
                                  (['--sequence-tokens', '128'], 'tokenizer'),
                                  (['--tokenizer', 'absent', '--sequence-tokens', '128'],
                                   'absent')]:
            done = corpus(*arguments)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertIn(needle, done.stderr.decode(), arguments)

    def test_marks_the_answers_in_sequences(self):
        length = 256
        done = corpus('--tokenizer', tokenizer(), '--sequence-tokens', length, '-n', 5,
                      '--turns', 50, '--style', 'easy')
        self.assertEqual(done.returncode, 0, done.stderr)
        entries = array.array('H', done.stdout)
        self.assertEqual(len(entries), 5 * length)
        answers = [entry & ~ANSWER for entry in entries if entry & ANSWER and entry != PADDING]
        text = self.run_ok('tokenize', '-m', tokenizer(), '--special', '--decode',
                           ' '.join(map(str, answers))).text
        self.assertTrue(text.strip().endswith('<|end|>'), text)
        self.assertNotIn('<|user|>', text)

    def test_the_tokenizer_keeps_every_byte(self):
        text = 'Notes on Velkar Mills, founded in 1884: "quote" \u00e9\u4e16 x'
        ids = self.run_ok('tokenize', '-m', tokenizer(), '-p', text, '--ids', '--no-bos').text
        back = self.run_ok('tokenize', '-m', tokenizer(), '--decode', ids.strip()).text
        self.assertEqual(back.rstrip('\n'), text)


if __name__ == '__main__':
    harness.main()
