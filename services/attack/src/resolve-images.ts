import type { Violation } from '@percept/attacks';
import { type CallOptions, decodeImages, type ImageSource } from '@percept/contracts';
import type { DatasetGateway } from '@percept/gateways';
import type { Store } from '@percept/store';
import type { ModelInput } from './attacked-model.js';
import { noiseImages } from './noise-images.js';
import { readStoredImages } from './stored-images.js';

/** Where images come from that are not in the request. */
export interface ImageSources {
  readonly datasets: DatasetGateway;
  readonly store: Store;
}

/** The images of a request, whatever their source. */
export interface ResolvedImages {
  /** n flattened NHWC images in [0, 1]. */
  readonly images: Float32Array;
  /** True classes, where the source knows them. */
  readonly labels: Int32Array | undefined;
  /** Keys of the images' random numbers. */
  readonly sampleIds: Int32Array;
}

/** Which images of a source. */
export interface ImageRange {
  /** The most there may be. Default `imagesPerCall`. */
  readonly limit?: number;
  /** Number of the first noise image. Default 0. */
  readonly firstOfNoise?: number;
}

/** The most images one call takes. */
export const imagesPerCall = 1_000;

/** Thrown when a request's images are not sound; carries every violation at once. */
export class InvalidImagesError extends Error {
  readonly violations: readonly Violation[];

  constructor(violations: readonly Violation[]) {
    super(`invalid images: ${violations.map(({ field, description }) => `${field}: ${description}`).join('; ')}`);
    this.name = 'InvalidImagesError';
    this.violations = violations;
  }
}

/**
 * Fetches or decodes the images that a request names, for a model's input shape.
 *
 * @throws InvalidImagesError, InvalidTensorError with field paths below `images`; errors of the Dataset service and of `readStoredImages`.
 */
export async function resolveImages(
  source: ImageSource | undefined,
  { shape, normalisation }: ModelInput,
  { datasets, store }: ImageSources,
  options: CallOptions,
  { limit = imagesPerCall, firstOfNoise = 0 }: ImageRange = {},
): Promise<ResolvedImages> {
  switch (source?.source?.$case) {
    case 'inline': {
      const { images, labels, sampleIds } = source.source.value;
      const field = `images.inline.images.${images?.source?.$case ?? 'tensor'}`;
      const decoded =
        images?.source?.$case === 'ref'
          ? await readStoredImages(images.source.value, store, field, shape)
          : decodeImages(images?.source?.value, field, shape);
      const count = decoded.shape[0] as number;
      requireCount(count, limit, `${field}.shape[0]`);
      requireOnePerImage(labels, count, 'images.inline.labels');
      requireOnePerImage(sampleIds, count, 'images.inline.sample_ids');
      return {
        images: decoded.data,
        labels: labels.length === 0 ? undefined : Int32Array.from(labels),
        sampleIds: sampleIds.length === 0 ? ordinals(count) : Int32Array.from(sampleIds),
      };
    }
    case 'samples': {
      const { value } = source.source;
      if (value.count > limit) requireCount(value.count, limit, 'images.samples.count');
      if (value.indices.length > limit) requireCount(value.indices.length, limit, 'images.samples.indices');
      const samples = await datasets.samples(value, options);
      requireCount(samples.labels.length, limit, 'images.samples');
      if (samples.shape.slice(1).join() !== shape.join()) {
        refuse(
          'images.samples.dataset',
          `its images are [${samples.shape.slice(1).join(', ')}], the model takes [${shape.join(', ')}]`,
        );
      }
      return { images: samples.images, labels: samples.labels, sampleIds: samples.indices };
    }
    case 'noise': {
      const { count, seed } = source.source.value;
      requireCount(count, limit, 'images.noise.count');
      const sampleIds = ordinals(count).map((id) => firstOfNoise + id);
      if (normalisation === undefined) return refuse('images.noise', 'needs a model whose normalisation is known');
      return { images: await noiseImages(sampleIds, shape, normalisation, seed), labels: undefined, sampleIds };
    }
    default:
      return refuse('images', 'must be given: inline images, samples of a data set, or noise');
  }
}

function requireCount(count: number, limit: number, field: string): void {
  if (count < 1) refuse(field, 'at least one image is needed');
  if (count > limit) refuse(field, `at most ${limit} images per call, got ${count}; submit a job for more`);
}

function requireOnePerImage(values: readonly number[], count: number, field: string): void {
  if (values.length !== 0 && values.length !== count)
    refuse(field, `needs one value per image (${count}), got ${values.length}`);
}

function refuse(field: string, description: string): never {
  throw new InvalidImagesError([{ field, description }]);
}

function ordinals(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i);
}
