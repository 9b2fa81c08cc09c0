import type { Dependency, MountedService } from '@percept/platform';

/**
 * A service built and ready to be served. Whoever composes the process mounts `services`, mounts one Jobs service for the `kinds` of all
 * parts on a port, queues unfinished jobs again, and only then calls `start`.
 */
export interface ServiceParts {
  readonly services: readonly MountedService[];
  /** Kinds of the jobs it owns; empty for none. */
  readonly kinds: readonly string[];
  /** What it cannot work without, beside bus and store. */
  readonly dependencies: readonly Dependency[];
  /** Begins to take jobs; the services already accept them before. */
  start(): void;
  /** Hands running jobs back and frees everything. */
  close(): Promise<void>;
}
