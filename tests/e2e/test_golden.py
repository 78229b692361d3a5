# SPDX-License-Identifier: Apache-2.0
"""The binary against reference outputs in ../shared/golden (see its README): skipped where absent.

Slow: unpacks and runs every model there.
"""

import gzip
import json
import math
import shutil
import unittest

import harness
from harness import GOLDEN, Case, read_npy, row, scratch, write_ids

# Of F32 models: largest absolute difference of a logit, by prompt.
F32_TOLERANCE = {'A': 2e-3, 'B': 2e-3, 'C': 5e-3}
# Of the others (activations are rounded where weights are quantised): largest absolute difference
# from the logits of the dequantised weights; mean and largest KL divergence of a row in nats.
ROUNDED_TOLERANCE = {
    'F16': (2e-3, 2e-5, 1e-3),
    'BF16': (2e-3, 2e-5, 1e-3),
    'Q8_0': (1.2, 0.015, 0.08),
    'Q4_0': (1.2, 0.015, 0.08),
    'Q4_K_M': (2.5, 0.03, 0.13),
    'Q5_K_M': (2.5, 0.03, 0.13),
    'Q6_K': (2.5, 0.03, 0.13),
}


def largest_difference(wanted, found):
    return max(abs(a - b) for a, b in zip(wanted, found))


def log_softmax(logits):
    top = max(logits)
    log_sum = top + math.log(math.fsum(math.exp(x - top) for x in logits))
    return [x - log_sum for x in logits]


def divergence(wanted, found):
    """KL(wanted || found) in nats."""
    return math.fsum(math.exp(p) * (p - q)
                     for p, q in zip(log_softmax(wanted), log_softmax(found)))


@unittest.skipUnless(GOLDEN.is_dir(), f'{GOLDEN} is absent')
class GoldenCase(Case):
    def greedy(self, model, ids, count):
        path = write_ids('golden.json', ids)
        done = self.run_ok('run', '-m', model, '--tokens', path, '-n', count, '--temp', 0,
                           '--ignore-eos', '--json', '-c', 0)
        return done.json

    def last_logits(self, model, ids, count, kv='auto'):
        """The logits of the last `count` positions, as rows."""
        output = scratch / 'golden.npy'
        self.run_ok('run', '-m', model, '--tokens', write_ids('golden.json', ids), '-n', 0,
                    '--logits', output, '-c', 0, '--kv', kv)
        matrix = read_npy(output)
        self.assertEqual(matrix[0], len(ids))
        return [row(matrix, i) for i in range(len(ids) - count, len(ids))]

    def golden_rows(self, path, count):
        matrix = read_npy(path)
        self.assertEqual(matrix[0], count)
        return [row(matrix, i) for i in range(count)]

    def check_close(self, wanted, found, tolerance):
        difference = max(map(largest_difference, wanted, found))
        self.assertLessEqual(difference, tolerance)


class Stories(GoldenCase):
    GGUF = GOLDEN / 'stories260K' / 'stories260K.gguf'
    FOLDER = GOLDEN / 'stories260K-hf'

    def golden(self):
        return json.loads((GOLDEN / 'stories260K' / 'golden.json').read_text())

    def test_the_golden_story(self):
        golden = self.golden()['golden_text']
        answer = self.greedy(self.GGUF, golden['prompt_ids'], golden['steps'])
        self.assertEqual(answer['tokens'][:len(golden['ids'])], golden['ids'])
        self.assertEqual(answer['text'].strip(), golden['text'].strip())

    def test_prompts_from_file_and_folder(self):
        for name, prompt in self.golden()['prompts'].items():
            wanted = self.golden_rows(GOLDEN / 'stories260K' / f'{name}.F32.npy',
                                      prompt['keep_last'])
            for model in (self.GGUF, self.FOLDER):
                with self.subTest(f'{name} {model.name}'):
                    found = self.last_logits(model, prompt['ids'], prompt['keep_last'])
                    self.check_close(wanted, found, F32_TOLERANCE['A'])
                    ids = self.run_ok('tokenize', '-m', model, '-p', prompt['text'], '--ids').json
                    self.assertEqual(ids, prompt['ids'])

    def test_greedy_answers(self):
        for name, prompt in self.golden()['prompts'].items():
            with self.subTest(name):
                answer = self.greedy(self.GGUF, prompt['ids'], len(prompt['greedy']))
                self.assertEqual(answer['tokens'], prompt['greedy'])


class Models(GoldenCase):
    def unpacked(self, folder, dtype):
        path = scratch / f'{folder.name}.{dtype}.gguf'
        with gzip.open(folder / f'model.{dtype}.gguf.gz') as packed, open(path, 'wb') as plain:
            shutil.copyfileobj(packed, plain)
        return path

    def check_f32(self, folder, golden):
        model = self.unpacked(folder, 'F32')
        for name, ids in golden['prompts'].items():
            count = golden['keep_last'][name]
            with self.subTest(f'{folder.name} F32 {name}'):
                wanted = self.golden_rows(folder / f'{name}.F32.npy', count)
                self.check_close(wanted, self.last_logits(model, ids, count), F32_TOLERANCE[name])
        with self.subTest(f'{folder.name} F32 greedy'):
            wanted = golden['dtypes']['F32']['greedy_from_A']
            answer = self.greedy(model, golden['prompts']['A'], len(wanted))
            self.assertEqual(answer['tokens'], wanted)

    def check_rounded(self, folder, golden, dtype, kv):
        model = self.unpacked(folder, dtype)
        largest, mean_kl, largest_kl = ROUNDED_TOLERANCE[dtype]
        for name, ids in golden['prompts'].items():
            with self.subTest(f'{folder.name} {dtype} {name} {kv} KV'):
                count = golden['keep_last'][name]
                wanted = self.golden_rows(folder / f'{name}.{dtype}.deq.npy', count)
                found = self.last_logits(model, ids, count, kv)
                kl = list(map(divergence, wanted, found))
                difference = max(map(largest_difference, wanted, found))
                print(f'{folder.name} {dtype} {name}, {kv} KV: largest difference '
                      f'{difference:.2g}, KL mean {sum(kl) / len(kl):.2g}, most {max(kl):.2g}')
                self.check_close(wanted, found, largest)
                self.assertLessEqual(sum(kl) / len(kl), mean_kl)
                self.assertLessEqual(max(kl), largest_kl)

    def test_every_model(self):
        for path in sorted((GOLDEN / 'models').glob('*/golden.json')):
            golden = json.loads(path.read_text())
            for dtype in golden['dtypes']:
                if dtype == 'F32':
                    self.check_f32(path.parent, golden)
                    continue
                self.check_rounded(path.parent, golden, dtype, 'auto')
                if dtype == 'Q8_0':
                    self.check_rounded(path.parent, golden, dtype, 'q8')


if __name__ == '__main__':
    harness.main()
