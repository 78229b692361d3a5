// SPDX-License-Identifier: Apache-2.0
// The conversation: questions, answers as they arrive, and below each answer what it cost.

import {tokensPerSecond, ttftMs, type Answer} from './answer';
import {element} from './elements';
import {formatCount, formatMs} from './numbers';
import type {Pace} from './pace';
import {tokenBar} from './token_bar';

// One question and its answer on the page.
export class ExchangeView {
  private readonly text = element('p', {class: 'answer'});
  private readonly root: HTMLElement;
  private frame = 0; // that will draw the text; 0: none is asked for

  constructor(
    private readonly log: HTMLElement,
    question: string,
    private readonly pace: Pace, // of all answers on this page
  ) {
    this.root = element('article', {class: 'exchange'}, element('p', {class: 'question'}, question), this.text);
    this.text.classList.add('waiting');
    log.append(this.root);
    log.scrollTop = log.scrollHeight;
  }

  // The text is drawn once a frame, however fast its pieces come.
  update(answer: Answer): void {
    this.frame ||= requestAnimationFrame(() => this.draw(answer));
  }

  // `end` says why there is no more, where that is not the model's own end.
  finish(answer: Answer, end: string): void {
    this.draw(answer);
    this.text.classList.remove('waiting');
    const lines = measures(answer);
    if (end !== '') lines.push(end);
    this.root.append(element('p', {class: 'measures'}, lines.join(' · ')));
    if (answer.usage?.kinds) this.root.append(tokenBar(answer.usage.kinds));
    this.pace.observe(answer);
    const sooner = this.pace.sooner(answer);
    if (sooner) {
      const words = `First token about ${sooner.times.toFixed(1)} times sooner than by computing the whole prompt`;
      this.root.append(element('p', {class: 'sooner'}, `${words} (${formatMs(sooner.wholeMs)}).`));
    }
    this.log.scrollTop = this.log.scrollHeight;
  }

  private draw(answer: Answer): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 40;
    this.text.textContent = answer.text.trimStart();
    if (atEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  fail(message: string): void {
    this.text.classList.remove('waiting');
    this.root.append(element('p', {class: 'error', role: 'alert'}, message));
    this.log.scrollTop = this.log.scrollHeight;
  }
}

function measures(answer: Answer): string[] {
  const lines: string[] = [];
  const ttft = ttftMs(answer);
  const rate = tokensPerSecond(answer);
  if (ttft !== null) lines.push(`TTFT ${formatMs(ttft)}`);
  if (rate !== null) lines.push(`${rate.toFixed(1)} tokens/s`);
  if (answer.usage) {
    const {promptTokens, completionTokens} = answer.usage;
    lines.push(`${formatCount(promptTokens)} tokens in, ${formatCount(completionTokens)} out`);
  }
  return lines;
}
