import { Metadata, status } from '@grpc/grpc-js';
import { invalidArgument, PerceptRpcError, rpcError } from '@percept/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** What a client's gRPC library hands over when a server sent this status. */
function received(error: PerceptRpcError): PerceptRpcError {
  const sent = error.toStatus();
  return PerceptRpcError.from(Object.assign(new Error('as grpc-js makes it'), sent));
}

describe('PerceptRpcError', () => {
  it('carries violations and retry delay across the wire', () => {
    const violations = [
      { field: 'options.norm', description: 'must be at least 1, got 0.5' },
      { field: 'targets[3]', description: 'the model has 10 classes' },
    ];
    const error = received(rpcError('INVALID_ARGUMENT', 'wrong', { violations, retryDelayMs: 1_250 }));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', rawMessage: 'wrong', violations, retryDelayMs: 1_250 });
    expect(error.origin).toBe('remote');
    expect(error.cause).toBeInstanceOf(Error);
  });

  it('sends no details where there are none', () => {
    expect(rpcError('NOT_FOUND', 'no such job').toStatus().metadata.getMap()).toEqual({});
  });

  it('keeps trailers below what any gRPC client takes, and says how many violations were left out', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 2_000 }), { maxLength: 400 }), (texts) => {
        const error = invalidArgument(texts.map((text, index) => ({ field: `f[${index}]`, description: text })));
        const sent = error.toStatus();
        const [details] = sent.metadata.get('grpc-status-details-bin');
        const bytes = details === undefined ? 0 : Math.ceil((details.length * 4) / 3);
        expect(bytes + encodeURI(sent.details).length).toBeLessThan(16_000);
        const { violations } = received(error);
        if (violations.length < texts.length) {
          expect(violations.at(-1)?.description).toBe(`and ${texts.length - violations.length + 1} more violations`);
        } else expect(violations.length).toBe(texts.length);
      }),
      { numRuns: 50 },
    );
  });

  it('understands an error without details, or with details it cannot read', () => {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from([255, 255, 255]));
    const plain = Object.assign(new Error('x'), { code: status.ABORTED, details: 'lost a race', metadata });
    expect(PerceptRpcError.from(plain)).toMatchObject({ code: 'ABORTED', rawMessage: 'lost a race', violations: [] });
  });

  it('makes UNKNOWN of what is no gRPC error, and keeps it as the cause', () => {
    const cause = new TypeError('boom');
    expect(PerceptRpcError.from(cause)).toMatchObject({ code: 'UNKNOWN', cause });
  });
});
