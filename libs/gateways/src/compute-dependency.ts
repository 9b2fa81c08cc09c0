import type { Dependency } from '@percept/platform';

/** For the readiness of a service that computes: one of its workers must be alive. */
export function computeDependency(pool: { readonly status: { readonly alive: number } }): Dependency {
  return {
    name: 'compute workers',
    check: async () => {
      if (pool.status.alive === 0) throw new Error('no compute worker is alive');
    },
  };
}
