import { createHash } from 'node:crypto';
import { rpcError } from '@percept/contracts';

/** CIFAR-10's official archive and its MD5 as its authors publish it (https://www.cs.toronto.edu/~kriz/cifar.html). */
export const officialCifar10: { readonly url: string; readonly md5: string } = {
  url: 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
  md5: 'c32a1d4ab5d03f1284b67883e8d87530',
};

/**
 * Fetches CIFAR-10's archive and checks it against its digest.
 *
 * @throws PerceptRpcError UNAVAILABLE when it cannot be fetched, DATA_LOSS when what came is something else.
 */
export async function downloadCifar10(
  { url, md5 }: { readonly url: string; readonly md5: string },
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Uint8Array>> {
  let bytes: Uint8Array;
  try {
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    signal.throwIfAborted();
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
