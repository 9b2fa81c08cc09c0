import { labellingSet, type TargetedPictures } from '@percept/measures';
import { canonicalJson } from './canonical-json.js';
import { encodePicture, type PictureSize } from './pictures.js';
import type { ReportArtifact } from './report-artifacts.js';

/**
 * The files of the blind labelling screen: `labelling/pictures.json` with every model's judged pictures as PNG in random order under ids that tell nothing, and
 * apart from it `labelling/key.json` with the model and the target of each, which people who label must not see. No file where there are no pictures.
 *
 * Answers come back as `{"rater": name, "answers": {id: class index, or null for none of them}}`, for `scoreLabelling`.
 */
export function labellingFiles(
  dataset: PictureSize & { readonly classNames: readonly string[] },
  models: readonly { readonly name: string; readonly pictures: TargetedPictures }[],
  seed: number,
): ReportArtifact[] {
  if (models.length === 0) return [];
  const length = dataset.height * dataset.width * dataset.channels;
  const sources = models.flatMap(({ name, pictures }) =>
    Array.from(pictures.targets, (target, i) => ({
      group: name,
      target,
      image: pictures.images.subarray(i * length, (i + 1) * length),
    })),
  );
  const { items, key } = labellingSet(sources, seed);
  const shown = {
    classNames: dataset.classNames,
    question: 'Which of these do you see? Choose none of them where you see none.',
    answers: { rater: 'your name', answers: { 'id of a picture': 'index of a class, or null for none of them' } },
    items: items.map(({ id, image }) => ({ id, png: Buffer.from(encodePicture(image, dataset)).toString('base64') })),
  };
  return [
    { name: 'labelling/pictures.json', mediaType: 'application/json', bytes: canonicalJson(shown) },
    { name: 'labelling/key.json', mediaType: 'application/json', bytes: canonicalJson(key) },
  ];
}
