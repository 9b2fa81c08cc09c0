import {
  AttackService,
  type ClientSecurity,
  type Connection,
  connect,
  DatasetService,
  EvaluationService,
  JobsService,
  ModelsService,
  type ServiceCalls,
  TrainingService,
} from '@percept/contracts';
import type { Endpoints } from '@percept/gateways';

/** The owner of a kind of job. */
export type JobOwner = 'training' | 'attack' | 'evaluation';

/** Every service's calls, wherever each listens. */
export interface PerceptClient {
  readonly dataset: ServiceCalls<typeof DatasetService>;
  readonly training: ServiceCalls<typeof TrainingService>;
  readonly models: ServiceCalls<typeof ModelsService>;
  readonly attack: ServiceCalls<typeof AttackService>;
  readonly evaluation: ServiceCalls<typeof EvaluationService>;
  jobs(owner: JobOwner): ServiceCalls<typeof JobsService>;
  /** One Jobs service per address, for looking through all of them. */
  readonly allJobs: readonly ServiceCalls<typeof JobsService>[];
  close(): void;
}

/** Connects to the services; connections are made at the first call. */
export function perceptClient(endpoints: Endpoints, security: ClientSecurity = {}): PerceptClient {
  const connections = new Map<string, Connection>();
  const at = (address: string): Connection => {
    const known = connections.get(address) ?? connect(address, security);
    connections.set(address, known);
    return known;
  };
  const owners = [...new Set([endpoints.training, endpoints.attack, endpoints.evaluation])];
  return {
    dataset: at(endpoints.dataset).calls(DatasetService),
    training: at(endpoints.training).calls(TrainingService),
    models: at(endpoints.training).calls(ModelsService),
    attack: at(endpoints.attack).calls(AttackService),
    evaluation: at(endpoints.evaluation).calls(EvaluationService),
    jobs: (owner) => at(endpoints[owner]).calls(JobsService),
    allJobs: owners.map((address) => at(address).calls(JobsService)),
    close: () => {
      for (const connection of connections.values()) connection.close();
    },
  };
}
