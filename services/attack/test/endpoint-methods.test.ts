import { AttackOptions, ImageSource, LabelSource, ModelReference } from '@percept/contracts';
import { describe, expect, it } from 'vitest';
import { type AttackAsked, type AttackSources, prepareAttack } from '../src/validate-attack-call.js';

describe('prepareAttack', () => {
  it.each([
    ['', 'pgd'],
    ['fgsm', 'fgsm'],
    ['apgd', 'apgd-ce'],
  ])('refuses the method "%s" for a model behind an endpoint as %s, before it asks anyone', async (method, name) => {
    const asked: AttackAsked = {
      model: ModelReference.fromPartial({
        reference: { $case: 'remote', value: { endpoint: 'models.example.org:8001', name: 'm' } },
      }),
      images: ImageSource.fromPartial({ source: { $case: 'samples', value: { dataset: 'mnist-5k' } } }),
      goal: { kind: 'untargeted', labelsFrom: LabelSource.UNSPECIFIED },
      options: AttackOptions.fromPartial({ method }),
      omitImages: false,
      includeOriginals: false,
    };
    const nowhere = {} as AttackSources;
    await expect(prepareAttack(asked, nowhere, {})).rejects.toMatchObject({
      violations: [{ field: 'options.method', description: expect.stringMatching(`^${name} needs gradients`) }],
    });
  });
});
