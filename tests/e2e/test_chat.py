# SPDX-License-Identifier: Apache-2.0
"""redknot chat: as a script drives it, and as a person does, on a pseudo terminal."""

import os
import pty
import re
import signal
import subprocess
import termios
import time

import harness
from harness import ROOT, Case, model, read_some, redknot, write

READER = ROOT / 'models' / 'redknot-reader.gguf'
MILLS = 'Notes on Harven Mills. Harven Mills makes clocks. The company is based in Lorvik.'
LORVIK = 'About Lorvik. Lorvik stands by the river Sarnel. Lorvik has a mayor named Pol Brandis.'
PROMPT = b'> '
SHOWN_SECONDS = 60


class Script(Case):
    """Standard input is no terminal: a line is a message, standard output has the answers."""

    def chat(self, lines, *arguments, model_file=READER):
        return redknot('chat', '-m', model_file, '--temp', 0, *arguments,
                       stdin='\n'.join(lines).encode())

    def test_answers_go_to_standard_output_and_the_rest_elsewhere(self):
        document = write('mills.txt', MILLS + '\n')
        done = self.chat([f'/doc {document}', 'What does Harven Mills make?',
                          'Where is Harven Mills based?'])
        self.assertEqual(done.code, 0, done.stderr)
        self.assertEqual(done.text.split(), ['clocks', 'Lorvik'])
        first, second = re.findall(r'prompt (\d+): (\d+) at hand', done.stderr)
        self.assertEqual(first[1], '0')
        # The second turn begins with all of the first.
        self.assertGreaterEqual(int(second[1]), int(first[0]))

    def test_the_conversation_is_that_of_the_server(self):
        told = ['--system', 'Be brief.', '-n', 8]
        done = self.chat(['one', 'two'], *told, model_file=model())
        again = self.chat(['one', '/reset', 'one', 'two'], *told, model_file=model())
        self.assertEqual(done.code, 0, done.stderr)
        first, second = (re.findall(r'prompt (\d+)', words.stderr) for words in (done, again))
        self.assertEqual(first, [second[0], second[2]])
        self.assertTrue(again.text.endswith(done.text))

    def test_documents_come_back_in_another_order(self):
        mills, lorvik = write('mills.txt', MILLS), write('lorvik.txt', LORVIK)
        question = 'What does Harven Mills make?'
        done = self.chat([f'/doc {mills}', f'/doc {lorvik}', question, '/reset',
                          f'/doc {lorvik}', f'/doc {mills}', question], '--reuse', 'segment')
        self.assertEqual(done.code, 0, done.stderr)
        self.assertEqual(done.text.split(), ['clocks', 'clocks'])
        self.assertRegex(done.stderr.splitlines()[-1], r'[1-9]\d* of documents')

    def test_a_backslash_joins_lines(self):
        joined = self.chat(['one\\', 'two'], '-n', 4, model_file=model())
        self.assertEqual(len(re.findall('first token', joined.stderr)), 1)

    def test_scripts_end_with_what_went_wrong(self):
        self.check_error(self.chat(['/nope', 'x'], '-n', 4), 1, '/nope is no command')
        self.check_error(self.chat(['/doc absent.txt'], '-n', 4), 1, 'absent.txt')
        self.check_error(self.chat(['word ' * 400], '-c', 128, model_file=model()), 1, 'context')
        done = self.chat(['/help', '/exit', 'x'], '-n', 4)
        self.assertEqual((done.code, done.text), (0, ''))
        self.assertIn('/reset', done.stderr)


class Terminal:
    """redknot chat on a pseudo terminal; a context manager that ends it."""

    def __init__(self, *arguments):
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (50, 300))
        self.descriptor = ours
        self.process = subprocess.Popen(
            [harness.build_dir / 'redknot', 'chat', *map(str, arguments)],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, 'TERM': 'xterm', 'LC_ALL': 'C.UTF-8'},
            preexec_fn=lambda: (signal.signal(signal.SIGINT, signal.SIG_DFL),
                                os.close(os.open(os.ttyname(theirs), os.O_RDWR))))
        os.close(theirs)
        self.seen = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(harness.TIMEOUT_SECONDS)
        os.close(self.descriptor)

    def until(self, needle):
        """What is shown up to and with the text, which must come."""
        deadline = time.monotonic() + SHOWN_SECONDS
        while needle not in self.seen:
            if time.monotonic() > deadline:
                raise TimeoutError(f'{needle!r} is not in {self.seen!r}')
            self.seen += read_some(self.descriptor, seconds=SHOWN_SECONDS)
        end = self.seen.index(needle) + len(needle)
        shown, self.seen = self.seen[:end], self.seen[end:]
        return shown

    def something(self):
        """Until something more is shown."""
        while not self.seen:
            self.seen += read_some(self.descriptor, seconds=SHOWN_SECONDS)

    def type(self, keys):
        os.write(self.descriptor, keys)

    def code(self):
        return self.process.wait(harness.TIMEOUT_SECONDS)


class Person(Case):
    def test_an_answer_is_stopped_and_a_second_time_ends(self):
        # A context that no answer fills in the time that the test looks at it.
        with Terminal('-m', model(), '--temp', 0, '-c', 32768) as terminal:
            terminal.until(PROMPT)
            terminal.type(b'tell\r')
            terminal.until(b'\x1b[?2004l')
            terminal.something()
            terminal.type(b'\x03')
            terminal.until(b'first token')
            terminal.until(PROMPT)
            terminal.type(b'half a line')
            terminal.until(b'half a line')
            terminal.type(b'\x03\x03')
            self.assertEqual(terminal.code(), 130)

    def test_a_paste_is_one_message_and_lines_are_edited(self):
        with Terminal('-m', READER, '--temp', 0) as terminal:
            terminal.until(PROMPT)
            terminal.type(b'\x1b[200~' + MILLS.encode() + b'\r\x1b[201~')
            terminal.until(b'Lorvik.')
            # The cursor goes to the beginning, and back.
            terminal.type(b' does Harven Mills make?\x01What\x05\r')
            shown = terminal.until(b'first token')
            self.assertNotIn(b'first token', shown[:-len('first token')])
            terminal.until(PROMPT)
            terminal.type(b'\x04')
            self.assertEqual(terminal.code(), 0)

    def test_what_went_wrong_does_not_end_it(self):
        with Terminal('-m', model(), '--temp', 0, '-n', 4) as terminal:
            terminal.until(PROMPT)
            terminal.type(b'/doc absent.txt\r')
            terminal.until(b'absent.txt: No such file')
            terminal.until(PROMPT)
            terminal.type(b'/exit\r')
            self.assertEqual(terminal.code(), 0)


if __name__ == '__main__':
    harness.main()
