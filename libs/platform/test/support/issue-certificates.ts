import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate and its key as PEM. */
export interface Issued {
  readonly certificate: string;
  readonly key: string;
}

/** An authority that issues certificates for loopback, with keys of its own that no test shares. */
export interface Authority {
  readonly certificate: string;
  issue(options?: { readonly name?: string; readonly from?: Date; readonly to?: Date }): Issued;
}

const day = 86_400_000;
const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));

/** Makes an authority whose own certificate is signed by itself (X.509 v3, RFC 5280; P-256, SHA-256). */
export function makeAuthority(name = 'test authority'): Authority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issue = (subject: string, key: KeyObject, extensions: Buffer, from: Date, to: Date): string => {
    const body = sequence(
      tagged(0xa0, integer(Buffer.from([2]))),
      integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
      ecdsaWithSha256,
      commonName(name),
      sequence(time(from), time(to)),
      commonName(subject),
      key.export({ type: 'spki', format: 'der' }),
      tagged(0xa3, extensions),
    );
    const signature = sign('sha256', body, privateKey);
    const der = sequence(body, ecdsaWithSha256, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
    return `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
  };
  const begin = new Date(Date.now() - day);
  const end = new Date(Date.now() + day);
  return {
    certificate: issue(name, publicKey, sequence(authorityExtension), begin, end),
    issue: ({ name: subject = 'localhost', from = begin, to = end } = {}) => {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return {
        certificate: issue(subject, pair.publicKey, sequence(loopbackNames), from, to),
        key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      };
    },
  };
}

const truth = tagged(0x01, Buffer.from([0xff]));
/** Basic constraints, critical: an authority. */
const authorityExtension = sequence(oid(0x55, 0x1d, 0x13), truth, tagged(0x04, sequence(truth)));
/** Subject alternative names: localhost and 127.0.0.1. */
const loopbackNames = sequence(
  oid(0x55, 0x1d, 0x11),
  tagged(0x04, sequence(tagged(0x82, Buffer.from('localhost')), tagged(0x87, Buffer.from([127, 0, 0, 1])))),
);

function tagged(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

function sequence(...content: readonly Buffer[]): Buffer {
  return tagged(0x30, ...content);
}

function oid(...bytes: readonly number[]): Buffer {
  return tagged(0x06, Buffer.from(bytes));
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function commonName(name: string): Buffer {
  return sequence(tagged(0x31, sequence(oid(0x55, 0x04, 0x03), tagged(0x0c, Buffer.from(name)))));
}

function time(date: Date): Buffer {
  return tagged(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]|\.\d+Z$/g, '')}Z`));
}
