import type { Command } from 'commander';
import { print, withClient, withClientOptions } from '../global-options.js';
import { formatTable } from '../table.js';

/** `percept data list | show`. */
export function addData(program: Command): void {
  const data = program.command('data').description('data sets');
  withClientOptions(data.command('list').description('list the data sets')).action(async (options) => {
    await withClient(options, async ({ dataset }) => {
      const { datasets } = await dataset.list({});
      print(options, datasets, () =>
        formatTable(
          ['name', 'classes', 'size', 'samples', 'ready', 'source'],
          datasets.map((one) => [
            one.name,
            one.classNames.length,
            `${one.height}x${one.width}x${one.channels}`,
            one.splits.map((split) => `${split.name} ${split.samples}`).join(', '),
            one.available ? 'yes' : 'no',
            one.source,
          ]),
        ),
      );
    });
  });
  withClientOptions(data.command('show <name>').description('describe one data set')).action(
    async (name: string, options) => {
      await withClient(options, async ({ dataset }) => {
        const { dataset: one } = await dataset.get({ name });
        print(options, one, () => JSON.stringify(one, null, 2));
      });
    },
  );
  withClientOptions(
    data
      .command('import <name> <server-entry>')
      .description("import a CIFAR-10 folder that lies in the services' data folder"),
  ).action(async (name: string, serverEntry: string, options) => {
    await withClient(options, async ({ dataset }) => {
      const header = {
        requestId: '',
        name,
        format: 1,
        source: { $case: 'serverEntry', value: serverEntry },
        seed: 0,
      } as const;
      const { dataset: one } = await dataset.import([{ part: { $case: 'header', value: header } }], {
        timeoutMs: 600_000,
      });
      print(
        options,
        one,
        () => `${one?.name}: ${one?.splits.map((split) => `${split.name} ${split.samples}`).join(', ')}`,
      );
    });
  });
}
