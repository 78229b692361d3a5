# SPDX-License-Identifier: Apache-2.0
"""What goes wrong is said, with exit code 1, or 2 for the command line; nothing crashes."""

import os
import signal
import subprocess

import harness
from harness import Case, end, model, redknot, scratch, start, write, write_ids

VERBS = {
    'run': ['-p', 'x', '-n', '1', '-m'],
    'inspect': ['-m'],
    'tokenize': ['-p', 'x', '-m'],
    'bench': ['-p', '8', '-n', '0', '-r', '1', '-m'],
    'eval': ['-n', '1', '-m'],
}


class Models(Case):
    def test_missing_file(self):
        for verb, arguments in VERBS.items():
            with self.subTest(verb):
                done = redknot(verb, *arguments, scratch / 'absent.gguf')
                self.check_error(done, 1, 'absent.gguf', 'no such file')

    def test_not_a_model(self):
        path = write('text.gguf', 'This is no model. ' * 100)
        for verb, arguments in VERBS.items():
            with self.subTest(verb):
                self.check_error(redknot(verb, *arguments, path), 1, 'text.gguf')

    def test_empty_file(self):
        path = write('empty.gguf', '')
        for verb, arguments in VERBS.items():
            with self.subTest(verb):
                self.check_error(redknot(verb, *arguments, path), 1, 'empty.gguf')

    def test_truncated_file(self):
        content = model().read_bytes()
        path = scratch / 'truncated.gguf'
        for part in (3, 4, 8, 20, 24, 100, 1000, len(content) // 2, len(content) - 1):
            with self.subTest(part):
                path.write_bytes(content[:part])
                done = redknot('run', '-m', path, '-p', 'x', '-n', 1)
                self.check_error(done, 1, 'truncated.gguf')

    def test_folder_without_a_model(self):
        folder = scratch / 'folder'
        folder.mkdir(exist_ok=True)
        self.check_error(redknot('run', '-m', folder, '-p', 'x'), 1, 'folder')


class Prompts(Case):
    def check_tokens(self, content, *needles):
        path = write('bad.json', content)
        self.check_error(redknot('run', '-m', model(), '--tokens', path, '-n', 1), 1, *needles)

    def test_token_files(self):
        self.check_tokens('[1, 2', 'bad.json', 'not valid json')
        self.check_tokens('{"a": [1]}', 'bad.json', 'tokens')
        self.check_tokens('[1, "2"]', 'entry 1')
        self.check_tokens('[1, 2.5]', 'entry 1')
        self.check_tokens('[-1]', 'entry 0')
        self.check_tokens('[99999999999999999999]', 'entry 0')
        self.check_tokens('[[1]]', 'entry 0')
        self.check_tokens('[]', 'none')
        self.check_tokens('{"tokens": [1, [2]]}', 'entry 1')
        self.check_tokens('{"tokens": {"tokens": [1]}}', 'tokens')
        self.check_tokens('{"a":' * 100000, 'nested too deeply')
        self.check_tokens('[1, 2147483647]', '2147483647')

    def test_first_id_beyond_the_vocabulary(self):
        done = self.run_ok('inspect', model(), '--json', '--no-tensors')
        size = done.json['tokenizer']['vocabulary_size']
        self.check_tokens(f'[{size}]', str(size))
        path = write_ids('last.json', [size - 1])
        self.run_ok('run', '-m', model(), '--tokens', path, '-n', 1)
        done = redknot('run', '-m', model(), '-p', 'x', '--logit-bias', f'{size}+1')
        self.check_error(done, 1, 'logit_bias', str(size))

    def test_prompt_longer_than_the_context(self):
        path = write_ids('long.json', [5] * 200)
        done = redknot('run', '-m', model(), '--tokens', path, '-c', 64, '-n', 1)
        self.check_error(done, 1, '200|context')

    def test_missing_prompt_file(self):
        done = redknot('run', '-m', model(), '-f', scratch / 'absent.txt')
        self.check_error(done, 1, 'absent.txt', 'no such file')


class Output(Case):
    def test_unwritable_logits(self):
        for path in (scratch / 'absent' / 'l.npy', scratch, '/dev/full'):
            with self.subTest(path):
                done = redknot('run', '-m', model(), '-p', 'x', '-n', 1, '--logits', path)
                self.check_error(done, 1, 'write')

    def test_full_disk(self):
        for arguments in (['run', '-m', model(), '-p', 'x', '-n', 50, '--ignore-eos'],
                          ['inspect', model()], ['tokenize', '-m', model(), '-p', 'x'],
                          ['run', '--help'], ['--version']):
            with self.subTest(arguments[0]), open('/dev/full', 'wb') as full:
                done = end(start(*arguments, stdout=full))
                self.check_error(done, 1, 'standard output', 'no space')

    def test_closed_standard_output_gets_nothing_of_ours(self):
        logits = scratch / 'closed.npy'
        process = subprocess.Popen(
            [harness.build_dir / 'redknot', 'run', '-m', model(), '-p', 'x', '-n', '300',
             '--ignore-eos', '--logits', logits],
            stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
        self.check_error(end(process), 1, 'standard output', 'bad file descriptor')
        self.assertEqual(logits.read_bytes()[:128], bytes(128))  # its header comes last

    def test_reader_that_leaves(self):
        process = start('run', '-m', model(), '-p', 'x', '-n', 3000, '--ignore-eos', '--seed', 1)
        harness.read_some(process.stdout.fileno(), 1)
        process.stdout.close()
        process.stdout = None
        self.check_error(end(process), 1, 'standard output', 'broken pipe')


class CommandLine(Case):
    WRONG = [
        [],
        ['bogus'],
        ['--bogus'],
        ['run'],
        ['run', '-m', 'm'],
        ['run', '-p', 'x'],
        ['run', '-m', 'm', '-p', 'x', '-f', 'y'],
        ['run', '-m', 'm', '-p', 'x', '--tokens', 'y'],
        ['run', '-m', 'm', '-p', 'x', 'stray'],
        ['run', '-m', 'm', '-p', 'x', '--bogus'],
        ['run', '-m', 'm', '-p', 'x', '-n', '-2'],
        ['run', '-m', 'm', '-p', 'x', '-n', 'ten'],
        ['run', '-m', 'm', '-p', 'x', '-n', '1.5'],
        ['run', '-m', 'm', '-p', 'x', '-n', '99999999999999999999'],
        ['run', '-m', 'm', '-p', 'x', '-n'],
        ['run', '-m', 'm', '-p', 'x', '-c', '-1'],
        ['run', '-m', 'm', '-p', 'x', '-t', '-1'],
        ['run', '-m', 'm', '-p', 'x', '-b', '0'],
        ['run', '-m', 'm', '-p', 'x', '--temp', '-1'],
        ['run', '-m', 'm', '-p', 'x', '--temp', 'nan'],
        ['run', '-m', 'm', '-p', 'x', '--top-p', '1.1'],
        ['run', '-m', 'm', '-p', 'x', '--min-p', 'inf'],
        ['run', '-m', 'm', '-p', 'x', '--repeat-penalty', '0'],
        ['run', '-m', 'm', '-p', 'x', '--repeat-last-n', '-2'],
        ['run', '-m', 'm', '-p', 'x', '--seed', '-2'],
        ['run', '-m', 'm', '-p', 'x', '--logit-bias', '5'],
        ['run', '-m', 'm', '-p', 'x', '--logit-bias', '5+nan'],
        ['run', '-m', 'm', '-p', 'x', '--logit-bias', '-5+1'],
        ['run', '-m', 'm', '-p', 'x', '--kv', 'bf16'],
        ['run', '-m', 'm', '-p', 'x', '--page-tokens', '20'],
        ['run', '-m', 'm', '-p', 'x', '--kernels', 'sse'],
        ['run', '-m', 'm', '-p', 'x', '--logprobs', '3'],
        ['inspect'],
        ['inspect', 'm', '-c', 'x'],
        ['inspect', 'm', 'm'],
        ['tokenize', '-m', 'm'],
        ['tokenize', '-p', 'x'],
        ['tokenize', '-m', 'm', '-p', 'x', '--stdin'],
        ['tokenize', '-m', 'm', '--decode', '1', '--ids'],
        ['bench', '-m', 'm', '-p', '0', '-n', '0'],
        ['bench', '-m', 'm', '-p', '512,x'],
        ['bench', '-m', 'm', '-d', '-1'],
        ['bench', '-m', 'm', '-r', '0'],
        ['bench', '-m', 'm', '--kv', 'f16,f8'],
        ['run', '-m', 'm', '-p', 'x', '--kv', 'q8', '--cache-type-k', 'q8_0'],
        ['run', '-m', 'm', '-p', 'x', '--cache-type-k', 'f16', '--cache-type-v', 'q4_0'],
        ['serve', '-m', 'm', '--cache-type-v', 'q4_0'],
        ['bench', 'serve', '--beside', 'a=b'],
        ['eval'],
        ['eval', '-m', 'm', '--suite', 'bogus'],
        ['eval', '-m', 'm', '--kinds', 'one_hop,bogus'],
        ['eval', '-m', 'm', '--context', '512,x'],
        ['eval', '-m', 'm', '--context', '0'],
        ['eval', '-m', 'm', '-n', '0'],
        ['eval', '-m', 'm', '--seed', '-1'],
        ['eval', '-m', 'm', '--kv', 'f16,q9'],
        ['eval', '-m', 'm', '--activations', '32'],
        ['eval', '-m', 'm', '--parallel', '0'],
        ['eval', '-m', 'm', '--file', 'f'],
        ['eval', '-m', 'm', '--suite', 'questions'],
        ['eval', '-m', 'm', '--questions', 'f'],
        ['eval', '-m', 'm', '--suite', 'text', '--questions', 'f'],
        ['eval', '-m', 'm', '--kinds', 'code'],
        ['eval', '-m', 'm', '--suite', 'questions', '--questions', 'f', '--code', 'c'],
        ['eval', '-m', 'm', '--code', 'c', '-n', '401'],
        ['bench', 'rag', '-m', 'm', '--kinds', 'code'],
        ['bench', 'rag', '-m', 'm', '--code', 'c', '-n', '401'],
        ['eval', '-m', 'm', '--suite', 'questions', '--file', 'f', '--kinds', 'alias'],
        ['eval', '-m', 'm', '--suite', 'questions', '--file', 'f', '--context', '512'],
    ]

    def test_wrong_usage(self):
        for arguments in self.WRONG:
            with self.subTest(' '.join(arguments)):
                done = redknot(*arguments)
                self.check_error(done, 2)
                self.assertEqual(done.text, '')

    def test_the_message_names_the_option(self):
        done = redknot('run', '-m', 'm', '-p', 'x', '--top-p', '1.1')
        self.check_error(done, 2, '--top-p', '1.1', 'redknot run --help')


def catches(process, number):
    """Whether it has a handler for that signal."""
    with open(f'/proc/{process.pid}/status', encoding='ascii') as status:
        mask = next(line.split()[1] for line in status if line.startswith('SigCgt:'))
    return int(mask, 16) >> (number - 1) & 1


class Interrupt(Case):
    def test_ctrl_c_outside_an_answer(self):
        process = subprocess.Popen(
            [harness.build_dir / 'redknot', 'tokenize', '-m', model(), '--stdin'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.assertTrue(harness.becomes_true(lambda: catches(process, signal.SIGINT)))
        process.send_signal(signal.SIGINT)  # it waits for standard input, or soon will
        self.check_error(end(process), 130, 'interrupted')


if __name__ == '__main__':
    harness.main()
