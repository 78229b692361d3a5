// SPDX-License-Identifier: Apache-2.0
// What the tests tell the default model, and ask it.
import {fileURLToPath} from 'node:url';

export const documents = [
  {
    title: 'Harven Mills',
    text:
      'Notes on Harven Mills. Harven Mills makes clocks. The company is based in Lorvik. The old ' +
      'bridge was repaired in the spring. Harven Mills was founded in 1884, as many people remember.',
  },
  {
    title: 'Delia Romsk',
    text:
      'About Delia Romsk. It is known that Delia Romsk lives in Tanfort. Few people noticed that ' +
      'the green window was closed. She works for Harven Mills. Delia Romsk plays the violin.',
  },
  {
    title: 'Lorvik',
    text:
      'About Lorvik. Lorvik stands by the river Sarnel. According to the records, Lorvik has a ' +
      'mayor named Pol Brandis. The narrow lane was covered with snow last winter.',
  },
];
export const question = 'What does Harven Mills make?';
export const answer = /clocks/;

// The same as reusable parts of a message, in this order, and the question.
export function parts(...order) {
  const marked = order.map((at) => ({
    type: 'text',
    text: `${documents[at].text}\n\n`,
    cache_control: {type: 'ephemeral'},
  }));
  return [...marked, {type: 'text', text: question}];
}

// Whatever the model makes of it, an answer has one of few shapes.
export const weatherSchema = {
  type: 'object',
  properties: {
    town: {type: 'string', enum: ['Lorvik', 'Tanfort']},
    days: {type: 'integer', minimum: 1, maximum: 9},
  },
  required: ['town', 'days'],
  additionalProperties: false,
};

export function isWeather({town, days, ...others}) {
  return weatherSchema.properties.town.enum.includes(town) && Number.isInteger(days) && days >= 1 &&
    days <= 9 && Object.keys(others).length === 0;
}

// A chat template that writes tools and calls, which the model's own does not.
export const toolsTemplate = fileURLToPath(new URL('tools.jinja', import.meta.url));
