import { AttackResult } from '@percept/contracts';
import { beforeAll, describe, expect, it } from 'vitest';
import { perceptClient } from '../../tools/cli/src/percept-client.js';
import { type Form, startServices } from './support/services.js';
import { smallAttack, smallReport, smallTraining, train, untilDone } from './support/small-jobs.js';

/** What a training, an attack and a report leave behind. */
interface Outcome {
  readonly weights: string;
  readonly attack: Uint8Array;
  readonly report: string;
  readonly artifacts: ReadonlyMap<string, string>;
}

async function runIn(form: Form): Promise<Outcome> {
  const services = await startServices(form);
  const client = perceptClient(services.endpoints);
  try {
    const weights = await train(client, smallTraining());
    const attack = await client.attack.submit({ requestId: '', spec: smallAttack('small') });
    const report = await client.evaluation.submit({
      requestId: '',
      evaluation: { $case: 'report', value: smallReport('small') },
    });
    const attacked = await untilDone(client, 'attack', attack.job);
    const parts: Uint8Array[] = [];
    const asked = { jobId: attacked.id, first: 0, count: 0, omitImages: false };
    for await (const { first, result } of client.attack.getResult(asked)) {
      // Who computed it, and how fast, may differ.
      const equal = AttackResult.fromPartial({ ...result, execution: undefined });
      parts.push(Buffer.from(`${first}:`), AttackResult.encode(equal).finish());
    }
    const reported = await untilDone(client, 'evaluation', report.job);
    const { reportJson, artifacts } = await client.evaluation.getReport({ reportId: reported.id });
    return {
      weights,
      attack: Buffer.concat(parts),
      report: Buffer.from(reportJson).toString('utf8'),
      artifacts: new Map(artifacts.map(({ name, sha256 }) => [name, sha256])),
    };
  } finally {
    client.close();
    await services.close();
  }
}

describe('the same job in embedded and in distributed form', () => {
  let embedded: Outcome;
  let distributed: Outcome;

  beforeAll(async () => {
    embedded = await runIn('embedded');
    distributed = await runIn('distributed');
  }, 300_000);

  it('trains the same weights, to the bit', () => {
    expect(distributed.weights).toMatch(/^[0-9a-f]{64}$/);
    expect(distributed.weights).toBe(embedded.weights);
  });

  it('finds the same adversarial images and outcomes, byte for byte', () => {
    expect(embedded.attack.byteLength).toBeGreaterThan(210 * 32 * 32 * 3 * 4);
    expect(Buffer.compare(distributed.attack, embedded.attack)).toBe(0);
  });

  it('writes the same report.json, byte for byte', () => {
    expect(JSON.parse(embedded.report)).toHaveProperty('models');
    expect(distributed.report).toBe(embedded.report);
  });

  it('draws the same figures', () => {
    const figures = ({ artifacts }: Outcome) => [...artifacts].filter(([name]) => name.startsWith('figures/'));
    expect(figures(embedded).length).toBeGreaterThan(0);
    expect(figures(distributed)).toEqual(figures(embedded));
  });
});
