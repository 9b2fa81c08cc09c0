import { RandomStream } from '@percept/tensor';

/** The numbers of one image's random start: a pure function of (seed, sample id, restart). */
export function startStream(seed: number, sampleId: number, restart: number): RandomStream {
  return new RandomStream({ seed, purpose: 'attack start', sample: sampleId, restart });
}

/** The numbers of one inversion start: a pure function of (seed, sample id), the same for every model. */
export function inversionStream(seed: number, sampleId: number): RandomStream {
  return new RandomStream({ seed, purpose: 'inversion start', sample: sampleId });
}
