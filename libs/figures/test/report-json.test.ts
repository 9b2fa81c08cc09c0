import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, reportJson, runJson } from '../src/index.js';
import { reportFixture } from './report-fixture.js';

const parse = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));

function reversedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversedKeys);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, child]) => [key, reversedKeys(child)]),
  );
}

describe('canonicalJson', () => {
  it('gives the same bytes whatever the order of keys', () => {
    void fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        expect(canonicalJson(reversedKeys(value))).toEqual(canonicalJson(value));
      }),
      { seed: 1 },
    );
  });

  it('gives back every finite number to the bit, but for the sign of zero', () => {
    void fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(parse(canonicalJson(value))).toBe(value === 0 ? 0 : value);
      }),
      { seed: 2 },
    );
  });

  it('writes numbers that JSON lacks as text, leaves out absent fields, and gives pixels as their digest', () => {
    expect(
      parse(
        canonicalJson({
          norm: Number.POSITIVE_INFINITY,
          low: Number.NEGATIVE_INFINITY,
          a: undefined,
          pixels: Uint8Array.of(1),
        }),
      ),
    ).toEqual({
      norm: 'Infinity',
      low: '-Infinity',
      pixels: { bytes: 1, sha256: '4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a' },
    });
  });
});

describe('reportJson', () => {
  it('gives equal bytes for equal data and other bytes when one number differs', () => {
    const data = reportFixture();
    expect(reportJson(structuredClone(data))).toEqual(reportJson(data));
    expect(reportJson({ ...data, dataset: { ...data.dataset, samples: 11 } })).not.toEqual(reportJson(data));
  });

  it('changes when one pixel of a picture changes', () => {
    const changed = structuredClone(reportFixture());
    (changed.figures.starts as Float32Array)[7] = 0.25;
    expect(reportJson(changed)).not.toEqual(reportJson(reportFixture()));
  });
});

describe('runJson', () => {
  it('holds what differs between runs', () => {
    const run = { job: 'j', host: 'h', started: '2024-01-01T00:00:00Z', finished: '2024-01-01T00:01:00Z' };
    expect(parse(runJson(run))).toEqual(run);
  });
});
