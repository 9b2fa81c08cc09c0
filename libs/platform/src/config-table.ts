import type { ConfigVariable } from './config-variable.js';

/** The variables of a service, by the name its code knows them. */
export type ConfigTable<Config> = { readonly [Name in keyof Config]: ConfigVariable<Config[Name]> };

/** Variables as a process finds them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that are missing or wrong; names all of them at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`wrong configuration:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** Reads every variable of a table; empty text counts as absent. Throws ConfigError with every problem. */
export function readConfig<Config>(table: ConfigTable<Config>, environment: Environment): Config {
  const problems: string[] = [];
  const config: Partial<Config> = {};
  for (const name of Object.keys(table) as (keyof Config)[]) {
    const variable = table[name];
    const found = environment[variable.env];
    const parsed = found === undefined || found === '' ? variable.absent() : variable.parse(found);
    if (parsed.ok) config[name] = parsed.value;
    else problems.push(`${variable.env} ${parsed.problem}`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return config as Config;
}

/** The table for `--help`: one paragraph per variable. */
export function configHelp<Config>(title: string, table: ConfigTable<Config>): string {
  const variables = Object.values(table) as ConfigVariable<unknown>[];
  const paragraphs = variables.map(({ env, type, description, shownDefault }) => {
    const fallback =
      shownDefault === 'required' ? ' (required)' : shownDefault === '' ? '' : ` (default ${shownDefault})`;
    return `  ${env}  ${type}${fallback}\n      ${description}`;
  });
  return `${title}\n\nEnvironment variables:\n${paragraphs.join('\n')}\n`;
}
