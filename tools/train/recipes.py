# SPDX-License-Identifier: Apache-2.0
"""What is trained: the shape, and stages from short sequences to long ones."""

import dataclasses

from model import Shape

EASY = 'one_hop=8,quote=1,key_value=1'
DENSE = 'one_hop=7,two_hop=2,quote=1,key_value=1'
ALL = ('one_hop=5,two_hop=3,comparison=0.5,counting=0.5,alias=2,continuation=2,correction=2,'
       'quote=1,not_stated=1,chat=1.5,key_value=1.5,passkey=0.3')


@dataclasses.dataclass
class Stage:
    sequence_tokens: int
    million_tokens: float  # processed in this stage, at most
    batch_tokens: int = 4096  # of one optimizer step
    mix: str = ALL
    easy_share: float = 0  # of the sequences; many short documents, without filler and pronouns
    easy_mix: str = DENSE
    goal: float = 1.0  # the stage ends when so many of its answers are right


@dataclasses.dataclass
class Recipe:
    shape: Shape
    stages: list
    micro_batch_tokens: int  # of one forward and backward pass
    learning_rate: float = 2e-3
    warmup_million_tokens: float = 0.3
    decay_million_tokens: float = 28  # at the end; over them the rate falls to 0

    def million_tokens_from(self, stage):
        return sum(stage.million_tokens for stage in self.stages[stage:])


RECIPES = {
    'cpu': Recipe(
        shape=Shape(),
        stages=[
            Stage(128, 8, easy_share=1, easy_mix=EASY, goal=0.9),
            Stage(256, 5),
            Stage(512, 9, easy_share=0.5),
            Stage(1024, 7, easy_share=0.4),
            Stage(2048, 7, easy_share=0.25, batch_tokens=8192),
            Stage(4352, 5, easy_share=0.15, batch_tokens=8704),
        ],
        micro_batch_tokens=2048),
}
