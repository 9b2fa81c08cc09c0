import {
  type AttackHooks,
  type AttackPlan,
  type AttackResult,
  fgsm,
  type Goal,
  pgd,
  runAttack,
  searchAttack,
  stepLength,
} from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { atLeast, atMost, type HonestyCheck, type HonestyIndicator, notRun } from './honesty-indicator.js';
import { type NamedAttack, type ProfileSettings, profileAttackPlan, witnessMargin } from './profile-settings.js';
import { type Samples, selectSamples } from './samples.js';

/** The samples that stand at the compared budget, and how attacks are tried on them. */
export interface AttackHonestyContext {
  readonly model: Classifier;
  /** The profile's settings: its attacks are what is checked. */
  readonly settings: ProfileSettings;
  /** The compared budget in pixel units. */
  readonly epsilon: number;
  /** All samples that the profile left standing at that budget, and the few that costly attacks are tried on. */
  readonly standing: Samples;
  readonly compared: Samples;
  /** Proposals of the score-based attack per sample. */
  readonly queries: number;
  /** How many samples the profile has, standing or not. */
  readonly samples: number;
  readonly seed: number;
  readonly hooks: AttackHooks;
}

/** Checks a profile's attacks against others that must not do better. Throws the attacks' errors or the abort signal's reason. */
export async function attackHonesty(context: AttackHonestyContext): Promise<HonestyIndicator[]> {
  return [reach(context), await singleStep(context), ...(await twiceTheSteps(context)), await scoresAlone(context)];
}

function reach({ settings, epsilon }: AttackHonestyContext): HonestyIndicator {
  const check: HonestyCheck = {
    name: 'reach-of-the-attack',
    source: 'Carlini et al. checklist; Madry et al.',
    description: 'length of all steps of the profile’s attacks over the budget: below 1 they cannot cross the ball',
    limit: 1,
    advice: 'Take longer steps or more of them: 2.5 budgets over all steps are usual.',
  };
  const reaches = everyAttack(settings).flatMap((attack) => {
    const plan = profileAttackPlan(settings, attack, epsilon);
    return plan.kind === 'pgd' ? [(plan.options.steps * stepLength(plan.options.step, epsilon)) / epsilon] : [];
  });
  return reaches.length === 0
    ? notRun({ ...check, advice: 'The profile’s attack chooses its steps itself.' })
    : atLeast(check, Math.max(...reaches));
}

async function singleStep(context: AttackHonestyContext): Promise<HonestyIndicator> {
  const { model, settings, epsilon, standing, seed, hooks } = context;
  const options = { ...shared(settings, seed), epsilon };
  const result = await fgsm(model, standing.images, untargeted(standing), standing.ids, options, hooks);
  return atMost(
    {
      name: 'single-step-beats-iterative',
      source: 'Carlini et al. checklist',
      description: 'samples that stand in the profile at the compared budget and fall to one FGSM step',
      limit: 0,
      advice: 'The iterative attack is broken or its gradients are masked: mend it before believing the curve.',
    },
    count(result.success),
  );
}

/** The profile's first attack again, with as many and with twice as many steps. */
async function twiceTheSteps(context: AttackHonestyContext): Promise<HonestyIndicator[]> {
  const { model, settings, epsilon, compared, seed, hooks } = context;
  const more: HonestyCheck = {
    name: 'more-steps-break-more',
    source: 'Carlini et al. checklist',
    description:
      'share of compared samples that stand in the profile and fall to its attack with twice the steps from another start',
    limit: 0.02,
    advice: 'The attack has not converged: take more steps and restarts until this stays at zero.',
  };
  const incomplete: HonestyCheck = {
    name: 'incomplete-optimisation',
    source: 'Pintor et al.',
    description:
      'share of the loss’s way from the image that only the second half of twice the steps goes, mean over compared samples',
    limit: 0.2,
    advice: 'The loss still rises when the attack ends: take more or other steps.',
  };
  if (compared.ids.length === 0) return [notRun(withoutStanding(more)), notRun(withoutStanding(incomplete))];
  const plan = profileAttackPlan({ ...settings, seed: seed + 1 }, settings.attacks[0] as NamedAttack, epsilon);
  const { images, ids } = compared;
  const run = async (times: number): Promise<AttackResult> =>
    await runAttack({ kind: 'gradients', model }, longer(plan, times), images, untargeted(compared), ids, hooks);
  if (plan.kind === 'search' && withoutOneLoss.has(plan.method)) {
    const { success } = await run(2);
    const advice = 'The profile’s attack follows no one loss from step to step.';
    return [atMost(more, count(success) / ids.length), notRun({ ...incomplete, advice })];
  }
  const [once, twice] = [await run(1), await run(2)];
  let sum = 0;
  for (const [row, before] of once.lossBefore.entries()) {
    const whole = (twice.lossAfter[row] as number) - before;
    const second = (twice.lossAfter[row] as number) - (once.lossAfter[row] as number);
    sum += whole > 0 ? Math.min(1, Math.max(0, second / whole)) : 0;
  }
  return [atMost(more, count(twice.success) / ids.length), atMost(incomplete, sum / ids.length)];
}

