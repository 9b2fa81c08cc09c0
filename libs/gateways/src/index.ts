export { computeDependency } from './compute-dependency.js';
export { DatasetGateway, type ReadBatch, type Samples } from './dataset-gateway.js';
export { type Endpoints, serviceNames, sharedEndpoint } from './endpoints.js';
export { CorruptWeightsError, IncompleteAnswerError, RemoteModelError } from './errors.js';
export { type FetchedModel, ModelGateway } from './model-gateway.js';
export {
  EndpointBusyError,
  EndpointUnavailableError,
  RemoteModelAnswerError,
  RemoteModelNotFoundError,
} from './remote/errors.js';
export type { RemoteModelDescription } from './remote/remote-model-description.js';
export { fetchRemoteModel, RemoteModelGateway } from './remote/remote-model-gateway.js';
export type { ServiceParts } from './service-parts.js';
