import { expect, it } from 'vitest';
// @ts-expect-error plain JavaScript without declarations
import { nodeVersionProblem } from '../src/node-version.mjs';

it.each([
  ['20.19.0', true],
  ['20.18.3', false],
  ['22.1.0', true],
  ['18.20.0', false],
  ['23.0.0', false],
  ['24.4.1', false],
])('Node %s can run Percept: %s', (version, works) => {
  expect(nodeVersionProblem(version) === null).toBe(works);
});
