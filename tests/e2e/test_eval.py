# SPDX-License-Identifier: Apache-2.0
"""redknot eval: the suites qa and questions, their table and JSON, and what they refuse."""

import json
import os
import pty
import signal
import subprocess

import harness
from harness import Case, model, redknot, scratch, write

KINDS = ('one_hop two_hop comparison counting alias continuation correction quote not_stated chat '
         'key_value passkey').split()
QUICK = ['--context', '200,300', '-n', 3]


def lines(*questions):
    return ''.join(json.dumps(question) + '\n' for question in questions)


def answers(done):
    """What --show printed; how far it is comes with time."""
    return [line for line in done.stderr.splitlines() if 'expected' in line]


class EvalCase(Case):
    def report(self, *arguments, name='report.json'):
        """The process and the JSON it wrote."""
        path = scratch / name
        done = self.run_ok('eval', '-m', model(), '--json', path, *arguments)
        return done, json.loads(path.read_text())


class Qa(EvalCase):
    def test_json_has_a_row_for_each_cell(self):
        done, report = self.report('--kinds', 'passkey,one_hop', *QUICK, '--seed', 5)
        self.assertEqual(list(report), ['suite', 'model', 'seed', 'rows'])
        self.assertEqual(report['suite'], 'qa')
        self.assertEqual(report['seed'], 5)
        self.assertIn(report['model'], done.text)
        self.assertEqual([(row['kind'], row['context_tokens']) for row in report['rows']],
                         [(kind, tokens) for kind in ('one_hop', 'passkey')
                          for tokens in (200, 300)])
        for row in report['rows']:
            self.assertEqual(list(row), ['arm', 'kind', 'context_tokens', 'n', 'exact_match', 'f1',
                                         'contains', 'gold_log_probability', 'ci95'])
            self.assertLess(row['gold_log_probability'], 0)
            self.assertEqual(row['arm'], 'dense')
            self.assertEqual(row['n'], 3)
            low, high = row['ci95']
            self.assertTrue(0 <= low <= row['exact_match'] <= high <= 1)
            self.assertTrue(0 <= row['f1'] <= 1)

    def test_tasks_are_asked_where_they_are_named(self):
        _, report = self.report('--kinds', 'extraction,keys,variables,frequent_words',
                                '--context', '500', '-n', 2)
        self.assertEqual([(row['kind'], list(row)[5]) for row in report['rows']],
                         [('extraction', 'fields'), ('keys', 'f1'), ('variables', 'items'),
                          ('frequent_words', 'items')])
        for row in report['rows']:
            self.assertLess(row['gold_log_probability'], 0)

    def test_code_is_asked_of_a_folder(self):
        _, report = self.report('--code', harness.ROOT / 'src' / 'eval', '--context', '500',
                                '-n', 2)
        row, = report['rows']
        self.assertEqual((row['kind'], row['n']), ('code', 2))
        self.assertTrue(0 <= row['edit_similarity'] <= 1)
        self.check_error(redknot('eval', '-m', model(), '--code', scratch / 'absent'), 1,
                         'absent: no such folder')

    def test_ctrl_c_leaves_the_table_of_what_there_is(self):
        process = subprocess.Popen(
            [harness.build_dir / 'redknot', 'eval', '-m', model(), '--kinds', 'passkey',
             '--context', '300,2048', '-n', '4000', '-t', '1', '--json', scratch / 'some.json'],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        line = process.stderr.readline()  # the first word of how far it is
        self.assertRegex(line, r'passkey, 300 tokens.*: \d+ %')
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=harness.TIMEOUT_SECONDS)
        self.assertEqual(process.returncode, 130, stderr)
        self.assertIn('interrupted', stderr)
        row, = json.loads((scratch / 'some.json').read_text())['rows']
        self.assertTrue(0 < row['n'] < 4000)

    def test_every_kind_is_asked(self):
        _, report = self.report('--context', '500', '-n', 1, '-t', 1)
        self.assertEqual([row['kind'] for row in report['rows']], KINDS)

    def test_the_table_says_what_was_measured(self):
        text = self.run_ok('eval', '-m', model(), '--kinds', 'chat,key_value', *QUICK).text
        self.assertRegex(text, r'suite qa, n = 3, seed 1, f32 KV')
        self.assertRegex(text, r'(?m)^ +200 +300$')
        for kind in ('chat', 'key_value'):
            self.assertRegex(text, rf'(?m)^{kind}( +\d+\.\d \[ *\d+\.\d, *\d+\.\d\]){{2}}$')
            self.assertRegex(text, rf'(?m)^{kind}( +\d+\.\d){{2}}$')

    def test_equal_options_give_equal_bits(self):
        options = ['--kinds', 'one_hop,quote', *QUICK, '--show', 3]
        done, _ = self.report(*options)
        wanted = (scratch / 'report.json').read_bytes()
        for extra in ([], ['-t', 1], ['--parallel', 1], ['-b', 64]):
            with self.subTest(extra):
                again, _ = self.report(*options, *extra)
                self.assertEqual((scratch / 'report.json').read_bytes(), wanted)
                self.assertEqual(answers(again), answers(done))

    def test_a_cell_does_not_depend_on_the_others(self):
        both = answers(self.run_ok('eval', '-m', model(), *QUICK, '--show', 3,
                                   '--kinds', 'one_hop,passkey'))
        alone = answers(self.run_ok('eval', '-m', model(), '--kinds', 'passkey', '--context', 300,
                                    '-n', 3, '--show', 3))
        self.assertEqual(len(alone), 3)
        self.assertEqual([line for line in both if 'passkey, 300 tokens' in line], alone)

    def test_a_seed_decides_the_questions(self):
        shown = [self.run_ok('eval', '-m', model(), *QUICK, '--kinds', 'passkey', '--show', 1,
                             '--seed', seed).stderr for seed in (1, 2)]
        self.assertRegex(shown[0], r'passkey, 200 tokens: ".*": expected "\d{5}", given "')
        self.assertNotEqual(*shown)

    def test_standard_lengths_that_do_not_fit_are_named(self):
        # Trained for 4096 tokens.
        done = self.run_ok('eval', '-m', model(), '-n', 1, '--kinds', 'passkey')
        self.assertRegex(done.text, r'(?m)^ +512 +1024 +2048$')
        self.check_error(done, 0, 'left out --context 4096, 8192, 16384', '4096 tokens that the')

    def test_a_length_that_does_not_fit_is_refused(self):
        done = redknot('eval', '-m', model(), '--context', '512,4096', '-n', 1)
        self.check_error(done, 1, '--context 4096', 'trained', 'at most 2867')
        self.assertEqual(done.text, '')

    def test_documents_too_short_for_a_kind_are_refused(self):
        done = redknot('eval', '-m', model(), '--context', 32, '-n', 1, '--kinds', 'two_hop')
        self.check_error(done, 1, 'two_hop questions on 32 tokens')

    def test_a_terminal_sees_how_long_it_takes(self):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [harness.build_dir / 'redknot', 'eval', '-m', model(), '--kinds', 'passkey',
             '--context', '2048', '-n', '30', '-t', '1', '-b', '16'],
            stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        shown = b''
        try:
            while piece := harness.read_some(ours):
                shown += piece
        except OSError:  # the other side is closed
            pass
        self.assertEqual(process.wait(timeout=harness.TIMEOUT_SECONDS), 0)
        os.close(ours)
        self.assertRegex(shown.decode(), r'passkey, 2048 tokens: \d+ s left \[[#.]+\] \d+ %')


