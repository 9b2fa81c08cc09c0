import type { JSX } from 'preact';
import type { ModelView } from '../../src/views.js';
import { useJson } from './api.js';
import { useNow } from './clock.js';
import { formatMoment, formatNumber } from './format.js';
import { jsonFacts } from './json-facts.js';
import { Card, Downloads, EmptyState, Facts, Failure, Loading, Share } from './parts.js';
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
            {['Model', 'Clean accuracy', 'Recipe', 'Data set', 'Digest', 'Created'].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {models.map((model) => (
            <tr key={model.id}>
              <td>
                <a href={linkTo(['models', model.id])}>
                  <b>{model.name}</b>
                </a>{' '}
                <span class="muted">v{model.version}</span>{' '}
                {model.aliases.map((alias) => (
                  <span key={alias} class="chip">
                    {alias}
                  </span>
                ))}
              </td>
              <td>
                <Share part={model.cleanAccuracy} />
              </td>
              <td>{model.recipe || '–'}</td>
              <td>{model.dataset || '–'}</td>
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
          ['Id', <code key="id">{model.id}</code>],
          ['Version', [model.version, ...model.aliases].join(', ')],
          ['Recipe', model.recipe || '–'],
          ['Data set', model.dataset || '–'],
          ['Network', model.architecture || '–'],
          ['Clean accuracy', <Share key="accuracy" part={model.cleanAccuracy} />],
          ['Created', model.createdAt === null ? '–' : formatMoment(model.createdAt, now)],
          ['SHA-256', <code key="digest">{model.digest}</code>],
        ]}
      />
      {model.jobId !== '' && (
        <p class="links">
          <a href={linkTo(['jobs', model.jobId])}>Training job with its curves</a>
        </p>
      )}
      <div class="columns">
        <Card title="Measurements">
          <Facts facts={Object.entries(model.metrics).map(([name, value]) => [name, formatNumber(value)])} />
        </Card>
        <Card title="Settings">
          <Facts facts={jsonFacts(model.settings)} />
        </Card>
        <Card title="Downloads">
          <Downloads
            artifacts={[
              {
                name: 'weights.safetensors',
                href: `/api/models/${encodeURIComponent(model.id)}/files/weights.safetensors`,
                mediaType: 'application/octet-stream',
                bytes: model.bytes,
              },
            ]}
          />
        </Card>
      </div>
    </>
  );
}
