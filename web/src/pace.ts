// SPDX-License-Identifier: Apache-2.0
// How long prompts take that are computed from the beginning, as this page has seen it, and how much
// sooner an answer came that found most of its prompt at hand.

import {ttftMs, type Answer} from './answer';

const leastTokens = 64; // fewer say little: a step has its own cost
const leastShare = 0.8;

export interface Sooner {
  adopted: number; // tokens
  wholeMs: number; // what computing all of the prompt would take, about
  times: number;
}

export class Pace {
  private msPerToken: number | null = null; // of the longest prompt that was computed

  private longest = 0;

  // What of the prompt was computed for this answer, documents that were not yet at hand included.
  private static computed(answer: Answer): number {
    const {kinds, built} = answer.usage ?? {kinds: null, built: 0};
    return kinds ? kinds.new + kinds.recovered + built : 0;
  }

  observe(answer: Answer): void {
    const ttft = ttftMs(answer);
    const computed = Pace.computed(answer);
    if (ttft === null || !answer.usage || computed < leastTokens || computed < this.longest) return;
    if (computed < leastShare * answer.usage.promptTokens) return;
    this.longest = computed;
    this.msPerToken = ttft / computed;
  }

  // Nothing while no prompt has been computed, for an answer that found nothing, and for one that
  // came no sooner.
  sooner(answer: Answer): Sooner | null {
    const ttft = ttftMs(answer);
    const usage = answer.usage;
    if (this.msPerToken === null || !ttft || !usage?.kinds || usage.built > 0) return null;
    const wholeMs = this.msPerToken * usage.promptTokens;
    const atHand = usage.kinds.exact + usage.kinds.adopted + usage.kinds.recovered;
    const times = wholeMs / ttft;
    return atHand < leastTokens || times < 1.2 ? null : {adopted: usage.kinds.adopted, wholeMs, times};
  }
}
