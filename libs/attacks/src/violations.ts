/** One thing wrong with a request, named by the path of its field. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** Thrown when an attack's inputs break its rules; carries every violation at once. */
export class InvalidAttackError extends Error {
  readonly violations: readonly Violation[];

  constructor(violations: readonly Violation[]) {
    super(
      `invalid attack: ${violations.map((violation) => `${violation.field}: ${violation.description}`).join('; ')}`,
    );
    this.name = 'InvalidAttackError';
    this.violations = violations;
  }
}
