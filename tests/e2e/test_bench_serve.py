# SPDX-License-Identifier: Apache-2.0
"""`redknot bench serve`: load on a server of ours, started by it or already there."""

import json
import os
import signal
import time
import xml.etree.ElementTree

import harness
from harness import Case, end, redknot, start, write
from served import Served

READER = harness.ROOT / 'models' / 'redknot-reader.gguf'
SMALL = ['--input-len', 40, '--output-len', 6, '--ignore-eos']


class Load(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Served(READER, '-c', 2048, '--access-log', 'off')

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def load(self, *arguments):
        """What a load measured, as its file says it, and what it printed."""
        path = harness.scratch / 'load.json'
        done = self.run_ok('bench', 'serve', '--url', self.server.url, '--json', path, *arguments)
        return json.loads(path.read_text()), done.text

    def check_whole(self, found, requests):
        self.assertEqual(found['completed'], requests)
        self.assertEqual(found['failed'], 0)
        self.assertEqual(len(found['answers']), requests)
        for name in ('ttft_ms', 'itl_ms', 'e2e_ms'):
            values = found[name]
            self.assertLessEqual(values['p50'], values['p90'])
            self.assertLessEqual(values['p90'], values['p99'])
            self.assertLessEqual(values['p99'], values['max'])
        self.assertLessEqual(found['ttft_ms']['max'], found['e2e_ms']['max'])

    def test_unique_prompts_agree_with_the_exact_run(self):
        found, text = self.load(*SMALL, '-n', 12, '--request-rate', 20, '--check')
        self.check_whole(found, 12)
        self.assertEqual(found['output_tokens'], 12 * 6)
        self.assertEqual(found['agreement']['compared'], 12)
        self.assertEqual(found['agreement']['identical'], 12)
        self.assertEqual(found['agreement']['token_share'], 1)
        self.assertRegex(text, r'TTFT +\d')
        self.assertIn('as the exact run, answers    100.00 % of 12', text)

    def test_files_can_be_drawn(self):
        self.load(*SMALL, '-n', 3)
        path, drawn = harness.scratch / 'load.json', harness.scratch / 'load.svg'
        load = ['bench', 'serve', '--url', self.server.url, *SMALL, '-n', 2]
        self.run_ok(*load, '--svg', drawn, '--beside', f'a={path},{path}', '--beside',
                    f'b<={path}')
        picture = xml.etree.ElementTree.fromstring(drawn.read_text())
        words = [each.text for each in picture.iter() if each.text and each.text.strip()]
        self.assertIn('a', words)
        self.assertIn('b<', words)
        self.assertIn('this run', words)
        self.assertIn('2', words)  # requests of a run
        self.assertIn('3', words)
        self.check_error(redknot(*load, '--beside', f'a={path}'), 2, '--svg')
        self.check_error(redknot(*load, '--svg', drawn, '--beside', 'a'), 2, 'NAME=FILE')
        broken = write('broken.json', '{"requests": 0}')
        self.check_error(redknot(*load, '--svg', drawn, '--beside', f'a={broken}'), 1,
                         'broken.json', 'requests')

    def test_prompts_have_the_wanted_length(self):
        found, _ = self.load('-n', 4, '--input-len', 400, '--output-len', 2)
        self.assertIsNotNone(found['tokens_per_word'])
        self.assertAlmostEqual(found['prompt_tokens'] / 4, 400, delta=80)

    def test_shared_documents_are_adopted(self):
        found, _ = self.load('--mix', 'shared', '-n', 10, '--documents', 4, '--document-len', 100,
                             '--per-prompt', 3, '--output-len', 4, '--ignore-eos', '--reuse',
                             'segment', '--recovery', 'none', '--request-rate', 5)
        self.check_whole(found, 10)
        self.assertGreater(found['redknot']['adopted_tokens'], 0)

    def test_turns_reuse_what_was_said(self):
        found, _ = self.load(*SMALL, '--mix', 'multi-turn', '-n', 6, '--turns', 3, '--think-time',
                             0.01, '--question-len', 8)
        self.check_whole(found, 6)
        self.assertGreater(found['cached_tokens'], 0)
        self.assertEqual(sorted(one['turn'] for one in found['answers']), [0, 0, 1, 1, 2, 2])

    def test_a_trace(self):
        lines = [{'timestamp': 400 * i, 'input_length': 520, 'output_length': 3,
                  'hash_ids': [7, 100 + i]} for i in range(3)]
        trace = write('trace.jsonl', '\n'.join(map(json.dumps, lines)))
        found, _ = self.load('--mix', 'trace', '--trace', trace, '--speed', 4)
        self.check_whole(found, 3)
        scheduled = sorted(one['scheduled_s'] for one in found['answers'])
        self.assertEqual(scheduled, [0, 0.1, 0.2])

    def test_questions_of_a_file_are_graded(self):
        text = 'About Mara Velk. Mara Velk lives in Tanfort. Mara Velk works for Harven Mills.'
        other = 'Notes on Harven Mills. Harven Mills makes clocks. The company is based in Lorvik.'
        turns = [{'question': 'Where does Mara Velk live?', 'answer': 'Tanfort'},
                 {'question': 'What does Harven Mills make?', 'answer': 'certainly no tables'}]
        path = write('questions.jsonl', json.dumps({'documents': [text, other], 'turns': turns}))
        found, text = self.load('--mix', 'questions', '--questions', path, '--output-len', 12,
                                '--check')
        self.check_whole(found, 2)
        self.assertEqual(found['graded'], {'known': 2, 'right': 1})
        self.assertIn('answers right                50.00 % of 2', text)
        self.assertEqual(found['agreement']['identical'], 2)
        done = redknot('bench', 'serve', '--url', self.server.url, '--mix', 'questions')
        self.check_error(done, 2, '--mix questions and --questions FILE need each other')

    def test_documents_may_be_known_and_stand_in_the_message(self):
        documents = [f'Note {i}. The code of house {i} is {i}{i}{i}. ' * 8 for i in range(3)]
        turns = [{'question': f'What is the code of house {i}?', 'answer': str(i) * 3}
                 for i in range(3)]
        path = write('houses.jsonl', json.dumps({'documents': documents, 'turns': turns}))
        load = ('--mix', 'questions', '--questions', path, '--output-len', 6, '--known',
                '--max-concurrency', 1)
        as_field, _ = self.load(*load, '--reuse', 'segment')
        self.check_whole(as_field, 3)
        used = as_field['redknot']
        self.assertGreater(used['adopted_tokens'] + used['exact_tokens'], used['new_tokens'])
        in_message, _ = self.load(*load, '--order', 'file', '--documents-in', 'message')
        self.check_whole(in_message, 3)
        # In one order all of the documents is a prefix that was seen before the load.
        self.assertGreater(in_message['cached_tokens'], 0.6 * in_message['prompt_tokens'])
        self.assertTrue(all('expected' in one and 'text' in one for one in in_message['answers']))

    def test_bystanders_and_a_limit(self):
        found, _ = self.load(*SMALL, '-n', 6, '--max-concurrency', 2, '--idle-connections', 30,
                             '--slow-readers', 3)
        self.check_whole(found, 6)
        self.assertEqual(found['idle_connections'], 30)
        self.assertEqual(found['peak_streams'], 2)

    def test_refusals_are_counted_by_kind(self):
        done = redknot('bench', 'serve', '--url', self.server.url, '-n', 2, '--input-len', 5000)
        self.check_error(done, 1, 'no request was answered: HTTP 400')
        self.assertRegex(done.text, r'failed: HTTP 400 +2, the first: ')

    def test_control_c_ends_with_what_there_is(self):
        path = harness.scratch / 'interrupted.json'
        process = start('bench', 'serve', '--url', self.server.url, *SMALL, '-n', 2000,
                        '--request-rate', 5, '--json', path)
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        done = end(process)
        self.assertEqual(done.code, 130, done.stderr)
        found = json.loads(path.read_text())
        self.assertTrue(found['interrupted'])
        self.assertGreater(found['completed'], 0)
        self.assertGreater(found['unsent'], 1000)
        self.assertIn('requests completed', done.text)
        self.assertRegex(done.stderr, r'1 s: \d+ of 2000 sent, \d+ done, \d+ running')


class Serving(Case):
    def test_a_model_is_served_for_the_time_of_the_load(self):
        path = harness.scratch / 'served.json'
        done = self.run_ok('bench', 'serve', '-m', READER, *SMALL, '-n', 3, '--json', path, '--',
                           '-c', '1031')
        self.assertIn('requests completed           3 of 3', done.text)
        found = json.loads(path.read_text())
        self.assertEqual(found['options']['serve_options'], ['-c', '1031'])
        self.assertEqual(found['completed'], 3)
        running = [name for name in os.listdir('/proc') if name.isdigit()
                   and b'serve\0-m\0' + str(READER).encode() in command_line(name)]
        self.assertFalse([name for name in running if b'1031' in command_line(name)])

    def test_what_keeps_it_from_serving_is_said(self):
        done = redknot('bench', 'serve', '-m', harness.scratch / 'none.gguf', '-n', 1)
        self.check_error(done, 1, 'start redknot serve: .*none.gguf')
        done = redknot('bench', 'serve', '-m', READER, '-n', 1, '--', '--no-such-option')
        self.check_error(done, 1, 'start redknot serve: .*no-such-option')


class Misuse(Case):
    def test_wrong_command_lines(self):
        for arguments in (['--url', 'ftp://x'], ['--request-rate', '0'], ['--mix', 'trace'],
                          ['--trace', 'x'], ['--url', 'http://a', '-m', 'b'], ['-n', '0'],
                          ['--reuse', 'some'], ['--ratio', '2'], ['--', '-c', '1031']):
            with self.subTest(arguments):
                self.check_error(redknot('bench', 'serve', *arguments), 2, 'bench')

    def test_a_bad_trace_names_its_line(self):
        trace = write('bad.jsonl', '{"timestamp": 0, "input_length": 1, "output_length": 1, '
                      '"hash_ids": [1]}\n{"timestamp": 0}\n')
        done = redknot('bench', 'serve', '--mix', 'trace', '--trace', trace)
        self.check_error(done, 1, 'bad.jsonl: line 2: there is no "input_length"')

    def test_a_server_that_is_not_there(self):
        done = redknot('bench', 'serve', '--url', 'http://127.0.0.1:1', '-n', 1)
        self.check_error(done, 1, 'ask http://127.0.0.1:1 for its models: .*refused')

    def test_more_documents_than_there_are(self):
        done = redknot('bench', 'serve', '--mix', 'shared', '--documents', 2, '--per-prompt', 3)
        self.check_error(done, 1, 'takes from 1 to all 2 documents, not 3')


def command_line(process):
    try:
        with open(f'/proc/{process}/cmdline', 'rb') as file:
            return file.read()
    except OSError:
        return b''


if __name__ == '__main__':
    harness.main()