class Questions(EvalCase):
    GOOD = [{'context': 'Key: "a"\nValue: ', 'answer': 'b', 'answer_location': 3},
            {'context': 'It is b.', 'question': 'What is it?', 'answer': 'b'}]

    def ask(self, text, *arguments):
        path = write('asked.jsonl', text)
        return redknot('eval', '-m', model(), '--suite', 'questions', '--file', path, *arguments)

    def test_a_file_is_one_row(self):
        path = write('pairs.jsonl', lines(*self.GOOD, {'context': 'long ' * 9000, 'answer': ''}))
        done, report = self.report('--suite', 'questions', '--file', path)
        self.assertEqual(report['suite'], 'questions')
        row, = report['rows']
        self.assertEqual((row['arm'], row['kind'], row['n'], row['skipped']),
                         ('dense', 'pairs', 2, 1))
        self.assertTrue(0 < row['context_tokens'] < 100)
        self.assertRegex(done.text, r'too long: 1\n')

    def test_documents_of_files_are_rows(self):
        facts = write('facts.jsonl', lines(
            {'documents': [{'title': 'Velk', 'text': 'Old.'}, {'text': 'New.'}],
             'question': 'Which?', 'answers': ['Old', 'old one']}))
        hotpot = write('hotpot.json', json.dumps(
            [{'question': 'q', 'answer': 'a', 'context': [['T', ['One.', 'Two.']]]}]))
        done, report = self.report('--suite', 'questions', '--questions', f'{facts},{hotpot}')
        self.assertEqual([(row['kind'], row['n']) for row in report['rows']],
                         [('facts', 1), ('hotpot', 1)])
        self.assertRegex(done.text, r'(?m)^dense, facts, \d+ tokens: n 1, exact match')

    def test_n_limits_the_lines(self):
        done = self.ask(lines(*self.GOOD) + 'not read', '-n', 2, '--show', 5)
        self.assertEqual(done.code, 0, done.stderr)
        self.assertEqual(done.stderr.count('expected "b"'), 2)

    def test_a_malformed_line_is_named(self):
        for bad in ('{', '[]', '{"context": "c"}', '{"context": 1, "answer": "x"}'):
            with self.subTest(bad):
                done = self.ask(lines(*self.GOOD) + bad + '\n')
                self.check_error(done, 1, 'asked.jsonl: line 3: ')

    def test_a_file_of_which_nothing_fits_is_refused(self):
        self.check_error(self.ask(lines({'context': 'long ' * 9000, 'answer': ''})), 1,
                         'asked.jsonl', '1 questions none fits', '4096')
        self.check_error(self.ask(''), 1, 'asked.jsonl')
        self.check_error(redknot('eval', '-m', model(), '--suite', 'questions', '--file',
                                 scratch / 'absent.jsonl'), 1, 'absent.jsonl', 'no such file')


class Json(EvalCase):
    def test_an_unwritable_file_is_refused_up_front(self):
        for path in (scratch / 'absent' / 'r.json', scratch, '/dev/full'):
            with self.subTest(path):
                done = redknot('eval', '-m', 'absent.gguf', '--json', path)
                self.check_error(done, 1, f'write {path}')
        self.assertTrue(os.path.exists('/dev/full'))

    def test_a_file_is_kept_until_the_end(self):
        path = write('kept.json', 'before')
        done = redknot('eval', '-m', 'absent.gguf', '--json', path)
        self.check_error(done, 1, 'absent.gguf')
        self.assertEqual(path.read_text(), 'before')
        self.assertEqual([each.name for each in scratch.glob('kept.json*')], ['kept.json'])

    def test_a_link_stays_a_link(self):
        target = write('target.json', 'before')
        link = scratch / 'link.json'
        link.symlink_to(target)
        self.report('--kinds', 'passkey', *QUICK, name='link.json')
        self.assertTrue(link.is_symlink())
        self.assertEqual(json.loads(target.read_text())['suite'], 'qa')


if __name__ == '__main__':
    harness.main()
