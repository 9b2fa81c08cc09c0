import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ClientSecurity, ClientTls } from '@percept/contracts';
import { ConfigError } from '../config-table.js';
import {
  type ClientSecurityConfig,
  clientSecurityConfig,
  type SecurityConfig,
  securityConfig,
} from './security-config.js';
import { TokensFileError, TokenTable } from './token-table.js';

/** How a server speaks TLS; all texts are PEM. */
export interface ServerTls {
  readonly certificate: string;
  readonly key: string;
  /** Clients must show a certificate of one of these authorities. Default: none is asked for. */
  readonly clientAuthorities?: string;
}

/** Who may call a server, and how. */
export interface ServerSecurity {
  /** Default: no TLS. */
  readonly tls?: ServerTls;
  /** Default: no token is asked for. */
  readonly tokens?: TokenTable;
  /** Listen beyond loopback without TLS or without tokens. Default: refuse. */
  readonly allowInsecure?: boolean;
}

/** Both sides of a process. */
export interface Security {
  readonly server: ServerSecurity;
  readonly client: ClientSecurity;
}

/** Reads certificates, keys and tokens from their files. @throws ConfigError with every problem. */
export async function loadSecurity(config: SecurityConfig, now: Date = new Date()): Promise<Security> {
  const problems: string[] = [];
  const files = await readTlsFiles(config, true, problems, now);
  const tokens = await readTokens(config.tokensFile, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  const { certificate, key, authorities } = files;
  const tls: ServerTls | undefined =
    certificate === undefined || key === undefined
      ? undefined
      : { certificate, key, ...(config.tls === 'mutual' && authorities ? { clientAuthorities: authorities } : {}) };
  return {
    server: {
      ...(tls === undefined ? {} : { tls }),
      ...(tokens === undefined ? {} : { tokens }),
      allowInsecure: config.allowInsecure,
    },
    client: clientSecurity(config, files),
  };
}

/** As `loadSecurity`, for a service that calls others: where it asks for tokens, it must have one. @throws ConfigError. */
export async function loadServiceSecurity(config: SecurityConfig): Promise<Security> {
  const security = await loadSecurity(config);
  if (security.server.tokens !== undefined && security.client.token === undefined) {
    const { token, tokensFile } = securityConfig;
    throw new ConfigError([`${token.env} must be set where ${tokensFile.env} is: services call each other with it`]);
  }
  return security;
}

/** Reads what a client needs from its files. @throws ConfigError with every problem. */
export async function loadClientSecurity(
  config: ClientSecurityConfig,
  now: Date = new Date(),
): Promise<ClientSecurity> {
  const problems: string[] = [];
  const files = await readTlsFiles(config, false, problems, now);
  if (problems.length > 0) throw new ConfigError(problems);
  return clientSecurity(config, files);
}

interface TlsFiles {
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  readonly authorities?: string | undefined;
}

function clientSecurity(config: ClientSecurityConfig, { certificate, key, authorities }: TlsFiles): ClientSecurity {
  const tls: ClientTls | undefined =
    config.tls === 'off'
      ? undefined
      : {
          ...(authorities === undefined ? {} : { authorities }),
          ...(config.tls === 'mutual' && certificate && key ? { identity: { certificate, key } } : {}),
          ...(config.tlsServerName === undefined ? {} : { serverName: config.tlsServerName }),
        };
  return { ...(tls === undefined ? {} : { tls }), ...(config.token === undefined ? {} : { token: config.token }) };
}

async function readTlsFiles(
  config: ClientSecurityConfig,
  serves: boolean,
  problems: string[],
  now: Date,
): Promise<TlsFiles> {
  if (config.tls === 'off') return {};
  const identityNeeded = serves || config.tls === 'mutual';
  const { tlsCertificate, tlsKey, tlsCa } = clientSecurityConfig;
  const [certificate, key, authorities] = await Promise.all([
    readNamed(config.tlsCertificate, tlsCertificate.env, identityNeeded, problems),
    readNamed(config.tlsKey, tlsKey.env, identityNeeded, problems),
    readNamed(config.tlsCa, tlsCa.env, config.tls === 'mutual', problems),
  ]);
  if (certificate !== undefined && key !== undefined) checkPair(certificate, key, problems, now);
  if (authorities !== undefined && parseCertificate(authorities) === undefined) {
    problems.push(`${tlsCa.env} names a file that holds no certificate`);
  }
  return { certificate, key, authorities };
}

async function readNamed(
  file: string | undefined,
  variable: string,
  needed: boolean,
  problems: string[],
): Promise<string | undefined> {
  if (file === undefined) {
    if (needed) problems.push(`${variable} must be set, since ${clientSecurityConfig.tls.env} asks for it`);
    return undefined;
  }
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    problems.push(`${variable} names a file that cannot be read (${(error as NodeJS.ErrnoException).code})`);
    return undefined;
  }
}

function checkPair(certificate: string, key: string, problems: string[], now: Date): void {
  const { tlsCertificate, tlsKey } = clientSecurityConfig;
  const parsed = parseCertificate(certificate);
  if (parsed === undefined) {
    problems.push(`${tlsCertificate.env} names a file that holds no certificate`);
    return;
  }
  if (new Date(parsed.validTo) <= now)
    problems.push(`${tlsCertificate.env}: the certificate ended on ${parsed.validTo}`);
  if (new Date(parsed.validFrom) > now) {
    problems.push(`${tlsCertificate.env}: the certificate begins only on ${parsed.validFrom}`);
  }
  try {
    if (!parsed.checkPrivateKey(createPrivateKey(key))) {
      problems.push(`${tlsKey.env}: the key is not that of the certificate`);
    }
  } catch {
    problems.push(`${tlsKey.env} names a file that holds no key without a passphrase`);
  }
}

function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

async function readTokens(file: string | undefined, problems: string[]): Promise<TokenTable | undefined> {
  const { env } = securityConfig.tokensFile;
  const text = await readNamed(file, env, false, problems);
  if (text === undefined) return undefined;
  try {
    return TokenTable.parse(text);
  } catch (error) {
    if (!(error instanceof TokensFileError)) throw error;
    problems.push(...error.problems.map((problem) => `${env}: ${problem}`));
    return undefined;
  }
}
