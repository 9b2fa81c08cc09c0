import type { Command } from 'commander';
import { print, withClient, withClientOptions } from '../global-options.js';

/** `percept gc`: removes what ended and abandoned jobs left in the store. */
export function addGc(program: Command): void {
  const gc = program
    .command('gc')
    .description('remove what ended and abandoned jobs left in the store, one hour after');
  withClientOptions(gc.option('--dry-run', 'only tell what would be removed', false)).action(async (options) => {
    await withClient(options, async ({ allJobs: [calls] }) => {
      const answer = await calls?.collectGarbage({ dryRun: options.dryRun });
      const verb = options.dryRun ? 'would be removed' : 'removed';
      print(options, answer, () =>
        [...(answer?.keys ?? []), `${answer?.objects ?? 0} objects, ${answer?.bytes ?? 0} bytes ${verb}`].join('\n'),
      );
    });
  });
}
