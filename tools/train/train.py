#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the default model. Interrupt it at any time; the same command goes on where it was.

Usage: train.py --corpus build/release/corpus --tokenizer FOLDER -o RUN [--recipe cpu] [--seed 1]
"""

import argparse
import json
import pathlib
import signal
import time

import torch
from torch.nn import functional as F

from batches import Corpus, exact_answers, spread_positions
from model import Llama
from optimizer import make_optimizers
from recipes import DENSE, RECIPES

TEXT_SHARE = 0.12  # of the tokens that are no answer, drawn anew for each step: they count, too
TEXT_WEIGHT = 0.3
CHECKPOINT_SECONDS = 300
DRAW_TOKENS = 1 << 20  # sequences are drawn from the corpus about so many tokens at a time


class Run:

    def __init__(self, options):
        self.options = options
        self.recipe = RECIPES[options.recipe]
        self.device = 'cuda' if torch.cuda.is_available() else 'cpu'
        torch.manual_seed(options.seed)
        self.corpus = Corpus(options.corpus, options.tokenizer)
        self.model = Llama(self.recipe.shape).to(self.device)
        self.optimizers = make_optimizers(self.model, self.recipe.learning_rate)
        self.stage, self.stage_tokens, self.tokens, self.draws, self.seconds = 0, 0, 0, 0, 0.0
        options.output.mkdir(parents=True, exist_ok=True)
        self.path = options.output / 'checkpoint.pt'
        self.resume()

    def resume(self):
        if not self.path.exists():
            return
        state = torch.load(self.path, map_location=self.device)
        self.model.load_state_dict(state['model'])
        for optimizer, saved in zip(self.optimizers, state['optimizers']):
            optimizer.load_state_dict(saved)
        for name in ('stage', 'stage_tokens', 'tokens', 'draws', 'seconds'):
            setattr(self, name, state[name])
        print(f'goes on after {self.tokens / 1e6:.2f} M tokens')

    def save(self, path):
        temporary = path.with_suffix('.part')
        torch.save({'model': self.model.state_dict(),
                    'optimizers': [o.state_dict() for o in self.optimizers],
                    'stage': self.stage, 'stage_tokens': self.stage_tokens, 'tokens': self.tokens,
                    'draws': self.draws, 'seconds': self.seconds,
                    'recipe': self.options.recipe, 'seed': self.options.seed}, temporary)
        temporary.replace(path)

    def learning_rate(self):
        recipe = self.recipe
        left = recipe.million_tokens_from(self.stage) - self.stage_tokens / 1e6
        return recipe.learning_rate * min(
            1, (self.tokens / 1e6 + 0.01) / recipe.warmup_million_tokens,
            max(left / recipe.decay_million_tokens, 0.001))

    def batches(self):
        """Endless batches of the current stage, drawn from the corpus in large pieces."""
        stage = self.recipe.stages[self.stage]
        per_batch = max(1, stage.batch_tokens // stage.sequence_tokens)
        count = max(1, DRAW_TOKENS // (per_batch * stage.sequence_tokens)) * per_batch
        while True:
            drawn = self.draw(stage, count)
            for first in range(0, count, per_batch):
                yield [part[first:first + per_batch].to(self.device) for part in drawn]

    def draw(self, stage, count):
        seed = (self.options.seed << 32) + self.draws
        self.draws += 1
        aids = round(stage.aid_share * count)
        parts = [self.corpus.sequences(n, stage.sequence_tokens, mix, seed, style=style)
                 for n, mix, style in ((count - aids, stage.mix, stage.style),
                                       (aids, DENSE, stage.aid)) if n > 0]
        order = torch.randperm(count)
        return [torch.cat(part)[order] for part in zip(*parts)]

    def positions(self, inputs):
        if not self.recipe.stages[self.stage].spread:
            return None
        shape = self.recipe.shape
        return spread_positions(inputs, (shape.document_mark, shape.user_mark), shape.context)

    def loss(self, tokens, answer, padding):
        """Sum over the tokens that count; and of the answers, how many there are and are right."""
        inputs, targets = tokens[:, :-1], tokens[:, 1:]
        answer, padding = answer[:, 1:], padding[:, 1:]
        text = (torch.rand(targets.shape, device=self.device) < TEXT_SHARE) & ~answer & ~padding
        counts = (answer | text).reshape(-1)
        states = self.model(inputs.contiguous(), positions=self.positions(inputs))
        logits = self.model.logits(states[counts])
        weight = torch.where(answer, 1.0, TEXT_WEIGHT).reshape(-1)[counts]
        losses = F.cross_entropy(logits, targets.reshape(-1)[counts], reduction='none')
        right = torch.zeros(targets.shape, dtype=torch.bool, device=self.device)
        right.view(-1)[counts] = logits.detach().argmax(-1) == targets.reshape(-1)[counts]
        answers = exact_answers(right, answer)
        of_answers = losses.detach()[answer.reshape(-1)[counts]]
        return (losses * weight).sum(), float(of_answers.sum()), len(of_answers), *answers

    def step(self, batch):
        tokens, answer, padding = batch
        rows = max(1, self.recipe.micro_batch_tokens // tokens.shape[1])
        weight = float(answer[:, 1:].sum()) + TEXT_SHARE * TEXT_WEIGHT * tokens.numel()
        totals = [0.0, 0, 0, 0]
        for first in range(0, tokens.shape[0], rows):
            loss, *found = self.loss(*(part[first:first + rows] for part in batch))
            (loss / weight).backward()
            totals = [a + b for a, b in zip(totals, found)]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group['lr'] = self.learning_rate()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.tokens += tokens.numel()
        self.stage_tokens += tokens.numel()
        return totals

    def report(self, totals, speed):
        loss_sum, loss_tokens, answers, right = totals
        line = {'million_tokens': round(self.tokens / 1e6, 3),
                'sequence_tokens': self.recipe.stages[self.stage].sequence_tokens,
                'answer_loss': round(loss_sum / max(loss_tokens, 1), 4),
                'answers_right': round(right / max(answers, 1), 4),
                'tokens_per_second': round(speed), 'hours': round(self.seconds / 3600, 3)}
        with open(self.options.output / 'log.jsonl', 'a', encoding='utf-8') as log:
            log.write(json.dumps(line) + '\n')
        print(json.dumps(line), flush=True)

    def train(self):
        while self.stage < min(len(self.recipe.stages), self.options.stages):
            self.train_stage()
            self.stage, self.stage_tokens = self.stage + 1, 0
            self.save(self.path)
            self.save(self.options.output / f'stage{self.stage}.pt')

    def train_stage(self, report_steps=80):
        stage = self.recipe.stages[self.stage]
        batches = self.batches()
        totals, tokens, started, saved = [0.0, 0, 0, 0], 0, time.time(), time.time()
        for number in range(1, 1 << 60):
            if self.stage_tokens >= stage.million_tokens * 1e6:
                return
            batch = next(batches)
            totals = [a + b for a, b in zip(totals, self.step(batch))]
            tokens += batch[0].numel()
            if number % report_steps == 0:
                now = time.time()
                self.seconds += now - started
                self.report(totals, tokens / (now - started))
                if totals[3] >= stage.goal * totals[2]:
                    return
                totals, tokens, started = [0.0, 0, 0, 0], 0, now
            if time.time() - saved > CHECKPOINT_SECONDS:
                self.save(self.path)
                saved = time.time()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--corpus', required=True, help='the corpus binary')
    parser.add_argument('--tokenizer', required=True, help='folder with tokenizer.json')
    parser.add_argument('-o', '--output', required=True, type=pathlib.Path,
                        help='folder for checkpoint.pt and log.jsonl')
    parser.add_argument('--recipe', choices=RECIPES, default='cpu')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--stages', type=int, default=1000,
                        help='stop after so many stages; the same command with more goes on')
    parser.add_argument('--threads', type=int, default=0, help='0: as PyTorch chooses')
    options = parser.parse_args()
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    run = Run(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run.train()
    except KeyboardInterrupt:
        run.save(run.path)
        print(f'stopped after {run.tokens / 1e6:.2f} M tokens; the same command goes on')


if __name__ == '__main__':
    main()
