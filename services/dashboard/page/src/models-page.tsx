import type { JSX } from 'preact';
import type { ModelView } from '../../src/views.js';
import { useJson } from './api.js';
import { useNow } from './clock.js';
import { formatCount, formatMoment } from './format.js';
import { EmptyState, Facts, Failure, Loading, Share } from './parts.js';
import { linkTo } from './route.js';

/** The table of trained models. */
export function ModelsPage({ version }: { readonly version: number }): JSX.Element {
  const now = useNow(60_000);
  const loaded = useJson<{ readonly models: readonly ModelView[] }>('/api/models', version);
  if (loaded.kind === 'loading') return <Loading />;
  if (loaded.kind === 'failed') return <Failure error={loaded.error} />;
  const { models } = loaded.value;
  if (models.length === 0) {
    return (
      <EmptyState title="No models yet">
        <p>
          A finished training leaves one: <code>percept train --recipe trades --dataset mnist-sample</code>
        </p>
      </EmptyState>
    );
  }
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            {['Model', 'Recipe', 'Data set', 'Clean accuracy', 'Digest', 'Created'].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {models.map((model) => (
            <tr key={model.name + model.version}>
              <td>
                <a href={linkTo(['models', model.version || model.name])}>
                  <b>{model.name}</b>
                </a>{' '}
                {model.aliases.map((alias) => (
                  <span key={alias} class="chip">
                    {alias}
                  </span>
                ))}
              </td>
              <td>{model.recipe || '–'}</td>
              <td>{model.dataset || '–'}</td>
              <td>
                <Share part={model.cleanAccuracy} />
              </td>
              <td>
                <code title={model.digest}>{model.digest.slice(0, 12)}</code>
              </td>
              <td>{model.createdAt === null ? '–' : formatMoment(model.createdAt, now)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** One trained model. */
export function ModelPage({ id }: { readonly id: string }): JSX.Element {
  const now = useNow(60_000);
  const loaded = useJson<ModelView>(`/api/models/${encodeURIComponent(id)}`);
  if (loaded.kind === 'loading') return <Loading />;
  if (loaded.kind === 'failed') return <Failure error={loaded.error} />;
  const model = loaded.value;
  return (
    <>
      <div class="job-head">
        <h1>{model.name}</h1>
      </div>
      <Facts
        facts={[
          ['Version', <code key="version">{model.version}</code>],
          ['Digest', <code key="digest">{model.digest}</code>],
          ['Recipe', model.recipe || '–'],
          ['Data set', model.dataset || '–'],
          ['Architecture', model.architecture || '–'],
          ['Parameters', model.parameters === null ? '–' : formatCount(model.parameters)],
          ['Clean accuracy', <Share key="accuracy" part={model.cleanAccuracy} />],
          ['Created', model.createdAt === null ? '–' : formatMoment(model.createdAt, now)],
        ]}
      />
      {model.jobId !== '' && (
        <p class="links">
          <a href={linkTo(['jobs', model.jobId])}>Training job with its curves</a>
        </p>
      )}
    </>
  );
}
