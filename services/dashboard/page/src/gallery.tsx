import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { PictureView } from '../../src/views.js';
import type { JobHistory } from './job-history.js';

function pictureAt(steps: readonly PictureView[], step: number | null): PictureView | undefined {
  if (step === null) return steps.at(-1);
  return steps.findLast((picture) => (picture.step ?? 0) <= step) ?? steps[0];
}

function Picture({ picture }: { readonly picture: PictureView }): JSX.Element {
  const verdict = picture.success === null ? '' : picture.success ? 'hit' : 'miss';
  return (
    <figure class={`picture ${verdict}`}>
      <img src={picture.href} alt={`${picture.group}, ${picture.caption}`} />
      <figcaption>{picture.caption}</figcaption>
    </figure>
  );
}

/** Perturbed pictures, one row per model or sample, with a slider over the steps of the attack where they were kept. */
export function Gallery({ pictures }: { readonly pictures: JobHistory['pictures'] }): JSX.Element {
  const [chosen, setChosen] = useState<number | null>(null);
  const steps = [...pictures.values()].flatMap((slots) =>
    [...slots.values()].flatMap((row) => row.flatMap((picture) => (picture.step === null ? [] : [picture.step]))),
  );
  const first = steps.reduce((least, step) => Math.min(least, step), Number.POSITIVE_INFINITY);
  const last = steps.reduce((most, step) => Math.max(most, step), 0);
  return (
    <>
      {last > first && (
        <label class="step">
          Step
          <input
            type="range"
            min={first}
            max={last}
            value={chosen ?? last}
            onInput={(event) => {
              const value = Number(event.currentTarget.value);
              setChosen(value === last ? null : value);
            }}
          />
          <output>{chosen ?? 'last'}</output>
        </label>
      )}
      {[...pictures].map(([group, slots]) => (
        <section key={group} class="gallery-row">
          <h3>{group}</h3>
          <div class="pictures">
            {[...slots].map(([slot, row]) => {
              const picture = pictureAt(row, chosen);
              return picture && <Picture key={slot} picture={picture} />;
            })}
          </div>
        </section>
      ))}
    </>
  );
}
