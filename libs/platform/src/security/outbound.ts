import { rpcError } from '@percept/contracts';
import type { ConfigTable } from '../config-table.js';
import { list, type Parsed } from '../config-variable.js';

/** A server on the network. */
export interface Endpoint {
  /** A name or an IPv4 address, or an IPv6 address in brackets; lower case. */
  readonly host: string;
  readonly port: number;
}

/** Servers that a process may connect to when a caller asks for it. */
export interface OutboundRule {
  /** A host, `*.DOMAIN` for every name below a domain, or `*` for every host. */
  readonly host: string;
  readonly port: number | '*';
  /** Whether gRPC speaks TLS there. */
  readonly tls: boolean;
}

/** Where a process may connect when a caller asks for it; the servers of its own configuration are exempt. */
export type OutboundAllowList = readonly OutboundRule[];

/** What a process that connects on behalf of callers reads. */
export interface OutboundConfig {
  readonly outbound: OutboundAllowList;
}

const variable = 'PERCEPT_OUTBOUND_ALLOW';
const hostText = String.raw`\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?`;
const endpointText = new RegExp(`^(${hostText}):([0-9]{1,5})$`);
const ruleText = new RegExp(String.raw`^(tls:)?(\*|(?:\*\.)?(?:${hostText})):([0-9]{1,5}|\*)$`);

/** The server that `HOST:PORT` names; undefined for any other text, a path, a scheme or a user among them. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, host, digits] = endpointText.exec(text.toLowerCase()) ?? [];
  const port = Number(digits);
  return host !== undefined && isPort(port) ? { host, port } : undefined;
}

/**
 * The rule by which a process may connect to a server, the first that applies.
 *
 * @throws PerceptRpcError PERMISSION_DENIED, naming the server and the setting.
 */
export function admitOutbound(allowed: OutboundAllowList, { host, port }: Endpoint): OutboundRule {
  const rule = allowed.find((one) => (one.port === '*' || one.port === port) && hostMatches(one.host, host));
  if (rule !== undefined) return rule;
  throw rpcError(
    'PERMISSION_DENIED',
    `${host}:${port} is not on this server's outbound allow-list; its operator can add it to ${variable}`,
  );
}

function hostMatches(pattern: string, host: string): boolean {
  if (pattern === '*') return true;
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** The archive of CIFAR-10, whose address and digest are fixed, and nothing that a caller may choose. */
export const defaultOutbound: OutboundAllowList = [{ host: 'www.cs.toronto.edu', port: 443, tls: false }];

const texts = list({
  env: variable,
  description:
    'Servers this process may connect to when a caller asks for it: HOST:PORT, *.DOMAIN:PORT or * for either part, with tls: in front for gRPC over TLS; none: none.',
  default: defaultOutbound.map(({ host, port }) => `${host}:${port}`),
});

function rulesOf(parsed: Parsed<readonly string[]>): Parsed<OutboundAllowList> {
  if (!parsed.ok) return parsed;
  if (parsed.value.join() === 'none') return { ok: true, value: [] };
  const rules: OutboundRule[] = [];
  for (const text of parsed.value) {
    const [, tls, host, digits] = ruleText.exec(text.toLowerCase()) ?? [];
    const port = digits === '*' ? digits : Number(digits);
    if (host === undefined || (port !== '*' && !isPort(port)))
      return { ok: false, problem: `must be a list of HOST:PORT, got "${text}"` };
    rules.push({ host, port, tls: tls !== undefined });
  }
  return { ok: true, value: rules };
}

/** The variable of a process that connects on behalf of callers. */
export const outboundConfig: ConfigTable<OutboundConfig> = {
  outbound: {
    ...texts,
    type: 'comma-separated list of HOST:PORT',
    absent: () => rulesOf(texts.absent()),
    parse: (text) => rulesOf(texts.parse(text)),
  },
};
