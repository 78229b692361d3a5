# SPDX-License-Identifier: Apache-2.0
"""What is trained: the shape, and stages from short sequences to long ones."""

import dataclasses

from model import Shape

EASY = 'one_hop=8,quote=1,key_value=1'
DENSE = 'one_hop=6,two_hop=3,quote=1,key_value=1'
ALL = ('one_hop=5,two_hop=5,comparison=1,counting=1,alias=4,continuation=2,correction=2.5,'
       'quote=1,not_stated=1,chat=1.5,key_value=1.5,passkey=0.3')


@dataclasses.dataclass
class Stage:
    sequence_tokens: int
    million_tokens: float  # processed in this stage, at most
    mix: str = ALL
    style: str = 'prose'  # of the corpus: prose, easy, dense
    aid: str = 'dense'  # another style, of the mix DENSE, for so large a share of the sequences:
    aid_share: float = 0
    batch_tokens: int = 4096  # of one optimizer step
    spread: bool = False  # gaps between positions, so that they reach to the end of the context
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
            Stage(128, 8, EASY, style='easy', goal=0.9),
            Stage(256, 5),
            Stage(512, 9, aid='easy', aid_share=0.5),
            Stage(512, 2.25, aid_share=0.5, spread=True),
            Stage(128, 1.25, DENSE, style='dense', spread=True),
            Stage(256, 2, DENSE, style='dense', spread=True),
            Stage(512, 3, aid_share=0.5, spread=True),
            Stage(1024, 5, aid_share=0.4, spread=True),
            Stage(2048, 8, aid_share=0.25, spread=True, batch_tokens=8192),
            Stage(4352, 6, aid_share=0.15, batch_tokens=8704),
        ],
        micro_batch_tokens=2048),
}
