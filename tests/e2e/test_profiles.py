# SPDX-License-Identifier: Apache-2.0
"""Head profiles: made, imported, run with, compared with dense attention, counted in sessions."""

import json
import os
import signal
import subprocess
from xml.etree import ElementTree

import harness
from harness import Case, model, redknot, scratch, start, end, write

LAYERS, KV_HEADS = 3, 2  # of tiny-llama
SVG = '{http://www.w3.org/2000/svg}'
SMALL = ['--page-tokens', 16, '--sequences', 2, '--window', 16]


def book():
    lines = (f'The {i} knots hold {i * 7 % 31} ropes.' for i in range(400))
    return write('book.txt', ' '.join(lines))


def head_map(name, classes, windows=None):
    """A file in the paper's format: classes by layer and KV head."""
    shape = {'num_layers': len(classes), 'num_kv_heads': len(classes[0]),
             'kv_head_classification': classes,
             'kv_head_max_distance': windows or [[32 if c == 'local' else -1 for c in row]
                                                 for row in classes]}
    return write(name, json.dumps(shape))


def imported(name, classes, dtype='F32'):
    """The path of an imported profile of the model."""
    path = scratch / f'{name}.profile.json'
    done = redknot('profile', '-m', model(dtype), '-o', path, '--import',
                   head_map(f'{name}.map.json', classes))
    assert done.code == 0, done.stderr
    return path


def all_global(**options):
    return imported('all_global', [['global'] * KV_HEADS] * LAYERS, **options)


def half_local(**options):
    return imported('half_local', [['global', 'local']] * LAYERS, **options)


def half_retrieval(top_pages, **options):
    """Every other head selects so many pages beside a window of one page."""
    path = scratch / f'retrieval{top_pages}.profile.json'
    profile = json.loads(half_local(**options).read_text())
    for head in profile['heads']:
        if head['class'] == 'local':
            head.update({'class': 'retrieval', 'sink': 4, 'window': 16, 'top_pages': top_pages})
    path.write_text(json.dumps(profile))
    return path


class Make(Case):
    def make(self, name, *options, context=256):
        path = scratch / name
        done = self.run_ok('profile', '-m', model(), '-o', path, *SMALL, '-c', context, *options)
        self.assertFalse((scratch / (name + '.partial')).exists())
        return done, json.loads(path.read_text())

    def test_from_files(self):
        done, profile = self.make('files.json', '--text', book(), '--budget-kld', 0.01)
        self.assertEqual(len(profile['heads']), LAYERS * KV_HEADS)
        self.assertIn('book.txt', profile['search']['text'])
        self.assertNotEqual(profile['search']['sha256'], profile['validation']['sha256'])
        self.assertEqual(profile['search']['curve'][0]['kl_mean'], 0)
        validation = profile['validation']
        self.assertLessEqual(validation['kv_bytes'], validation['dense_f16_bytes'])
        for head in profile['heads']:
            self.assertAlmostEqual(sum(head['evidence']['mass']), 1, places=3)
        self.assertRegex(done.text, r'Validation +KL mean \d')

    def test_of_quantised_weights_says_what_it_costs_as_served(self):
        arguments = ['profile', '-m', model('Q8_0'), *SMALL, '-c', 256, '--text', book()]
        done = self.run_ok(*arguments, '-o', scratch / 'served.json')
        self.assertRegex(done.text, r'As served +KL mean \d\.\d+ nats with activations 8')
        done = self.run_ok(*arguments, '-o', scratch / 'served.json', '--activations', 8)
        self.assertNotIn('As served', done.text)

    def test_from_made_documents(self):
        _, profile = self.make('made.json', context=1500)
        self.assertIn('made documents', profile['search']['text'])

    def test_equal_options_give_equal_profiles(self):
        first = self.make('one.json', '--text', book(), '-t', 1)[1]
        self.assertEqual(self.make('two.json', '--text', book(), '-t', 2)[1], first)

    def test_goes_on_where_it_was_interrupted(self):
        options = ['profile', '-m', model(), '--text', book(), '-c', 512, '-t', 1, *SMALL]
        path = scratch / 'resumed.json'
        partial = scratch / 'resumed.json.partial'
        process = start(*options, '-o', path)
        self.assertTrue(harness.becomes_true(
            lambda: process.poll() is not None or
            partial.exists() and len(partial.read_text().splitlines()) >= 3))
        process.send_signal(signal.SIGINT)
        self.assertEqual(end(process).code, 130)
        self.assertFalse(path.exists())
        resumed = self.run_ok(*options, '-o', path)
        self.assertRegex(resumed.stderr, r'profile: [1-9]\d* of \d+ measurements were in')
        whole = scratch / 'whole.json'
        self.run_ok(*options, '-o', whole)
        self.assertEqual(path.read_text(), whole.read_text())

    def test_what_cannot_be_measured_is_said(self):
        short = write('short.txt', 'too short')
        self.check_error(redknot('profile', '-m', model(), '-o', scratch / 'x', '--text', short), 1,
                         'cut text', 'tokens of text')
        self.check_error(redknot('profile', '-m', model(), '-o', scratch / 'no' / 'x'), 1, 'no/x')
        notes = write('y.partial', 'my notes')
        self.check_error(redknot('profile', '-m', model(), '-o', scratch / 'y', *SMALL, '--text',
                                 book()), 1, 'y.partial')
        self.assertEqual(notes.read_text(), 'my notes')