/** Searching attacks that look for the nearest point, towards several classes, or by several members. */
const withoutOneLoss: ReadonlySet<string> = new Set(['fab', 'apgd-t', 'autoattack']);

/** The attack with `times` as many steps or queries from one start; where it follows a loss, all of them taken and the best kept. */
function longer(plan: AttackPlan, times: number): AttackPlan {
  const steps = plan.options.steps * times;
  if (plan.kind === 'pgd')
    return { ...plan, options: { ...plan.options, steps, restarts: 1, stop: 'all-steps', keep: 'best' } };
  const stop = withoutOneLoss.has(plan.method) ? plan.options.stop : 'all-steps';
  return { ...plan, options: { ...plan.options, steps, queries: plan.options.queries * times, restarts: 1, stop } };
}

/** Square again, with random numbers of its own, for it may be among the profile's attacks. */
async function scoresAlone(context: AttackHonestyContext): Promise<HonestyIndicator> {
  const { model, settings, epsilon, standing, compared, samples, queries, seed, hooks } = context;
  const check: HonestyCheck = {
    name: 'scores-beat-gradients',
    source: 'AutoAttack flags; Carlini et al. checklist',
    description: `compared samples that stand in the profile and fall to Square, which sees no gradient, within ${queries} queries`,
    limit: 0,
    advice: 'Gradients are masked: believe the score-based attack, with thousands of queries, not the curve.',
  };
  if (compared.ids.length === 0) return notRun(withoutStanding(check));
  if (![1, 2, Number.POSITIVE_INFINITY].includes(settings.norm))
    return notRun({ ...check, advice: 'Square knows the norms 1, 2 and infinity only.' });
  const options = { ...shared(settings, seed + 1), epsilon, queries };
  const result = await searchAttack(
    { kind: 'gradients', model },
    'square',
    compared.images,
    untargeted(compared),
    compared.ids,
    options,
    hooks,
  );
  const fallen = count(result.success);
  if (fallen === 0) return atMost(check, 0);
  const excess = (100 * fallen * standing.ids.length) / (compared.ids.length * samples);
  const advice = `${fallen} of ${compared.ids.length} fall, so that the curve is too high here by ${excess.toFixed(1)} points of ${((100 * standing.ids.length) / samples).toFixed(1)} % or more. ${check.advice}`;
  return atMost({ ...check, advice }, fallen);
}

/** The attacks of the strategy, and those that confirm. */
export function everyAttack({ attacks, confirmations }: ProfileSettings): NamedAttack[] {
  return [...attacks, ...confirmations.map(({ attack }) => attack)];
}

/** An l_inf budget of 1 lets every pixel take every value, so that nothing but a broken gradient or a constant model can withstand. */
export async function wholeBox(
  model: Classifier,
  samples: Samples,
  seed: number,
  hooks: AttackHooks,
): Promise<HonestyIndicator> {
  const result = await pgd(
    model,
    samples.images,
    untargeted(samples),
    samples.ids,
    {
      epsilon: 1,
      start: 'origin',
      step: { kind: 'absolute', size: 0.05 },
      steps: 40,
      loss: 'margin',
      seed,
      checkAt8Bits: false,
    },
    hooks,
  );
  return atMost(
    {
      name: 'whole-box-robustness',
      source: 'Carlini et al. checklist; ART security curve',
      description: 'share of samples that withstand an attack free to set every pixel within the box',
      limit: 0,
      advice: 'No model can withstand it: its gradients are masked, or it says one class whatever it sees.',
    },
    1 - count(result.success) / samples.ids.length,
  );
}

/** The samples at which other models' witnesses are tried: forward passes alone. */
export function standingSamples(samples: Samples, broken: ReadonlySet<number>): Samples {
  const positions = [...samples.ids.keys()].filter((position) => !broken.has(samples.ids[position] as number));
  return selectSamples(samples, positions);
}

function withoutStanding(check: HonestyCheck): HonestyCheck {
  return { ...check, advice: 'No sample stands at the compared budget, so there was nothing to try.' };
}

function shared(
  { norm, batchSize }: ProfileSettings,
  seed: number,
): { norm: number; batchSize: number; seed: number; successMargin: number; checkAt8Bits: false } {
  return { norm, batchSize, seed, successMargin: witnessMargin, checkAt8Bits: false };
}

function untargeted(samples: Samples): Goal {
  return { kind: 'untargeted', labels: samples.labels };
}

function count(flags: Uint8Array): number {
  return flags.reduce((sum, flag) => sum + flag, 0);
}
