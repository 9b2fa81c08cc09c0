export { type StartDatasetOptions, startDataset } from './start.js';
