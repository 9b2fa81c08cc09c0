import type { Command } from 'commander';
import { print, withClient, withClientOptions } from '../global-options.js';

/** `percept gc`: removes what ended and abandoned jobs left in the store. */
export function addGc(program: Command): void {
  const gc = program
    .command('gc')
    .description('remove what ended and abandoned jobs left in the store, one hour after');
  withClientOptions(gc.option('--dry-run', 'only tell what would be removed', false)).action(async (options) => {
    await withClient(options, async (client, signal) => {
      const garbage = { objects: 0, bytes: 0, keys: [] as string[] };
      let pageToken = '';
      do {
        const page = await client.jobs('training').collectGarbage({ dryRun: options.dryRun, pageToken }, { signal });
        garbage.objects += page.objects;
        garbage.bytes += page.bytes;
        garbage.keys.push(...page.keys);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      const verb = options.dryRun ? 'would be removed' : 'removed';
      print(options, garbage, () =>
        [...garbage.keys, `${garbage.objects} objects, ${garbage.bytes} bytes ${verb}`].join('\n'),
      );
    });
  });
}
