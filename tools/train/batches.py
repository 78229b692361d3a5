# SPDX-License-Identifier: Apache-2.0
"""Sequences from the corpus tool as tensors."""

import subprocess

import numpy
import torch

ANSWER = 0x8000
PADDING = 0xFFFF


class Corpus:
    """Draws sequences; equal arguments give equal sequences."""

    def __init__(self, binary, tokenizer):
        self.command = [str(binary), '--tokenizer', str(tokenizer)]

    def sequences(self, count, length, mix, seed, split='train', style='prose', turns=1000):
        """[count, length] each: tokens int64, answer bool, padding bool."""
        command = self.command + [
            '--sequence-tokens', str(length), '-n', str(count), '--mix', mix, '--seed', str(seed),
            '--split', split, '--turns', str(turns), '--style', style]
        raw = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        entries = torch.from_numpy(numpy.frombuffer(raw, '<u2').astype(numpy.int64))
        entries = entries.view(count, length)
        padding = entries == PADDING
        answer = ((entries & ANSWER) != 0) & ~padding
        tokens = torch.where(padding, torch.zeros_like(entries), entries & (ANSWER - 1))
        return tokens, answer, padding


def spread_positions(tokens, marks, context):
    """tokens [B, T] -> positions [B, T] below `context`, with gaps of random length before `marks`.

    A short sequence then trains the distances of a long one (Zhu et al., "PoSE", 2023)."""
    batch, length = tokens.shape
    device = tokens.device
    weights = torch.zeros(batch, length, device=device)
    for mark in marks:
        weights[tokens == mark] = 1
    weights *= torch.empty(batch, length, device=device).exponential_()
    parts = torch.cumsum(weights, 1)
    gaps = torch.rand(batch, 1, device=device) * max(context - length, 0)
    gone = (parts / parts[:, -1:].clamp(min=1e-9) * gaps).long()
    return torch.arange(length, device=device) + gone


def exact_answers(right, answer):
    """right, answer [B, T] bool: how many answers there are, how many have every token right."""
    before = torch.nn.functional.pad(answer, (1, 0))[:, :-1]
    number = torch.cumsum((answer & ~before).reshape(-1), 0) - 1
    count = int(number[-1]) + 1
    wrong = torch.zeros(max(count, 1), dtype=torch.long)
    flat = answer.reshape(-1)
    wrong.index_add_(0, number[flat].cpu(), (~right.reshape(-1)[flat]).long().cpu())
    return count, int((wrong[:count] == 0).sum())
