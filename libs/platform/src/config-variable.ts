/** A value read from a variable, or why it cannot be. */
export type Parsed<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: string };

/** One environment variable: how it is named, read, checked and explained. */
export interface ConfigVariable<Value> {
  /** Name in the environment. */
  readonly env: string;
  readonly description: string;
  /** The type for people, with its range. */
  readonly type: string;
  /** How the default is shown; empty where there is none. */
  readonly shownDefault: string;
  /** The value when the variable is absent or empty. */
  absent(): Parsed<Value>;
  parse(text: string): Parsed<Value>;
}

/** What every variable declares. */
export interface VariableOptions {
  readonly env: string;
  readonly description: string;
}

/** A variable is required, optional, or has a default. */
export type Presence<Value> = { readonly required: true } | { readonly optional: true } | { readonly default: Value };

type ValueOf<Value, P> = P extends { readonly optional: true } ? Value | undefined : Value;

/** Bounds of a number, inclusive. */
export interface Range {
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Any text. */
export function text<P extends Presence<string>>(options: VariableOptions & P): ConfigVariable<ValueOf<string, P>> {
  return variable(options, 'text', (value) => ({ ok: true, value }));
}

/** Text that is never shown. */
export function secret<P extends Presence<string>>(options: VariableOptions & P): ConfigVariable<ValueOf<string, P>> {
  const shown = variable<string, P>(options, 'secret text', (value) => ({ ok: true, value }));
  return { ...shown, shownDefault: '' };
}

/** A whole number within a range. */
export function integer<P extends Presence<number>>(
  options: VariableOptions & Range & P,
): ConfigVariable<ValueOf<number, P>> {
  return variable(options, `integer${rangeText(options)}`, (value) => parseNumber(value, options, true));
}

/** A finite number within a range. */
export function number<P extends Presence<number>>(
  options: VariableOptions & Range & P,
): ConfigVariable<ValueOf<number, P>> {
  return variable(options, `number${rangeText(options)}`, (value) => parseNumber(value, options, false));
}

/** `true`, `false`, `1` or `0`. */
export function boolean<P extends Presence<boolean>>(
  options: VariableOptions & P,
): ConfigVariable<ValueOf<boolean, P>> {
  return variable(options, 'true or false', (value) => {
    if (value === 'true' || value === '1') return { ok: true, value: true };
    if (value === 'false' || value === '0') return { ok: true, value: false };
    return { ok: false, problem: `must be true or false, got "${value}"` };
  });
}

/** One of a list of names. */
export function choice<Name extends string, P extends Presence<Name>>(
  options: VariableOptions & { readonly choices: readonly Name[] } & P,
): ConfigVariable<ValueOf<Name, P>> {
  const { choices } = options;
  return variable<Name, P>(options, choices.join(' | '), (value) => {
    const found = choices.find((name) => name === value);
    return found === undefined
      ? { ok: false, problem: `must be one of ${choices.join(', ')}, got "${value}"` }
      : { ok: true, value: found };
  });
}

/** Texts separated by commas. */
export function list<P extends Presence<readonly string[]>>(
  options: VariableOptions & P,
): ConfigVariable<ValueOf<readonly string[], P>> {
  return variable<readonly string[], P>(options, 'comma-separated list', (value) => ({
    ok: true,
    value: value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  }));
}

function variable<Value, P extends Presence<Value>>(
  options: VariableOptions & P,
  type: string,
  parse: (text: string) => Parsed<Value>,
): ConfigVariable<ValueOf<Value, P>> {
  const presence: Presence<Value> = options;
  const read: ConfigVariable<Value | undefined> = {
    env: options.env,
    description: options.description,
    type,
    shownDefault: 'default' in presence ? String(presence.default) : 'required' in presence ? 'required' : '',
    absent: () => {
      if ('default' in presence) return { ok: true, value: presence.default };
      return 'required' in presence ? { ok: false, problem: 'must be set' } : { ok: true, value: undefined };
    },
    parse,
  };
  // `absent` gives undefined only for optional variables, which is what ValueOf says.
  return read as ConfigVariable<ValueOf<Value, P>>;
}

function parseNumber(value: string, { minimum, maximum }: Range, whole: boolean): Parsed<number> {
  const parsed = Number(value);
  const kind = whole ? 'a whole number' : 'a number';
  if (value.trim() === '' || !Number.isFinite(parsed) || (whole && !Number.isInteger(parsed))) {
    return { ok: false, problem: `must be ${kind}, got "${value}"` };
  }
  if (minimum !== undefined && parsed < minimum)
    return { ok: false, problem: `must be at least ${minimum}, got ${value}` };
  if (maximum !== undefined && parsed > maximum)
    return { ok: false, problem: `must be at most ${maximum}, got ${value}` };
  return { ok: true, value: parsed };
}

function rangeText({ minimum, maximum }: Range): string {
  if (minimum === undefined && maximum === undefined) return '';
  return `, ${minimum ?? ''} .. ${maximum ?? ''}`;
}
