# SPDX-License-Identifier: Apache-2.0
"""Muon (Jordan et al., 2024) for the matrices of the layers, AdamW for embeddings and norms.

A Muon step goes along the orthogonalised momentum, scaled to the size of an AdamW step (Liu et al.,
"Muon is scalable for LLM training", 2025), so that both share one learning rate.
"""

import torch

MOMENTUM = 0.95
WEIGHT_DECAY = 0.1
STEP_SIZE = 0.2  # root mean square of an update, in learning rates


def orthogonal(matrices, steps=5):
    """[N, rows, columns]: about U V^T of each singular value decomposition, by Newton-Schulz."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    wide = x.shape[1] <= x.shape[2]
    x = x if wide else x.transpose(1, 2)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide else x.transpose(1, 2)).float()


class Muon(torch.optim.Optimizer):
    """Each group holds matrices of one shape."""

    def __init__(self, groups, lr):
        super().__init__([{'params': group} for group in groups], {'lr': lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            nesterov = []
            for weight in group['params']:
                momentum = self.state[weight].setdefault('momentum', torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 1 - MOMENTUM)
                nesterov.append(weight.grad.lerp(momentum, MOMENTUM))
            for weight, direction in zip(group['params'], orthogonal(torch.stack(nesterov))):
                weight.mul_(1 - group['lr'] * WEIGHT_DECAY)
                weight.add_(direction, alpha=-group['lr'] * STEP_SIZE * max(weight.shape)**0.5)


def make_optimizers(model, learning_rate):
    names = ('qkv', 'output', 'gate_up', 'down')
    matrices = [[getattr(layer, name) for layer in model.layers] for name in names]
    others = [w for name, w in model.named_parameters() if w.dim() < 2 or name == 'embedding']
    return [Muon(matrices, learning_rate),
            torch.optim.AdamW(others, learning_rate, betas=(0.9, 0.95), weight_decay=0)]
