import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../../../tools/cli/src/hosting/free-port.js';

const runtime = fileURLToPath(new URL('linear_model.py', import.meta.url));
const host = '127.0.0.1';

/** MLServer with the model `linear` of 32 x 32 x 3 pixels and 10 classes. */
export interface LinearServer {
  /** Where it answers the Open Inference Protocol over gRPC. */
  readonly endpoint: string;
  close(): Promise<void>;
}

/** Starts MLServer over a folder of its own. `weights`: 3,072 x 10, row-major. @throws Error with its output where it does not come up. */
export async function startLinearServer(program: string, weights: Float32Array): Promise<LinearServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'percept-mlserver-'));
  const [httpPort, grpcPort] = [await freePort(host), await freePort(host)];
  await copyFile(runtime, path.join(folder, 'linear_model.py'));
  await writeFile(path.join(folder, 'weights.f32'), weights);
  const settings = { host, http_port: httpPort, grpc_port: grpcPort, metrics_endpoint: null, parallel_workers: 0 };
  await writeFile(path.join(folder, 'settings.json'), JSON.stringify(settings));
  const model = {
    name: 'linear',
    implementation: 'linear_model.LinearModel',
    parameters: { uri: 'weights.f32', version: 'v1' },
    inputs: [{ name: 'images', datatype: 'FP32', shape: [-1, 32, 32, 3] }],
    outputs: [{ name: 'logits', datatype: 'FP32', shape: [-1, 10] }],
  };
  await writeFile(path.join(folder, 'model-settings.json'), JSON.stringify(model));
  const child = spawn(program, ['start', folder], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-20_000);
    });
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  for (const deadline = Date.now() + 120_000; !/Loaded model[\s\S]*gRPC server running/.test(output); await pause(50)) {
    if (Date.now() < deadline && child.exitCode === null) continue;
    await close();
    throw new Error(`MLServer did not come up: ${output}`);
  }
  return { endpoint: `${host}:${grpcPort}`, close };
}
