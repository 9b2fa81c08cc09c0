import { canonicalJson } from './canonical-json.js';
import type { ReportArtifact } from './report-artifacts.js';
import { pointAtTrainingBudget, type ReportData } from './report-data.js';

/** robustbench/<model>.json: each model's figures with the fields of RobustBench's model cards, accuracies in percent, for tools that read those. */
export function robustBenchFiles({ models, dataset, perceptVersion }: ReportData): ReportArtifact[] {
  return models.map((model) => {
    const { name, displayName, recipe, preset, spec, profile, collapse, honesty = [], digest } = model;
    const clean = profile.curve.find(({ epsilon }) => epsilon === 0)?.accuracy.estimate;
    const robust = pointAtTrainingBudget(model, dataset)?.accuracy.estimate;
    const failing = honesty.filter(({ verdict }) => verdict === 'fail').map((indicator) => indicator.name);
    const attacks = profile.attacks.map((attack) => attack.name);
    const confirming = (profile.confirmations ?? []).map((attack) => attack.name);
    const confirmed = confirming.length > 0 ? `, confirmed by ${confirming.join(', ')},` : '';
    const card = {
      link: null,
      name: displayName,
      authors: null,
      additional_data: false,
      number_forward_passes: 1,
      dataset: dataset.name,
      venue: null,
      architecture: `${spec.architecture}, width ${spec.width}, blocks ${spec.blocks.join('-')}`,
      eps: String(Number(dataset.trainingEpsilon.toPrecision(6))),
      norm: dataset.norm === Number.POSITIVE_INFINITY ? 'Linf' : `L${dataset.norm}`,
      clean_acc: inPercent(clean),
      reported: inPercent(robust),
      autoattack_acc: attacks.includes('autoattack') ? inPercent(robust) : null,
      external: null,
      unreliable: collapse.collapsed || failing.length > 0,
      footnote: `${recipe} (${preset}); ${attacks.join(', ')}${confirmed} on ${dataset.samples} ${dataset.split} images${failing.length > 0 ? `; fails ${failing.join(', ')}` : ''}; weights ${digest}; Percept ${perceptVersion}.`,
    };
    return {
      name: `robustbench/${name.replace(/[^A-Za-z0-9_-]/g, '-')}.json`,
      mediaType: 'application/json',
      bytes: canonicalJson(card),
    };
  });
}

function inPercent(share: number | undefined): string | null {
  return share === undefined ? null : (share * 100).toFixed(2);
}
