import { createHash } from 'node:crypto';
import { PerceptRpcError, rpcError } from '@percept/contracts';
import { admitOutbound, type OutboundAllowList } from '@percept/platform';

/** CIFAR-10's official archive and its MD5 as its authors publish it (https://www.cs.toronto.edu/~kriz/cifar.html). */
export const officialCifar10: { readonly url: string; readonly md5: string } = {
  url: 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
  md5: 'c32a1d4ab5d03f1284b67883e8d87530',
};

/** How often an address may lead to another. */
const mostRedirects = 5;

/**
 * Fetches CIFAR-10's archive and checks it against its digest.
 *
 * @throws PerceptRpcError PERMISSION_DENIED when it lies, or is said to have moved, where the allow-list does not lead; UNAVAILABLE when it cannot
 * be fetched, DATA_LOSS when what came is something else.
 */
export async function downloadCifar10(
  { url, md5 }: { readonly url: string; readonly md5: string },
  outbound: OutboundAllowList,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Uint8Array>> {
  let bytes: Uint8Array;
  try {
    const response = await fetchAllowed(url, outbound, signal);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof PerceptRpcError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw rpcError('UNAVAILABLE', `CIFAR-10's archive cannot be fetched (${reason}); upload it instead`, {
      noAutomaticRetry: true,
      cause: error,
    });
  }
  const found = createHash('md5').update(bytes).digest('hex');
  if (found !== md5) {
    throw rpcError(
      'DATA_LOSS',
      `what came from CIFAR-10's address has the MD5 ${found}, not ${md5}; upload the archive instead`,
    );
  }
  return new Map([['cifar-10-binary.tar.gz', bytes]]);
}

/** Follows redirects one by one, since each may lead to another server. */
async function fetchAllowed(first: string, outbound: OutboundAllowList, signal: AbortSignal): Promise<Response> {
  let url = new URL(first);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
    admitOutbound(outbound, { host: url.hostname, port });
    const response = await fetch(url, { signal, redirect: 'manual' });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) return response;
    await response.body?.cancel();
    url = new URL(location, url);
  }
  throw new Error(`more than ${mostRedirects} redirects`);
}
