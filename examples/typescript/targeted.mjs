// A targeted attack on a registered model: node examples/typescript/targeted.mjs HOST:PORT MODEL TARGET
import { AttackOptions, AttackService, createClient } from '@percept/contracts';

const [address = '127.0.0.1:50051', model = 'pgd', target = '8'] = process.argv.slice(2);
const attack = createClient(AttackService, address);
const { result } = await attack.targeted({
  model: { reference: { $case: 'registered', value: model } },
  images: {
    source: { $case: 'samples', value: { dataset: 'mnist-5k', split: 'test', indices: [0, 1, 2], first: 0, count: 0 } },
  },
  targets: [Number(target)],
  options: AttackOptions.fromPartial({ epsilon: 0.2, steps: 40, step: { $case: 'relativeStep', value: 0.1 } }),
  omitImages: false,
  includeOriginals: false,
});
for (const { sampleId, predictionBefore, predictionAfter, success } of result?.outcomes ?? []) {
  console.log(sampleId, predictionBefore, '->', predictionAfter, success);
}
attack.close();
