import type { Bus } from '@percept/bus';
import type { Dependency } from '@percept/platform';
import type { Store } from '@percept/store';

/** What no service with jobs can do without, for its readiness. */
export function jobDependencies({ bus, store }: { bus: Bus; store: Store }): readonly Dependency[] {
  return [
    { name: 'bus', check: () => bus.check() },
    {
      name: 'store',
      check: async () => {
        // A listing, since it is answered from the bucket and not from a cache; nothing is under this prefix.
        await store.list('readiness/').next();
      },
    },
  ];
}
