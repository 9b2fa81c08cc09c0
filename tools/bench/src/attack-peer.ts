import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExportedModel } from './exported-model.js';
import { PythonProcess } from './python-process.js';

const script = fileURLToPath(new URL('../peers/torch_attack.py', import.meta.url));

/** What an attack cost, in images. */
export interface AttackCost {
  readonly seconds: number;
  /** Processor seconds of all threads together: what other processes of the machine hardly disturb. */
  readonly processorSeconds: number;
  readonly gradientImageSteps: number;
  readonly forwardImagePasses: number;
}

/** Images as our side holds them: n flattened NHWC images in [0, 1] with their classes. */
export interface LabelledImages {
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** A process that holds one exported model and its images in PyTorch, ready to attack them. */
export class AttackPeer {
  readonly version: string;
  /** Share of the images that PyTorch classifies as labelled. */
  readonly accuracy: number;
  readonly #child: PythonProcess;
  readonly #folder: string;

  private constructor(child: PythonProcess, folder: string, version: string, accuracy: number) {
    this.#child = child;
    this.#folder = folder;
    this.version = version;
    this.accuracy = accuracy;
  }

  /** @throws Error when Python or PyTorch is missing. */
  static async start(
    python: string,
    { spec, weights }: ExportedModel,
    { images, labels }: LabelledImages,
    threads: number,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<AttackPeer> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'percept-attack-peer-'));
    const child = new PythonProcess(python, script, environment);
    try {
      const file = path.join(folder, 'images.f32');
      await writeFile(file, bytesOf(toChannelsFirst(images, spec.channels, labels.length)));
      const { version, accuracy } = await child.ask<{ version: string; accuracy: number }>({
        ...{ command: 'load', weights, spec, images: file, labels: [...labels], threads },
      });
      return new AttackPeer(child, folder, version, accuracy);
    } catch (error) {
      await child.close();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async ask<Answer>(request: Readonly<Record<string, unknown>>): Promise<Answer> {
    return await this.#child.ask<Answer>(request);
  }

  /** A file of this peer's own folder, for results that are too large for a line. */
  file(name: string): string {
    return path.join(this.#folder, name);
  }

  async close(): Promise<void> {
    await this.#child.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** NHWC to NCHW. */
export function toChannelsFirst(images: Float32Array, channels: number, count: number): Float32Array {
  const area = images.length / count / channels;
  return images.map((_, at) => {
    const image = Math.floor(at / (area * channels));
    const channel = Math.floor(at / area) % channels;
    return images[(image * area + (at % area)) * channels + channel] as number;
  });
}

/** NCHW to NHWC. */
export function toChannelsLast(images: Float32Array, channels: number, count: number): Float32Array {
  const area = images.length / count / channels;
  return images.map((_, at) => {
    const image = Math.floor(at / (area * channels));
    const pixel = Math.floor(at / channels) % area;
    return images[(image * channels + (at % channels)) * area + pixel] as number;
  });
}
