# SPDX-License-Identifier: Apache-2.0
"""The Llama architecture in plain PyTorch (1.13 and later): RMS norm, RoPE, grouped-query
attention, SwiGLU, tied embeddings. Matrix products run in bfloat16, everything else in float32.

On the CPU attention goes through blocks of queries, so that the scores of a block stay in the
cache; where PyTorch has scaled_dot_product_attention and a GPU, that is used.
"""

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional as F

QUERY_BLOCK = 128


@dataclasses.dataclass
class Shape:
    vocabulary: int = 2048
    hidden_size: int = 256
    layers: int = 6
    query_heads: int = 8
    kv_heads: int = 4
    head_dim: int = 64
    intermediate_size: int = 384
    rope_base: float = 1e6
    context: int = 4352
    norm_epsilon: float = 1e-5

    @property
    def document_mark(self):
        return self.vocabulary - 3

    @property
    def user_mark(self):
        return self.vocabulary - 2


class BlockedAttention(torch.autograd.Function):
    """Causal attention. q [N, G, T, D], scaled already, k and v [N, T, D]: N = batch x KV heads, G
    queries each. Probabilities are made again in the backward pass instead of being kept."""

    @staticmethod
    def blocks(q, k):
        """(queries' first, last, probabilities [N, G * (last - first), last])"""
        count, group, tokens, dim = q.shape
        for first in range(0, tokens, QUERY_BLOCK):
            last = min(first + QUERY_BLOCK, tokens)
            rows = q[:, :, first:last].reshape(count, group * (last - first), dim)
            scores = torch.bmm(rows, k[:, :last].transpose(1, 2))
            hidden = torch.ones(last - first, last - first, dtype=torch.bool).triu(1)
            scores.view(count, group, last - first, last)[..., first:].masked_fill_(
                hidden, float('-inf'))
            yield first, last, rows, scores.softmax(-1)

    @staticmethod
    def forward(ctx, q, k, v):
        out = torch.empty_like(q)
        for first, last, _, p in BlockedAttention.blocks(q, k):
            block = torch.bmm(p, v[:, :last])
            out[:, :, first:last] = block.view(*q.shape[:2], last - first, q.shape[3])
        ctx.save_for_backward(q, k, v, out)
        return out

    @staticmethod
    def backward(ctx, d_out):
        q, k, v, out = ctx.saved_tensors
        count, group, _, dim = q.shape
        d_q = torch.empty_like(q)
        d_k, d_v = torch.zeros(k.shape), torch.zeros(v.shape)
        inner = (d_out.float() * out.float()).sum(-1).to(q.dtype)
        for first, last, rows, p in BlockedAttention.blocks(q, k):
            d_rows = d_out[:, :, first:last].reshape(count, -1, dim)
            d_v[:, :last] += torch.bmm(p.transpose(1, 2), d_rows)
            d_s = torch.bmm(d_rows, v[:, :last].transpose(1, 2))
            d_s.sub_(inner[:, :, first:last].reshape(count, -1, 1)).mul_(p)
            d_q[:, :, first:last] = torch.bmm(d_s, k[:, :last]).view(count, group, -1, dim)
            d_k[:, :last] += torch.bmm(d_s.transpose(1, 2), rows)
        return d_q, d_k.to(k.dtype), d_v.to(v.dtype)


def attend(q, k, v, mask):
    """q [B, Hq, T, D], scaled already, k and v [B, Hkv, T, D] -> [B, Hq, T, D].

    mask: None for causal, or [B, T, T], true where a token may look (evaluation only)."""
    batch, query_heads, tokens, dim = q.shape
    group = query_heads // k.shape[1]
    if mask is None and not q.is_cuda:
        out = BlockedAttention.apply(q.reshape(-1, group, tokens, dim), k.reshape(-1, tokens, dim),
                                     v.reshape(-1, tokens, dim))
        return out.view(batch, query_heads, tokens, dim)
    k, v = (x.repeat_interleave(group, dim=1) for x in (k, v))
    if mask is None:
        return F.scaled_dot_product_attention(q * dim**0.5, k, v, is_causal=True)
    scores = (q @ k.transpose(2, 3)).float()
    scores = scores.masked_fill(~mask[:, None], float('-inf'))
    return scores.softmax(-1).to(v.dtype) @ v


