/** One parameter of a recipe as a caller sees it. */
export interface RecipeParameter {
  readonly name: string;
  readonly description: string;
  readonly type: 'number' | 'integer' | 'boolean';
  /** Unit, empty where there is none. */
  readonly unit: string;
  /** Inclusive range unless `exclusiveMinimum`. */
  readonly minimum: number;
  readonly maximum: number;
  readonly exclusiveMinimum?: boolean;
}

/** Values by name; booleans as 0 or 1. */
export type ParameterValues = Readonly<Record<string, number>>;

/** Every violation of `values` against a schema, by field path below `parameters`. */
export function validateParameters(
  schema: readonly RecipeParameter[],
  values: ParameterValues,
): { field: string; description: string }[] {
  const violations: { field: string; description: string }[] = [];
  const known = new Map(schema.map((parameter) => [parameter.name, parameter]));
  for (const [name, value] of Object.entries(values)) {
    const field = `parameters.${name}`;
    const parameter = known.get(name);
    if (parameter === undefined) {
      violations.push({ field, description: `unknown parameter: one of ${[...known.keys()].join(', ')}` });
      continue;
    }
    const { minimum, maximum, exclusiveMinimum = false, type } = parameter;
    const inside = (exclusiveMinimum ? value > minimum : value >= minimum) && value <= maximum;
    if (!inside) {
      violations.push({
        field,
        description: `must be ${exclusiveMinimum ? 'above' : 'at least'} ${minimum} and at most ${maximum}, got ${value}`,
      });
    } else if (type === 'integer' && !Number.isInteger(value)) {
      violations.push({ field, description: `must be an integer, got ${value}` });
    } else if (type === 'boolean' && value !== 0 && value !== 1) {
      violations.push({ field, description: `must be 0 or 1, got ${value}` });
    }
  }
  return violations;
}
