import { type FieldViolation, invalidArgument } from '@percept/contracts';

/**
 * Collects everything that is wrong with a request, so that one INVALID_ARGUMENT names it all.
 *
 * A validator adds violations as it goes and ends with `throwIfAny`. Field paths are those of the proto files:
 * `options.norm`, `targets[3]`, `spec.model.registered`.
 */
export class Violations {
  readonly #found: FieldViolation[] = [];

  /** All violations so far, in the order found. */
  get found(): readonly FieldViolation[] {
    return this.#found;
  }

  /** Notes a violation. */
  add(field: string, description: string): void {
    this.#found.push({ field, description });
  }

  /** Notes a violation unless `condition` holds; answers with `condition`. */
  check(condition: boolean, field: string, description: string): boolean {
    if (!condition) this.add(field, description);
    return condition;
  }

  /** Checks that a number is whole and within [minimum, maximum]; answers whether it is. */
  integer(value: number, field: string, minimum: number, maximum: number): boolean {
    const sound = Number.isInteger(value) && value >= minimum && value <= maximum;
    return this.check(sound, field, `must be an integer from ${minimum} to ${maximum}, got ${value}`);
  }

  /** Checks that a number lies in [minimum, maximum], Infinity allowed where it is a bound, NaN never; answers whether it does. */
  number(value: number, field: string, minimum: number, maximum: number): boolean {
    const sound = value >= minimum && value <= maximum;
    return this.check(sound, field, `must lie in [${minimum}, ${maximum}], got ${value}`);
  }

  /** Checks a name: 1 .. 63 lower-case letters, digits and `-`, beginning with a letter; answers whether it is one. */
  resourceName(value: string, field: string): boolean {
    return this.check(
      /^[a-z][a-z0-9-]{0,62}$/.test(value),
      field,
      'must be 1 to 63 lower-case letters, digits and -, beginning with a letter',
    );
  }

  /** Checks a request id: empty, or up to 128 printable ASCII characters without spaces; answers whether it is one. */
  requestId(value: string, field = 'request_id'): boolean {
    return this.check(/^[!-~]{0,128}$/.test(value), field, 'must be at most 128 printable ASCII characters, no spaces');
  }

  /** Runs `work`; an error that carries `violations` of its own is noted under `prefix` and gives undefined. Any other error is thrown on. */
  collect<Result>(work: () => Result, prefix = ''): Result | undefined {
    try {
      return work();
    } catch (error) {
      const violations = violationsOf(error);
      if (violations === undefined) throw error;
      for (const { field, description } of violations) this.add(`${prefix}${field}`, description);
      return undefined;
    }
  }

  /** Throws INVALID_ARGUMENT with every violation; does nothing when there is none. */
  throwIfAny(): void {
    if (this.#found.length > 0) throw invalidArgument(this.#found);
  }
}

/** The violations that an error carries, whatever its class; undefined when it carries none. */
export function violationsOf(error: unknown): readonly FieldViolation[] | undefined {
  if (!(error instanceof Error) || !('violations' in error) || !Array.isArray(error.violations)) return undefined;
  const violations = error.violations as readonly Partial<FieldViolation>[];
  const sound = violations.every(
    (violation) => typeof violation?.field === 'string' && typeof violation.description === 'string',
  );
  return sound && violations.length > 0 ? (violations as readonly FieldViolation[]) : undefined;
}
