import { describe, expect, it } from 'vitest';
import { formatSummary } from '../src/reproduce-summary.js';

function model(displayName: string, clean: number, attacked: number, collapsed = false) {
  const point = (epsilon: number, estimate: number) => ({ epsilon, accuracy: { estimate } });
  return {
    displayName,
    profile: { curve: [point(0, clean), point(0.1, 0.5), point(0.2, attacked)] },
    collapse: { collapsed, topClass: 7 },
  };
}

describe('formatSummary', () => {
  const text = formatSummary({
    dataset: { samples: 1_000, trainingEpsilon: 0.2 },
    models: [model('standard', 0.979, 0.009), model('trades-10000', 0.1, 0.1, true)],
  });

  it('shows the clean accuracy and the one at the training budget', () => {
    expect(text).toMatch(/^standard +97\.9 % +0\.9 %$/m);
  });

  it('names the class that a collapsed model answers', () => {
    expect(text).toMatch(/^trades-10000 +10\.0 % +10\.0 % +collapsed: answers class 7 to almost everything$/m);
  });

  it('says what its columns mean', () => {
    expect(text).toContain('1,000 test images');
    expect(text).toContain('by up to 0.200');
  });
});
