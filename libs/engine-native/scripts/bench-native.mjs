// Builds conv_bench and runs it with the given WIDTH BATCH THREADS ROUNDS; its lines are JSON.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { buildConvPrograms } from './build-conv-programs.mjs';

const folder = buildConvPrograms('conv-bench', ['conv_bench']);
if (folder === undefined) process.exit(1);
const { status } = spawnSync(path.join(folder, 'conv_bench'), process.argv.slice(2), { stdio: 'inherit' });
process.exitCode = status ?? 1;
