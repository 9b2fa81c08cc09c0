import { DashboardConfigError, describeDashboardConfig, readDashboardConfig } from './config.js';
import { PageMissingError } from './page-files.js';
import { startDashboard, TokenRequiredError } from './start.js';

function isForTheOperator(error: unknown): error is Error {
  if (error instanceof DashboardConfigError || error instanceof PageMissingError) return true;
  if (error instanceof TokenRequiredError) return true;
  return error instanceof Error && 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES');
}

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    console.log(`The dashboard of Percept. Environment variables:\n\n${describeDashboardConfig()}`);
    return;
  }
  const dashboard = await startDashboard(readDashboardConfig(process.env));
  console.log(`The dashboard is at ${dashboard.url}`);
  const stop = (): void => {
    void dashboard.close();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

main().catch((error: unknown) => {
  console.error(isForTheOperator(error) ? error.message : error);
  process.exitCode = 1;
});
