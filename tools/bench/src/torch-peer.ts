import { fileURLToPath } from 'node:url';
import type { SteppingContender } from './contender.js';
import type { BenchOptions } from './options.js';
import { PythonProcess } from './python-process.js';

const script = fileURLToPath(new URL('../peers/torch_step.py', import.meta.url));

/** How PyTorch is set up; all are timed and the fastest counts. */
interface TorchSetting {
  readonly label: string;
  readonly channelsLast: boolean;
  readonly environment: Readonly<Record<string, string>>;
}

/** With glibc's defaults PyTorch maps and unmaps its large buffers in every step; raised thresholds make it up to a tenth faster. */
export const keepsMemory = { MALLOC_MMAP_THRESHOLD_: '4294967296', MALLOC_TRIM_THRESHOLD_: '4294967296' };

const settings: readonly TorchSetting[] = [
  { label: 'contiguous', channelsLast: false, environment: {} },
  { label: 'channels_last', channelsLast: true, environment: {} },
  { label: 'contiguous, malloc tuned', channelsLast: false, environment: keepsMemory },
  { label: 'channels_last, malloc tuned', channelsLast: true, environment: keepsMemory },
];

/** PyTorch in each of its settings, each in a process of its own. @throws Error when Python or PyTorch is missing. */
export async function startTorchPeers(kind: string, options: BenchOptions): Promise<SteppingContender[]> {
  const children: PythonProcess[] = [];
  try {
    const peers: SteppingContender[] = [];
    for (const { label, channelsLast, environment } of settings) {
      const child = new PythonProcess(options.python, script, environment);
      children.push(child);
      const { width, batch, threads } = options;
      const { version } = await child.ask<{ version: string }>({
        ...{ command: 'prepare', kind, width, batch, threads, channelsLast },
      });
      let peakBytes = 0;
      peers.push({
        label: `torch ${version} ${label}`,
        run: async (steps) => {
          const answer = await child.ask<{ seconds: number; peakBytes: number }>({ command: 'run', steps });
          peakBytes = answer.peakBytes;
          return answer.seconds;
        },
        peakBytes: () => peakBytes,
        close: () => child.close(),
      });
    }
    return peers;
  } catch (error) {
    await Promise.all(children.map((child) => child.close()));
    throw error;
  }
}
