export { DatasetGateway, type ReadBatch, type Samples } from './dataset-gateway.js';
export { type Endpoints, serviceNames, sharedEndpoint } from './endpoints.js';
export { CorruptWeightsError, IncompleteAnswerError, RemoteModelError } from './errors.js';
export { type CallOptions, type FetchedModel, ModelGateway } from './model-gateway.js';
