import { type Command, Option } from 'commander';
import { UsageError } from './exit-code.js';

/** What foolbox, ART, torchattacks, cleverhans, AutoAttack and others call the settings of an attack, by our option's key. */
const peerNames: Readonly<Record<string, readonly string[]>> = {
  epsilon: ['--eps'],
  step: ['--alpha', '--eps-step', '--step-size', '--eps-iter', '--abs-stepsize'],
  relativeStep: ['--rel-stepsize'],
  steps: ['--max-iter', '--nb-iter', '--n-iter', '--num-steps'],
  restarts: ['--n-restarts', '--num-random-init', '--random-restarts'],
  queries: ['--n-queries'],
  targetClasses: ['--n-target-classes'],
};

function keyOf(flag: string): string {
  return flag.slice(2).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Lets `command` accept the peers' names beside our own; they do not clutter its help. `parsers` gives the parser of each of our options. */
export function acceptPeerNames(
  command: Command,
  parsers: Readonly<Record<string, (text: string) => number>>,
): Command {
  for (const [key, flags] of Object.entries(peerNames)) {
    const parse = parsers[key];
    if (parse === undefined) continue;
    for (const flag of flags) command.addOption(new Option(`${flag} <value>`).argParser(parse).hideHelp());
  }
  return command
    .addOption(new Option('--random-start').hideHelp())
    .addOption(new Option('--no-random-start').hideHelp());
}

/** The options under our names. @throws UsageError where one setting was given twice. */
export function underOurNames(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const ours: Record<string, unknown> = { ...options };
  const take = (key: string, flag: string, value: unknown): void => {
    if (value === undefined) return;
    if (ours[key] !== undefined) throw new UsageError(`${flag} says the same as another option: give one of them`);
    ours[key] = value;
  };
  for (const [key, flags] of Object.entries(peerNames)) {
    for (const flag of flags) {
      take(key, flag, options[keyOf(flag)]);
      if (key !== keyOf(flag)) delete ours[keyOf(flag)];
    }
  }
  const { randomStart } = options;
  delete ours['randomStart'];
  if (randomStart !== undefined) take('start', '--random-start', randomStart === true ? 'uniform' : 'origin');
  return ours;
}
