/** The host under which this machine reaches what it bound to `host`: loopback where that is every address. */
export function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' || host === '[::]' ? '[::1]' : host;
}
