import type { ConfigTable } from '../config-table.js';
import { boolean, choice, secret, text } from '../config-variable.js';

/** Whether connections are encrypted, and whether clients too must show a certificate. */
export const tlsModes = ['off', 'server', 'mutual'] as const;

/** A mode of `tlsModes`. */
export type TlsMode = (typeof tlsModes)[number];

/** How a process shows who it is when it calls others. */
export interface ClientSecurityConfig {
  readonly tls: TlsMode;
  readonly tlsCa: string | undefined;
  readonly tlsCertificate: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsServerName: string | undefined;
  readonly token: string | undefined;
}

/** How a process is called, and calls others. */
export interface SecurityConfig extends ClientSecurityConfig {
  readonly tokensFile: string | undefined;
  readonly allowInsecure: boolean;
}

/** The variables of a process that calls services. */
export const clientSecurityConfig: ConfigTable<ClientSecurityConfig> = {
  tls: choice({
    env: 'PERCEPT_TLS',
    description:
      'off: connections in clear. server: servers show a certificate. mutual: clients must show one of the same authority too.',
    choices: tlsModes,
    default: 'off',
  }),
  tlsCa: text({
    env: 'PERCEPT_TLS_CA',
    description: 'File of the certificates (PEM) that the other side is believed by; default: those of the system.',
    optional: true,
  }),
  tlsCertificate: text({
    env: 'PERCEPT_TLS_CERTIFICATE',
    description: 'File of the certificate (PEM) that this process shows, with its chain.',
    optional: true,
  }),
  tlsKey: text({ env: 'PERCEPT_TLS_KEY', description: 'File of the key (PEM) of that certificate.', optional: true }),
  tlsServerName: text({
    env: 'PERCEPT_TLS_SERVER_NAME',
    description: "Name that servers' certificates must have, where it is not that of their address.",
    optional: true,
  }),
  token: secret({
    env: 'PERCEPT_TOKEN',
    description: 'Bearer token that this process shows to services.',
    optional: true,
  }),
};

/** The variables of a process that serves. */
export const securityConfig: ConfigTable<SecurityConfig> = {
  ...clientSecurityConfig,
  tokensFile: text({
    env: 'PERCEPT_TOKENS_FILE',
    description: 'File of the tokens (JSON: name, SHA-256, end, scopes) that are let in; without it none is asked for.',
    optional: true,
  }),
  allowInsecure: boolean({
    env: 'PERCEPT_ALLOW_INSECURE',
    description: 'Listen beyond loopback without TLS or without tokens.',
    default: false,
  }),
};