class Use(Case):
    def logits(self, name, *options):
        path = scratch / name
        prompt = write('prompt.txt', book().read_text()[:1500])
        self.run_ok('run', '-m', model(), '-f', prompt, '-n', 4, '--temp', 0, '--no-perf',
                    '--kv', 'f16', '--logits', path, '--seed', 1, *options)
        return path.read_bytes()

    def test_an_all_global_profile_changes_no_bit(self):
        self.assertEqual(self.logits('g.npy', '--profile', all_global()), self.logits('d.npy'))

    def test_a_profile_with_windows_changes_the_answer_and_says_so(self):
        self.assertNotEqual(self.logits('l.npy', '--profile', half_local()), self.logits('d.npy'))
        done = self.run_ok('run', '-m', model(), '-p', 'a', '-n', 1, '--verbose', '--profile',
                           half_local())
        self.assertIn('3 global, 3 local and 0 retrieval heads', done.stderr)
        self.assertIn('not validated', done.stderr)

    def test_inspect_shows_what_heads_keep(self):
        arguments = ['inspect', model(), '-c', '1024', '--page-tokens', 16, '--profile',
                     half_local()]
        heads = self.run_ok(*arguments, '--json').json['heads']
        self.assertEqual([head['class'] for head in heads], ['global', 'local'] * LAYERS)
        self.assertEqual(heads[0]['bytes'] // heads[1]['bytes'], 64 // (1 + 3))
        self.assertRegex(self.run_ok(*arguments).text, r'layer 0 .* global f16 +4\+32 f16')

    def test_retrieval_heads_that_may_select_every_page_change_no_bit(self):
        pages = ['--page-tokens', 16]
        dense = self.logits('d16.npy', *pages)
        self.assertEqual(self.logits('r.npy', *pages, '--profile', half_retrieval(1000)), dense)
        self.assertNotEqual(self.logits('r2.npy', *pages, '--profile', half_retrieval(2)), dense)

    def test_retrieval_heads_keep_all_pages_and_their_bounds(self):
        arguments = ['inspect', model(), '-c', '1024', '--page-tokens', 16, '--profile']
        heads = self.run_ok(*arguments, half_retrieval(3), '--json').json['heads']
        self.assertEqual([head['class'] for head in heads], ['global', 'retrieval'] * LAYERS)
        self.assertEqual(heads[1]['top_pages'], 3)
        # 64 pages of 16 keys and values of 32 halves, and two halves for each of 32 elements.
        self.assertEqual([head['bytes'] for head in heads[:2]], [64 * (16 * 32 * 2 * 2 + 128)] * 2)
        self.assertRegex(self.run_ok(*arguments, half_retrieval(3)).text,
                         r'layer 0 .* global f16 +4\+16\+3p f16')
        none = half_retrieval(0)
        self.check_error(redknot('run', '-m', model(), '-p', 'a', '--profile', none), 1,
                         'top_pages')

    def test_bench_runs_with_it(self):
        done = self.run_ok('bench', '-m', model(), '-p', 64, '-n', 4, '-d', '0,500', '-r', 1,
                           '--page-tokens', 16, '--profile', half_local())
        self.assertEqual(len([line for line in done.text.splitlines()
                              if line.startswith(('prefill', 'decode'))]), 4)

    def test_wrong_profiles_are_refused(self):
        other = redknot('run', '-m', model(seed=2), '-p', 'a', '--profile', half_local())
        self.check_error(other, 1, 'another model', 'redknot profile')
        text = half_local().read_text().replace('"window":32', '"window":-1')
        damaged = write('damaged.json', text)
        self.check_error(redknot('run', '-m', model(), '-p', 'a', '--profile', damaged), 1,
                         'damaged.json', 'window')
        self.check_error(redknot('run', '-m', model(), '-p', 'a', '--profile', scratch / 'none'), 1,
                         'none')
        shape = head_map('shape.json', [['global'] * KV_HEADS] * (LAYERS + 1))
        other = redknot('profile', '-m', model(), '-o', scratch / 'z', '--import', shape)
        self.check_error(other, 1, 'shape.json', '4 layers x 2')


class Compare(Case):
    def report(self, *arguments, dtype='F32'):
        path = scratch / 'arms.json'
        done = self.run_ok('eval', '-m', model(dtype), '--json', path, *arguments)
        return done, json.loads(path.read_text())

    def test_a_profile_is_carried_to_other_weights_of_the_model(self):
        path = scratch / 'carried.json'
        done = self.run_ok('profile', '-m', model('Q8_0'), '-o', path, '--carry', half_local())
        self.assertIn('not validated', done.text)
        carried, original = json.loads(path.read_text()), json.loads(half_local().read_text())
        self.assertEqual(carried['heads'], original['heads'])
        self.assertNotEqual(carried['model'], original['model'])
        self.report('--suite', 'text', '--file', book(), '--context', 256, '-n', 2, '--profile',
                    path, dtype='Q8_0')
        self.assertIn('validation', json.loads(path.read_text()))

    def test_all_arms_are_held_against_dense(self):
        done, report = self.report('--kinds', 'passkey,one_hop', '--context', 300, '-n', 3,
                                   '--profile', all_global(), '--profile', half_local())
        names = ['noise (f32)', 'q8', 'all_global.profile', 'half_local.profile']
        self.assertEqual([arm['arm'] for arm in report['arms']], names)
        self.assertEqual([row['arm'] for row in report['rows']],
                         [name for name in ['dense', *names] for _ in range(2)])
        noise, q8, same, local = report['arms']
        self.assertGreater(noise['kl_mean'], 0)  # a rerun would be equal bit for bit
        self.assertEqual(noise['kv_bytes'], 2 * noise['kv_bytes_dense'])
        self.assertEqual((same['kl_mean'], same['kl_p999'], same['perplexity_ratio']), (0, 0, 1))
        self.assertEqual((same['same_top1'], same['greedy_agreement']), (1, 1))
        self.assertEqual((same['accuracy_difference'], same['accuracy_difference_ci95']),
                         (0, [0, 0]))
        self.assertEqual(same['kv_bytes'], same['kv_bytes_dense'])
        self.assertGreater(q8['kl_mean'], 0)
        self.assertGreater(local['kl_mean'], q8['kl_mean'])
        self.assertLess(local['kv_bytes'], local['kv_bytes_dense'])
        for row in report['rows'][2:]:
            low, high = row['difference_ci95']
            self.assertTrue(low <= row['difference'] <= high)
        self.assertRegex(done.text, r'(?m)^half_local\.profile +\d+\.\d % ')
        self.assertRegex(done.text, r'(?m)^all together: [+-]\d')

    def test_text(self):
        _, report = self.report('--suite', 'text', '--file', book(), '--context', 256, '-n', 4,
                                '--profile', half_local())
        self.assertEqual(report['rows'], [])
        self.assertGreater(report['dense_perplexity'], 1)
        self.assertEqual(report['arms'][0]['positions'], 4 * 128)
        self.assertIsNone(report['arms'][0]['greedy_agreement'])
        self.assertIsNone(report['arms'][0]['accuracy_difference'])

    def test_perplexity_of_a_text_needs_no_profile(self):
        done, report = self.report('--suite', 'text', '--file', book(), '--context', 256, '-n', 2)
        self.assertEqual([arm['arm'] for arm in report['arms']], ['noise (f32)', 'q8'])
        self.assertGreater(report['dense_perplexity'], 1)
        self.assertRegex(done.text, r'dense perplexity \d')

    def test_formats_are_compared_without_a_profile(self):
        _, report = self.report('--kinds', 'passkey', '--context', 300, '-n', 2, '--kv',
                                'q8,k8v4,f16')
        self.assertEqual([arm['arm'] for arm in report['arms']], ['noise (f32)', 'q8', 'k8v4'])
        self.assertEqual([row['arm'] for row in report['rows']],
                         ['dense', 'noise (f32)', 'q8', 'k8v4'])

    def test_exact_activations_have_a_lower_floor(self):
        text = ['--suite', 'text', '--file', book(), '--context', 256, '-n', 2]
        floors = [self.report(*text, '--activations', activations, dtype='Q8_0')[1]['arms'][0]
                  ['kl_mean'] for activations in ('8', '16', 'exact')]
        self.assertLess(floors[1], floors[0])
        self.assertLess(floors[2], floors[0])

    def test_a_head_map_is_validated_by_measuring_it(self):
        path = scratch / 'fresh.json'
        path.write_text(half_local().read_text())
        arguments = ['--suite', 'text', '--file', book(), '--context', 256, '-n', 4,
                     '--profile', path]
        done, report = self.report(*arguments)
        self.assertIn('fresh.json', done.stderr)
        written = json.loads(path.read_text())
        arm = report['arms'][2]
        self.assertAlmostEqual(written['validation']['kl_mean'], arm['kl_mean'], places=4)
        self.assertEqual(written['validation']['kv_bytes'], arm['kv_bytes'])
        self.assertEqual(written['validation']['context_tokens'], 256)
        self.assertIn('suite text', written['validation']['text'])
        self.assertIn(book().name, written['validation']['text'])
        use = self.run_ok('run', '-m', model(), '-p', 'a', '-n', 1, '--verbose', '--profile', path)
        self.assertNotIn('not validated', use.stderr)
        self.assertIn('validated up to 256 tokens', use.stderr)
        fewer = [*arguments[:-3], 2, *arguments[-2:]]
        self.report(*fewer)  # fewer positions replace nothing, more do
        self.assertEqual(json.loads(path.read_text()), written)
        more = [*arguments[:-3], 8, *arguments[-2:]]
        self.report(*more)
        self.assertEqual(json.loads(path.read_text())['validation']['positions'], 8 * 128)
        if os.geteuid() != 0:
            path.chmod(0o400)
            self.assertIn('stays as it is', self.report(*more[:-3], 9, *more[-2:])[0].stderr)

    def test_report_is_drawn(self):
        made = scratch / 'drawn.json'
        self.run_ok('profile', '-m', model(), '-o', made, '-c', 512, '--text', book(), *SMALL)
        folder = scratch / 'a' / 'report'
        self.report('--suite', 'text', '--file', book(), '--context', 256, '-n', 2, '--profile',
                    made, '--profile', half_local(), '--report', folder)
        self.assertEqual(sorted(file.name for file in folder.iterdir()),
                         ['heads.svg', 'index.html', 'kl.svg', 'mass.svg'])
        for name in ('heads.svg', 'kl.svg', 'mass.svg'):
            titles = [title.text for title in ElementTree.parse(folder / name).iter(SVG + 'title')]
            self.assertTrue(titles)
        heads = (folder / 'heads.svg').read_text()
        for layer in range(LAYERS):
            for kv_head in range(KV_HEADS):
                self.assertIn(f'layer {layer}, KV head {kv_head}: ', heads)
        self.assertIn('local 4+32, f16', heads)
        self.assertIn('half_local', (folder / 'index.html').read_text())
        unwritable = redknot('eval', '-m', model(), '--suite', 'text', '--file', book(),
                             '--context', 256, '-n', 1, '--profile', half_local(), '--report',
                             half_local() / 'x')
        self.check_error(unwritable, 1, 'half_local.profile.json/x')

    def test_wrong_combinations(self):
        for options, needle in [
                (['--report', scratch / 'r'], '--report needs a --profile'),
                (['--suite', 'text'], 'a file is required')]:
            self.check_error(redknot('eval', '-m', model(), *options), 2, needle)


class Capacity(Case):
    def test_sessions_are_counted_in_a_pool(self):
        done = self.run_ok('capacity', '-m', model(), '--profile', half_local(), '--context', 1600,
                           '--kv-memory', '8M', '--page-tokens', 16, '-b', 64, '--json').json
        dense, profile = done['bytes_per_session']['dense'], done['bytes_per_session']['profile']
        self.assertEqual(done['dense_sessions'], (8 << 20) // dense)
        self.assertLess(profile, 0.55 * dense)
        self.assertGreater(done['profile_sessions'], 1.6 * done['dense_sessions'])
        self.assertLessEqual(done['profile_sessions'] * profile, 8 << 20)

    def test_heads_of_qwen3_32b_hold_six_times_the_sessions(self):
        shape = model('Q8_0', shape='qwen3-32b-heads')
        tool = harness.ROOT / 'tools' / 'head_map.py'
        made = subprocess.run([tool, '--layers', '64', '--kv-heads', '8'], check=True,
                              capture_output=True, text=True,
                              timeout=harness.TIMEOUT_SECONDS)
        profile = scratch / 'qwen.profile.json'
        self.run_ok('profile', '-m', shape, '-o', profile, '--import',
                    write('qwen.map.json', made.stdout))
        done = self.run_ok('capacity', '-m', shape, '--profile', profile, '--context', 32768,
                           '--kv-memory', '512M', '--json').json
        self.assertEqual(done['dense_sessions'], 1)
        self.assertGreaterEqual(done['profile_sessions'], 6)

    def test_too_little_memory_holds_no_session(self):
        for bytes_given in ('1', '4K'):
            arguments = ['capacity', '-m', model(), '--profile', half_local(), '--context', 1600,
                         '--kv-memory', bytes_given]
            done = self.run_ok(*arguments, '--json').json
            self.assertEqual((done['dense_sessions'], done['profile_sessions']), (0, 0))
            self.assertNotIn('times', self.run_ok(*arguments).text)

    def test_amounts_of_memory_are_checked(self):
        for bytes_given in ('0', '-1', '4X', 'G', '99999999999T'):
            done = redknot('capacity', '-m', model(), '--profile', half_local(), '--context', 1600,
                           '--kv-memory', bytes_given)
            self.check_error(done, 2, '--kv-memory')


if __name__ == '__main__':
    harness.main()
