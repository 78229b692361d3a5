# SPDX-License-Identifier: Apache-2.0
"""redknot serve --record, redknot run --record and redknot replay: what was run gives the same bits
again, and a file that was changed, cut or made up is told from it."""

import json
import re
import resource
import signal
import subprocess
import sys
import unittest

import harness

LOAD = harness.ROOT / 'tests' / 'e2e' / 'mixed_load.py'
REQUESTS = 24


def replay(*arguments):
    return harness.redknot('replay', *arguments)


class Recorded(harness.Case):
    """A mixed load on a server, recorded once for all tests."""

    @classmethod
    def setUpClass(cls):
        cls.steps = harness.scratch / 'steps.jsonl'
        done = subprocess.run(
            [sys.executable, LOAD, harness.build_dir / 'redknot', '--requests', str(REQUESTS),
             '--', '--record', cls.steps],
            capture_output=True, text=True, timeout=harness.TIMEOUT_SECONDS, check=False)
        if 'exit code of the server: 0' not in done.stdout or 'failed' in done.stdout:
            raise RuntimeError(done.stdout + done.stderr)
        cls.lines = cls.steps.read_text().splitlines()

    def changed(self, name, number, change):
        """A copy of the file whose line of that number was changed as an object."""
        lines = list(self.lines)
        line = json.loads(lines[number])
        change(line)
        lines[number] = json.dumps(line)
        return harness.write(name, '\n'.join(lines) + '\n')

    def sampling_step(self):
        """The number of the first line whose step samples a token."""
        return next(number for number, line in enumerate(self.lines[1:], 1)
                    if json.loads(line)['sampled'])

    def test_equals_on_any_number_of_threads(self):
        for threads in (1, 2):
            done = replay(self.steps, '-t', threads)
            self.assertEqual(done.code, 0, done.stderr)
            found = re.fullmatch(r'(\d+) steps, (\d+) rows of (\d+) sequences: equal bit for bit\n',
                                 done.text)
            self.assertTrue(found, done.text)
            self.assertEqual(int(found.group(1)), len(self.lines) - 1)
            self.assertGreaterEqual(int(found.group(3)), REQUESTS // 2)

    def test_the_file_belongs_to_its_owner_and_is_json(self):
        self.assertEqual(self.steps.stat().st_mode & 0o077, 0)
        header = json.loads(self.lines[0])
        self.assertEqual(header['format'], 'redknot steps')
        self.assertEqual(len(header['heads']), header['layers'] * header['kv_heads'])

    def test_differences_are_named(self):
        number = self.sampling_step()

        def other_token(line):
            line['sampled'][0][0] += 1

        def other_logits(line):
            line['results'][0]['logits'] = '0' * 64

        done = replay(self.changed('token.jsonl', number, other_token))
        self.assertEqual(done.code, 1, done.stderr)
        self.assertRegex(done.text, rf'^step {number}, sequence \d+: sampled \d+, recorded \d+\n'
                                    rf'1 of {len(self.lines) - 1} steps differ\n$')
        done = replay(self.changed('logits.jsonl', number, other_logits))
        self.assertEqual(done.code, 1, done.stderr)
        self.assertRegex(done.text, rf'^step {number}, sequence \d+: logits differ\n')

    def test_a_flipped_byte_is_noticed(self):
        content = bytearray(self.steps.read_bytes())
        content[len(content) // 2] ^= 0x80
        path = harness.scratch / 'flipped.jsonl'
        path.write_bytes(content)
        done = replay(path)
        self.check_error(done, 1, r'read .*flipped\.jsonl: line \d+: ')

    def test_plans_that_cannot_be_run_are_refused(self):
        def no_such_token(line):
            line['tokens'][0] = 1 << 30

        def no_such_frame(line):
            line['page_ops'][0][4] = 1 << 30

        for name, change in (('no_token.jsonl', no_such_token), ('no_frame.jsonl', no_such_frame)):
            done = replay(self.changed(name, 1, change))
            self.check_error(done, 1, rf'replay .*{name}: line 2: ')

    def test_a_cut_file_is_replayed_as_far_as_it_goes(self):
        path = harness.write('cut.jsonl', '\n'.join(self.lines[:9]) + '\n' + self.lines[9][:40])
        done = replay(path)
        self.assertEqual(done.code, 0, done.stderr)
        self.assertRegex(done.text, r'^8 steps, .*equal bit for bit\n$')
        self.assertIn('the file ends within a line', done.stderr)

    def test_is_printed_without_a_model(self):
        path = self.changed('nowhere.jsonl', 0, lambda header: header.update(model='nowhere.gguf'))
        done = replay(path, '--print')
        self.assertEqual(done.code, 0, done.stderr)
        self.assertEqual(len(re.findall(r'(?m)^step \d+$', done.text)), len(self.lines) - 1)
        self.check_error(replay(path), 1, 'nowhere.gguf')

    def test_another_model_is_refused(self):
        self.check_error(replay(self.steps, '-m', harness.model()), 1, 'recorded on a model with')


class OneRun(harness.Case):
    def test_run_records_too(self):
        path = harness.scratch / 'run.jsonl'
        self.run_ok('run', '-m', harness.model(), '-p', 'Once', '-n', 8, '--ignore-eos',
                    '--record', path)
        done = replay(path)
        self.assertEqual(done.code, 0, done.stderr)
        self.assertRegex(done.text, r'^8 steps, ')

    def test_a_full_disk_ends_the_recording_alone(self):
        path = harness.scratch / 'full.jsonl'

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))

        done = subprocess.run(
            [harness.build_dir / 'redknot', 'run', '-m', harness.model(), '-p', 'Once', '-n', '30',
             '--ignore-eos', '--record', path],
            capture_output=True, text=True, timeout=harness.TIMEOUT_SECONDS, check=False,
            preexec_fn=limit)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r'recording stopped after \d+ steps: .*File too large')
        done = replay(path)
        self.assertEqual(done.code, 0, done.stderr)
        self.assertIn('the file ends within a line', done.stderr)

    def test_nothing_is_recorded_over_a_model_or_nowhere(self):
        model = harness.model()
        self.check_error(
            harness.redknot('run', '-m', model, '-p', 'a', '--record', model), 1, 'model')
        self.check_error(harness.redknot('run', '-m', model, '-p', 'a', '--record', '/dev/full'), 1,
                         'record /dev/full: No space left')
        self.check_error(replay(harness.scratch / 'no_such.jsonl'), 1, 'no_such')
        self.check_error(replay(harness.write('made_up.jsonl', '{}\n')), 1, 'no file of steps')


if __name__ == '__main__':
    harness.main()
