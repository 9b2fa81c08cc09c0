export { type DashboardConfig, dashboardConfig } from './config.js';
export type { DashboardEndpoints } from './grpc-reader.js';
export { PageMissingError } from './page-files.js';
export { type Dashboard, type DashboardOptions, startDashboard } from './start.js';
