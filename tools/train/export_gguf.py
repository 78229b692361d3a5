#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a training checkpoint as a GGUF file in half precision.

Usage: export_gguf.py --checkpoint RUN/checkpoint.pt --tokenizer FOLDER -o MODEL.gguf [--name NAME]
"""

import argparse
import json
import pathlib
import struct

import numpy

from model import load_model

ALIGNMENT = 32
F32, F16 = 0, 1
UINT32, FLOAT32, BOOL, STRING, ARRAY, INT32 = 4, 6, 7, 8, 9, 5
NORMAL, CONTROL = 1, 3  # token types

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ '<|system|> ' + message.content | trim + '<|end|>' }}"
    "{% if documents and loop.first %}"
    "{% for document in documents %}{{ '<|document|> ' + document.text | trim }}{% endfor %}"
    "{% endif %}"
    "{% elif message.role == 'user' %}"
    "{% if documents and loop.first %}"
    "{% for document in documents %}{{ '<|document|> ' + document.text | trim }}{% endfor %}"
    "{% endif %}"
    "{{ '<|user|> ' + message.content | trim }}"
    "{% elif message.role == 'assistant' %}"
    "{{ '<|assistant|> ' + message.content | trim + '<|end|>' }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}")


def text(value):
    raw = value.encode()
    return struct.pack('<Q', len(raw)) + raw


def scalar(kind, value):
    return text(value) if kind == STRING else struct.pack(
        {UINT32: '<I', INT32: '<i', FLOAT32: '<f', BOOL: '<?'}[kind], value)


def entry(key, kind, value, items=None):
    """One metadata entry; items: the type of an array's elements."""
    head = text(key) + struct.pack('<I', kind)
    if items is None:
        return head + scalar(kind, value)
    return head + struct.pack('<IQ', items, len(value)) + b''.join(scalar(items, v) for v in value)


def tokenizer_entries(folder):
    description = json.loads((folder / 'tokenizer.json').read_text(encoding='utf-8'))
    ids = dict(description['model']['vocab'])
    special = {token['content']: token['id'] for token in description['added_tokens']}
    ids.update(special)
    tokens = sorted(ids, key=ids.get)
    return [
        entry('tokenizer.ggml.model', STRING, 'gpt2'),
        entry('tokenizer.ggml.pre', STRING, 'qwen2'),
        entry('tokenizer.ggml.tokens', ARRAY, tokens, STRING),
        entry('tokenizer.ggml.token_type', ARRAY,
              [CONTROL if token in special else NORMAL for token in tokens], INT32),
        entry('tokenizer.ggml.merges', ARRAY, description['model']['merges'], STRING),
        entry('tokenizer.ggml.bos_token_id', UINT32, special['<s>']),
        entry('tokenizer.ggml.eos_token_id', UINT32, special['<|end|>']),
        entry('tokenizer.ggml.add_bos_token', BOOL, True),
        entry('tokenizer.chat_template', STRING, CHAT_TEMPLATE),
    ]


def model_entries(shape, name):
    return [
        entry('general.architecture', STRING, 'llama'),
        entry('general.name', STRING, name),
        entry('general.license', STRING, 'apache-2.0'),
        entry('general.alignment', UINT32, ALIGNMENT),
        entry('general.file_type', UINT32, F16),
        entry('llama.block_count', UINT32, shape.layers),
        entry('llama.context_length', UINT32, shape.context),
        entry('llama.embedding_length', UINT32, shape.hidden_size),
        entry('llama.feed_forward_length', UINT32, shape.intermediate_size),
        entry('llama.attention.head_count', UINT32, shape.query_heads),
        entry('llama.attention.head_count_kv', UINT32, shape.kv_heads),
        entry('llama.attention.key_length', UINT32, shape.head_dim),
        entry('llama.attention.value_length', UINT32, shape.head_dim),
        entry('llama.attention.layer_norm_rms_epsilon', FLOAT32, shape.norm_epsilon),
        entry('llama.rope.dimension_count', UINT32, shape.head_dim),
        entry('llama.rope.freq_base', FLOAT32, shape.rope_base),
        entry('llama.vocab_size', UINT32, shape.vocabulary),
    ]


def interleaved(weight, heads):
    """A head's rows, first half and second half, as neighbouring pairs: GGUF's order."""
    rows, hidden_size = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, hidden_size)
    return halves.swapaxes(1, 2).reshape(rows, hidden_size)


def tensors(model):
    """(name, array) in the order of the file; matrices in half precision."""
    shape = model.shape
    arrays = {name: weight.detach().numpy() for name, weight in model.named_parameters()}
    yield 'token_embd.weight', arrays['embedding'].astype('<f2')
    queries, keys = shape.query_heads * shape.head_dim, shape.kv_heads * shape.head_dim
    for i in range(shape.layers):
        layer = {name: arrays[f'layers.{i}.{name}'] for name in (
            'attention_norm', 'qkv', 'output', 'ffn_norm', 'gate_up', 'down')}
        q, k, v = numpy.split(layer['qkv'], [queries, queries + keys])
        gate, up = numpy.split(layer['gate_up'], 2)
        parts = {'attn_q': interleaved(q, shape.query_heads),
                 'attn_k': interleaved(k, shape.kv_heads), 'attn_v': v,
                 'attn_output': layer['output'], 'ffn_gate': gate, 'ffn_up': up,
                 'ffn_down': layer['down']}
        yield f'blk.{i}.attn_norm.weight', layer['attention_norm'].astype('<f4')
        yield f'blk.{i}.ffn_norm.weight', layer['ffn_norm'].astype('<f4')
        for name, array in parts.items():
            yield f'blk.{i}.{name}.weight', array.astype('<f2')
    yield 'output_norm.weight', arrays['norm'].astype('<f4')


def padding(size):
    return b'\0' * (-size % ALIGNMENT)


def write_gguf(path, model, tokenizer, name):
    entries = model_entries(model.shape, name) + tokenizer_entries(tokenizer)
    parts = list(tensors(model))
    head = struct.pack('<4sIQQ', b'GGUF', 3, len(parts), len(entries)) + b''.join(entries)
    offset = 0
    for label, array in parts:
        dims = array.shape[::-1]
        head += text(label) + struct.pack(f'<I{len(dims)}Q', len(dims), *dims)
        head += struct.pack('<IQ', F16 if array.dtype == '<f2' else F32, offset)
        offset += array.nbytes + len(padding(array.nbytes))
    with open(path, 'wb') as file:
        file.write(head + padding(len(head)))
        for _, array in parts:
            file.write(array.tobytes() + padding(array.nbytes))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--checkpoint', required=True, type=pathlib.Path)
    parser.add_argument('--tokenizer', required=True, type=pathlib.Path,
                        help='folder with tokenizer.json')
    parser.add_argument('-o', '--output', required=True, type=pathlib.Path)
    parser.add_argument('--name', default='redknot-reader')
    options = parser.parse_args()
    write_gguf(options.output, load_model(options.checkpoint), options.tokenizer, options.name)
    print(f'{options.output}: {options.output.stat().st_size} bytes')


if __name__ == '__main__':
    main()
