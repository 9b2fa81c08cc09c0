import { DataType, type GallerySnapshot, type JobEvent, LogLevel } from '@percept/contracts';
import { encodePng } from './encode-png.js';
import { progressView, stateView } from './job-view.js';
import type { JobEventView, PictureView } from './views.js';

const levels: Readonly<Record<number, 'info' | 'warning' | 'error'>> = {
  [LogLevel.WARNING]: 'warning',
  [LogLevel.ERROR]: 'error',
};

function pictureViews(gallery: GallerySnapshot): PictureView[] {
  const { images } = gallery;
  if (images === undefined) return [];
  const [count = 0, height = 0, width = 0, channels = 0] = images.shape;
  if (images.dtype !== DataType.UINT8) throw new RangeError('Pictures of a gallery are UINT8.');
  const size = height * width * channels;
  return Array.from({ length: count }, (_, index) => {
    const png = encodePng(images.data.subarray(index * size, (index + 1) * size), height, width, channels);
    const slot = gallery.slots[index] ?? String(index);
    return {
      group: [gallery.gallery, gallery.group].filter(Boolean).join(' · '),
      slot,
      caption: gallery.captions[index] ?? slot,
      href: `data:image/png;base64,${png.toString('base64')}`,
      step: gallery.step,
      success: gallery.successes[index] ?? null,
    };
  });
}

/** Turns one event of a job into what the page draws: one view per metric and per picture, all of the same number. */
export function jobEventViews(event: JobEvent): JobEventView[] {
  const base = { sequence: event.sequence, at: event.time?.getTime() ?? 0 };
  const happened = event.event;
  switch (happened?.$case) {
    case 'stateChange':
      return [
        {
          ...base,
          kind: 'state',
          state: stateView(happened.value.state),
          message: happened.value.error?.message ?? '',
        },
      ];
    case 'progress': {
      const progress = progressView(happened.value);
      return progress === null ? [] : [{ ...base, kind: 'progress', progress }];
    }
    case 'metrics': {
      const { step, model, metrics } = happened.value;
      return metrics.map(({ name, value }) => ({
        ...base,
        kind: 'metric',
        series: model === '' ? name : `${model} ${name}`,
        step,
        value,
      }));
    }
    case 'profilePoint': {
      const { model, epsilon, accuracy, samples, provisional } = happened.value;
      return [{ ...base, kind: 'profile', model, epsilon, accuracy, samples, provisional }];
    }
    case 'log': {
      const { level, message } = happened.value;
      return [{ ...base, kind: 'log', level: levels[level] ?? 'info', message }];
    }
    case 'gallery':
      try {
        return pictureViews(happened.value).map((picture) => ({ ...base, kind: 'picture', picture }));
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return [{ ...base, kind: 'log', level: 'warning', message: `Pictures cannot be shown: ${error.message}` }];
      }
    default:
      return [];
  }
}
