import { expect, it } from 'vitest';
import { serviceName } from '../src/service-name.js';

it.each([
  [{}, ['node', '/app/services/attack/dist/main.js'], 'percept-attack'],
  [{}, ['node', '/app/services/attack/dist/main.js', '--worker', 'attack'], 'percept-attack-worker'],
  [{}, ['node', '/app/tools/cli/bin/percept.js', 'up'], 'percept'],
  [{ OTEL_SERVICE_NAME: 'mine' }, ['node', '/app/services/attack/dist/main.js'], 'mine'],
])('with %o, the process %j is called %s in traces', (environment, commandLine, name) => {
  expect(serviceName(environment, commandLine)).toBe(name);
});
