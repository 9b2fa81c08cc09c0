/** Where each service listens, as `host:port`. In one process they share one address. */
export interface Endpoints {
  readonly dataset: string;
  readonly training: string;
  readonly attack: string;
  readonly evaluation: string;
}

/** The services' names in the order they start. */
export const serviceNames = ['dataset', 'training', 'attack', 'evaluation'] as const;

/** The same address for every service. */
export function sharedEndpoint(address: string): Endpoints {
  return { dataset: address, training: address, attack: address, evaluation: address };
}