class Layer(nn.Module):

    def __init__(self, shape):
        super().__init__()
        heads = shape.query_heads * shape.head_dim
        self.attention_norm = nn.Parameter(torch.ones(shape.hidden_size))
        self.qkv = nn.Parameter(
            torch.empty(heads + 2 * shape.kv_heads * shape.head_dim, shape.hidden_size))
        self.output = nn.Parameter(torch.empty(shape.hidden_size, heads))
        self.ffn_norm = nn.Parameter(torch.ones(shape.hidden_size))
        self.gate_up = nn.Parameter(torch.empty(2 * shape.intermediate_size, shape.hidden_size))
        self.down = nn.Parameter(torch.empty(shape.hidden_size, shape.intermediate_size))


class Llama(nn.Module):

    def __init__(self, shape, dtype=torch.bfloat16):
        super().__init__()
        self.shape = shape
        self.dtype = dtype
        self.embedding = nn.Parameter(torch.empty(shape.vocabulary, shape.hidden_size))
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.hidden_size))
        self.reset()

    def reset(self):
        for name, weight in self.named_parameters():
            if weight.dim() < 2:
                continue
            spread = 0.02 if name == 'embedding' else weight.shape[1]**-0.5
            if name.endswith(('output', 'down')):
                spread /= math.sqrt(2 * self.shape.layers)
            nn.init.normal_(weight, std=spread)

    def product(self, x, weight):
        return F.linear(x.to(self.dtype), weight.to(self.dtype)).float()

    def normed(self, x, weight):
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + self.shape.norm_epsilon)
        return x * scale * weight

    def rope_table(self, positions):
        """positions [B or 1, T] -> cos and sin [B or 1, 1, T, head_dim / 2]"""
        half = self.shape.head_dim // 2
        powers = torch.arange(half, device=positions.device, dtype=torch.float64) / half
        angles = positions[:, None, :, None] * self.shape.rope_base**-powers
        return angles.cos().float(), angles.sin().float()

    def heads(self, layer, x, table, batch):
        shape = self.shape
        cos, sin = table
        qkv = self.product(self.normed(x, layer.attention_norm), layer.qkv)
        qkv = qkv.view(batch, -1, shape.query_heads + 2 * shape.kv_heads, shape.head_dim)
        qkv = qkv.transpose(1, 2)
        rotated = shape.query_heads + shape.kv_heads
        low, high = qkv[:, :rotated].chunk(2, -1)
        qk = torch.cat([low * cos - high * sin, high * cos + low * sin], -1)
        return ((qk[:, :shape.query_heads] * shape.head_dim**-0.5).to(self.dtype),
                qk[:, shape.query_heads:].to(self.dtype), qkv[:, rotated:].to(self.dtype))

    def after_attention(self, layer, x, heads):
        """x [B * T, hidden_size], heads [B, Hq, T, D] -> the layer's output [B * T, hidden_size]"""
        x = x + self.product(heads.transpose(1, 2).reshape(x.shape[0], -1), layer.output)
        gate, up = self.product(self.normed(x, layer.ffn_norm), layer.gate_up).chunk(2, -1)
        return x + self.product(F.silu(gate) * up, layer.down)

    def forward(self, tokens, mask=None, positions=None):
        """tokens, positions [B, T] -> normed states [B * T, hidden_size]; `logits` makes logits of
        them.

        Without positions they are 0, 1, 2, ..."""
        batch, length = tokens.shape
        x = self.embedding[tokens.reshape(-1)]
        if positions is None:
            positions = torch.arange(length, device=tokens.device)[None]
        table = self.rope_table(positions)
        for layer in self.layers:
            q, k, v = self.heads(layer, x, table, batch)
            x = self.after_attention(layer, x, attend(q, k, v, mask))
        return self.normed(x, self.norm)

    def logits(self, states):
        return self.product(states, self.embedding)


def load_model(path, dtype=torch.float32):
    """The model of a training checkpoint."""
    from recipes import RECIPES  # pylint: disable=import-outside-toplevel
    state = torch.load(path, map_location='cpu')
    model = Llama(RECIPES[state['recipe']].shape, dtype)
    model.load_state_dict(state['model'])
    return model.eval()
