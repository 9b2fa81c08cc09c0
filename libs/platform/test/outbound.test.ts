import { PerceptRpcError } from '@percept/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  admitOutbound,
  ConfigError,
  defaultOutbound,
  type OutboundAllowList,
  outboundConfig,
  parseEndpoint,
  readConfig,
} from '../src/index.js';

const listOf = (text?: string): OutboundAllowList =>
  readConfig(outboundConfig, { PERCEPT_OUTBOUND_ALLOW: text }).outbound;

function admits(list: OutboundAllowList, text: string): boolean | 'tls' {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new Error(`${text} is no endpoint`);
  try {
    return admitOutbound(list, endpoint).tls ? 'tls' : true;
  } catch (error) {
    if (error instanceof PerceptRpcError && error.code === 'PERMISSION_DENIED') return false;
    throw error;
  }
}

describe('an outbound allow-list', () => {
  it.each<[string, string, boolean | 'tls']>([
    ['models.example.org:9000', 'models.example.org:9000', true],
    ['models.example.org:9000', 'MODELS.example.org:9000', true],
    ['models.example.org:9000', 'models.example.org:9001', false],
    ['models.example.org:9000', 'xmodels.example.org:9000', false],
    ['models.example.org:9000', 'models.example.org.evil.net:9000', false],
    ['*.example.org:9000', 'a.b.example.org:9000', true],
    ['*.example.org:9000', 'example.org:9000', false],
    ['*.example.org:9000', 'evilexample.org:9000', false],
    ['10.0.0.7:*', '10.0.0.7:65535', true],
    ['10.0.0.7:*', '10.0.0.70:1', false],
    ['*:9000', 'anything:9000', true],
    ['*:*', '[::1]:1', true],
    ['[::1]:9000', '[::1]:9000', true],
    ['[::1]:9000', '[::2]:9000', false],
    ['a:1, b:2', 'b:2', true],
    ['tls:a:1', 'a:1', 'tls'],
    ['a:1,tls:*:1', 'a:1', true],
    ['a:1,tls:*:1', 'b:1', 'tls'],
    ['none', 'a:1', false],
  ])('of %s takes %s: %s', (list, endpoint, expected) => {
    expect(admits(listOf(list), endpoint)).toBe(expected);
  });

  it('holds no more than the fixed address of CIFAR-10 by default', () => {
    expect(listOf()).toEqual(defaultOutbound);
    expect(defaultOutbound).toEqual([{ host: 'www.cs.toronto.edu', port: 443, tls: false }]);
  });

  it('names the server and the setting where it refuses', () => {
    expect(() => admitOutbound(listOf('none'), { host: 'models', port: 9000 })).toThrow(
      "PERMISSION_DENIED: models:9000 is not on this server's outbound allow-list; its operator can add it to PERCEPT_OUTBOUND_ALLOW",
    );
  });

  it.each(['models', 'models:0', 'models:65536', 'http://models:1', '*.*:1', 'a*:1', 'tls:tls:a:1', 'none,a:1', ':1'])(
    'cannot hold %s',
    (text) => {
      expect(() => listOf(text)).toThrow(ConfigError);
    },
  );

  it.each([
    'unix:/tmp/socket',
    'dns:///a:1',
    'a:1/b',
    'user@a:1',
    'a',
    'a:',
    ':1',
    'a:0',
    'a:99999',
    '*:1',
    'a b:1',
    '::1:1',
    'a:1,b:1',
    '',
  ])('is not even asked about %j, which is no endpoint', (text) => {
    expect(parseEndpoint(text)).toBeUndefined();
  });

  it('takes exactly the server that it names, of all servers', () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    fc.assert(
      fc.property(fc.domain(), port, fc.domain(), port, (host, at, otherHost, otherAt) => {
        const list = listOf(`${host}:${at}`);
        expect(admits(list, `${host}:${at}`)).toBe(true);
        const same = host.toLowerCase() === otherHost.toLowerCase() && at === otherAt;
        expect(admits(list, `${otherHost}:${otherAt}`)).toBe(same);
      }),
    );
  });
});
