import { searchAttack } from '@percept/attacks';
import { type ProfileSettings, profile, robustAccuracyCurve, type Samples } from '@percept/measures';
import type { PreActResNet } from '@percept/models';
import { type ExportedModel, loadModel } from './exported-model.js';

/** What is left of a part: how many images stand at each budget, and the passes spent. */
export interface PartOutcome {
  readonly standing: readonly number[];
  readonly gradientImageSteps: number;
  readonly forwardImagePasses: number;
}

export interface AutoAttackTask {
  readonly part: Samples;
  readonly epsilon: number;
  readonly steps: number;
}

export interface ProfileTask {
  readonly part: Samples;
  readonly settings: ProfileSettings;
}

let loaded: PreActResNet | undefined;

/** Gives the worker its model; must come before the other tasks. */
export async function load(model: ExportedModel): Promise<void> {
  loaded?.dispose();
  loaded = await loadModel(model);
}

export async function autoattack({ part, epsilon, steps }: AutoAttackTask): Promise<PartOutcome> {
  const { images, labels, ids } = part;
  const options = { epsilon, checkAt8Bits: false, batchSize: 128, steps };
  const goal = { kind: 'untargeted', labels } as const;
  const { success, cost } = await searchAttack(
    { kind: 'gradients', model: theModel() },
    'autoattack',
    images,
    goal,
    ids,
    options,
  );
  return { standing: [success.filter((one) => one === 0).length], ...cost };
}

export async function profileBudgets({ part, settings }: ProfileTask): Promise<PartOutcome> {
  const ledger = await profile(theModel(), part, settings);
  const standing = robustAccuracyCurve(ledger).map(({ robust }) => robust);
  const { gradientImageSteps, forwardImagePasses } = ledger.cost;
  return { standing, gradientImageSteps, forwardImagePasses };
}

function theModel(): PreActResNet {
  if (loaded === undefined) throw new Error('load a model first');
  return loaded;
}
