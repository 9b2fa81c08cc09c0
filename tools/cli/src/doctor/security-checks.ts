import { X509Certificate } from 'node:crypto';
import {
  type ChassisConfig,
  ConfigError,
  chassisConfig,
  type Environment,
  loadSecurity,
  readConfig,
  refuseInsecureHost,
} from '@percept/platform';
import type { Check, Finding } from './check.js';

const warningDays = 30;
const dayMs = 86_400_000;

/** Configuration, certificates and tokens as the services of this environment would read them. */
export function securityChecks(environment: Environment, now: Date = new Date()): readonly Check[] {
  const read = (): ChassisConfig => readConfig(chassisConfig, environment);
  return [
    {
      name: 'configuration',
      run: async () => {
        try {
          const config = read();
          refuseInsecureHost(config.host, (await loadSecurity(config, now)).server);
        } catch (error) {
          if (!(error instanceof Error)) throw error;
          const found = error instanceof ConfigError ? error.problems.join('; ') : error.message;
          return { state: 'failed', found, advice: 'correct these variables; docs/operations.md explains them' };
        }
        return { state: 'ok', found: 'every variable that is set is sound' };
      },
    },
    {
      name: 'certificate',
      run: async () => {
        const { tls } = (await loadSecurity(read(), now)).server;
        if (tls === undefined) return { state: 'ok', found: 'TLS is off' };
        const end = new Date(new X509Certificate(tls.certificate).validTo);
        return ending(`the certificate ends on ${end.toISOString()}`, end, now, 'have it renewed, then restart');
      },
    },
    {
      name: 'tokens',
      run: async () => {
        const { tokens } = (await loadSecurity(read(), now)).server;
        if (tokens === undefined) return { state: 'ok', found: 'no tokens are asked for' };
        const first = [...tokens.entries].sort((a, b) => a.expires.getTime() - b.expires.getTime())[0];
        if (first === undefined) {
          return { state: 'warning', found: 'the tokens file is empty', advice: 'nobody can call; add a token' };
        }
        const found = `${tokens.entries.length} tokens, the first to end is ${first.name} on ${first.expires.toISOString()}`;
        return ending(found, first.expires, now, 'give its holder a new one, then restart');
      },
    },
  ];
}

function ending(found: string, end: Date, now: Date, advice: string): Finding {
  return end.getTime() - now.getTime() > warningDays * dayMs
    ? { state: 'ok', found }
    : { state: 'warning', found, advice };
}
