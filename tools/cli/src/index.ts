export { type Distributed, type DistributedOptions, startDistributed } from './hosting/distributed.js';
export { type Embedded, type EmbeddedOptions, startEmbedded } from './hosting/embedded.js';
export { main } from './main.js';
export { type PerceptClient, perceptClient } from './percept-client.js';
