import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../src/exit-code.js';
import { acceptPeerNames, underOurNames } from '../src/peer-vocabulary.js';

function parsed(...args: string[]): Record<string, unknown> {
  const parsers = { epsilon: Number, step: Number, relativeStep: Number, steps: Number, restarts: Number };
  const command = acceptPeerNames(new Command().option('--epsilon <e>', 'budget', Number), parsers);
  command.exitOverride().parse(args, { from: 'user' });
  return underOurNames(command.opts());
}

describe("the peers' names of an attack's settings", () => {
  it.each([
    ['torchattacks', ['--eps', '0.1', '--alpha', '0.02'], { epsilon: 0.1, step: 0.02 }],
    ['ART', ['--eps', '0.1', '--eps-step', '0.02', '--max-iter', '7'], { epsilon: 0.1, step: 0.02, steps: 7 }],
    ['foolbox', ['--eps', '0.1', '--rel-stepsize', '0.3'], { epsilon: 0.1, relativeStep: 0.3 }],
    ['cleverhans', ['--eps-iter', '0.02', '--nb-iter', '9'], { step: 0.02, steps: 9 }],
    ['AutoAttack', ['--n-iter', '100', '--n-restarts', '2'], { steps: 100, restarts: 2 }],
    ['a start at the image', ['--no-random-start'], { start: 'origin' }],
    ['a random start', ['--random-start'], { start: 'uniform' }],
    ['our own', ['--epsilon', '0.3'], { epsilon: 0.3 }],
  ])('are understood as %s has them', (_, args, expected) => {
    expect(parsed(...args)).toEqual(expected);
  });

  it('may not contradict our own', () => {
    expect(() => parsed('--eps', '0.1', '--epsilon', '0.2')).toThrow(UsageError);
    expect(() => parsed('--eps-step', '0.1')).not.toThrow();
  });
});
