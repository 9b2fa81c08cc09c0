import { writeFile } from 'node:fs/promises';
import { ModelFormat } from '@percept/contracts';
import type { Command } from 'commander';
import { print, withClient, withClientOptions } from '../global-options.js';
import { formatTable } from '../table.js';

/** `percept models list | show | export | delete`. */
export function addModels(program: Command): void {
  const models = program.command('models').description('trained models');
  withClientOptions(models.command('list').description('list the models')).action(async (options) => {
    await withClient(options, async (client) => {
      const { models: found } = await client.models.list({ name: '', pageSize: 1_000, pageToken: '' });
      print(options, found, () =>
        formatTable(
          ['name', 'version', 'recipe', 'preset', 'data set', 'test accuracy', 'id', 'digest'],
          found.map((model) => [
            model.name,
            model.version,
            model.training?.recipe ?? '',
            model.training?.preset ?? '',
            model.training?.dataset ?? '',
            model.metrics['test_accuracy'] === undefined
              ? ''
              : `${(model.metrics['test_accuracy'] * 100).toFixed(1)} %`,
            model.id,
            model.digest.slice(0, 12),
          ]),
        ),
      );
    });
  });
  withClientOptions(models.command('show <model>').description('describe one model')).action(
    async (model: string, options) => {
      await withClient(options, async (client) => {
        const { model: found } = await client.models.get({ model });
        print(options, found, () => JSON.stringify(found, null, 2));
      });
    },
  );
  withClientOptions(models.command('export <model> <file>').description('write the weights as safetensors')).action(
    async (model: string, file: string, options) => {
      await withClient(options, async (client) => {
        const chunks: Uint8Array[] = [];
        for await (const { chunk } of client.models.export({ model, format: ModelFormat.SAFETENSORS })) {
          if (chunk) chunks.push(chunk.data);
        }
        const bytes = Buffer.concat(chunks);
        await writeFile(file, bytes);
        print(options, { file, bytes: bytes.byteLength }, () => `${file}: ${bytes.byteLength} bytes`);
      });
    },
  );
  withClientOptions(models.command('delete <model>').description('delete a model')).action(
    async (model: string, options) => {
      await withClient(options, async (client) => {
        await client.models.delete({ requestId: '', model });
        print(options, { deleted: model }, () => `deleted ${model}`);
      });
    },
  );
}
