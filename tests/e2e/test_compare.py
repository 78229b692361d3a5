# SPDX-License-Identifier: Apache-2.0
"""tests/compare_binaries.py: it finds a binary equal to itself, and one changed byte of it."""

import subprocess
import sys
import unittest

import harness
from harness import ROOT, TIMEOUT_SECONDS, write

# Runs the real binary; then changes what it wrote, as CHANGE says.
WRAPPER = '''#!{python}
import pathlib, subprocess, sys
done = subprocess.run([{binary!r}] + sys.argv[1:], stdout=subprocess.PIPE)
stdout = done.stdout
{change}
sys.stdout.buffer.write(stdout)
sys.exit(done.returncode)
'''
CHANGE_A_LOGIT = '''
if '--logits' in sys.argv:
    path = pathlib.Path(sys.argv[sys.argv.index('--logits') + 1])
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
'''
CHANGE_A_TOKEN = '''
at = stdout.find(b'"tokens":[') + len(b'"tokens":[')
stdout = stdout[:at] + b'1' + stdout[at:]
'''
CHANGE_A_COUNT = '''
stdout = stdout.replace(b'"prompt_tokens":', b'"prompt_tokens":1')
'''


def changed(name, change):
    path = write(name, WRAPPER.format(python=sys.executable, change=change,
                                      binary=str(harness.build_dir / 'redknot')))
    path.chmod(0o755)
    return path


def compare(after, only, *options):
    return subprocess.run(
        [sys.executable, ROOT / 'tests' / 'compare_binaries.py', harness.build_dir / 'redknot',
         after, '--quick', '--corpus', harness.build_dir / 'corpus', '--golden', 'absent',
         '--only', only, *options],
        capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)


class Compare(unittest.TestCase):
    ONLY = 'ways to sample'

    def check(self, done, code, *needles):
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        for needle in needles:
            self.assertRegex(done.stdout, needle)

    def test_a_binary_equals_itself(self):
        done = compare(harness.build_dir / 'redknot', 'ways to sample|serve one_hop')
        self.check(done, 0, '(?m)^equal +run, ways to sample$', '(?m)^equal +serve one_hop$',
                   '2 equal, 0 DIFFERS, 0 FAILED')

    def test_one_bit_of_a_logit_is_found(self):
        done = compare(changed('logit', CHANGE_A_LOGIT), self.ONLY)
        self.check(done, 1, r'DIFFERS +run, ways to sample: .*logits: byte \d+ of')

    def test_a_changed_token_is_found(self):
        done = compare(changed('token', CHANGE_A_TOKEN), self.ONLY)
        self.check(done, 1, r'DIFFERS +run, ways to sample: .*answer.tokens\[0\]: ')

    def test_usage_can_be_left_out(self):
        binary = changed('count', CHANGE_A_COUNT)
        self.check(compare(binary, self.ONLY), 1, r'DIFFERS .*usage.prompt_tokens')
        self.check(compare(binary, self.ONLY, '--answers-only'), 0, '1 equal')

    def test_a_binary_that_fails_is_said_so(self):
        done = compare(changed('fails', 'sys.exit(3)'), self.ONLY)
        self.check(done, 1, 'FAILED +run, ways to sample: after: redknot run: exit code 3')

    def test_nothing_compared_is_no_success(self):
        self.check(compare(harness.build_dir / 'redknot', 'no such comparison'), 1, '0 equal')


if __name__ == '__main__':
    harness.main()
