import type { JSX } from 'preact';
import type { DatasetView, RecipeView } from '../../src/views.js';
import { useJson } from './api.js';
import { formatCount } from './format.js';
import { Card, EmptyState, Failure, Loading } from './parts.js';

function Datasets(): JSX.Element {
  const loaded = useJson<{ readonly datasets: readonly DatasetView[] }>('/api/datasets');
  if (loaded.kind === 'loading') return <Loading />;
  if (loaded.kind === 'failed') return <Failure error={loaded.error} />;
  if (loaded.value.datasets.length === 0) {
    return (
      <EmptyState title="No data sets yet">
        <p>
          Bring one in: <code>percept data import</code>
        </p>
      </EmptyState>
    );
  }
  return (
    <ul class="entries">
      {loaded.value.datasets.map((dataset) => (
        <li key={dataset.name}>
          <b>{dataset.name}</b> {!dataset.available && <span class="chip">not imported yet</span>}{' '}
          <span class="muted">
            {[
              dataset.shape,
              `${dataset.classes.length} classes`,
              ...Object.entries(dataset.splits).map(([split, count]) => `${formatCount(count)} ${split}`),
            ]
              .filter(Boolean)
              .join(' · ')}
          </span>
          {dataset.summary !== '' && <p>{dataset.summary}</p>}
        </li>
      ))}
    </ul>
  );
}

function Recipes(): JSX.Element {
  const loaded = useJson<{ readonly recipes: readonly RecipeView[] }>('/api/recipes');
  if (loaded.kind === 'loading') return <Loading />;
  if (loaded.kind === 'failed') return <Failure error={loaded.error} />;
  return (
    <ul class="entries">
      {loaded.value.recipes.map((recipe) => (
        <li key={recipe.name}>
          <b>{recipe.name}</b>{' '}
          {recipe.presets.map((preset) => (
            <span key={preset} class="chip">
              {preset}
            </span>
          ))}
          <p>
            {recipe.summary} <span class="muted">{recipe.reference}</span>
          </p>
        </li>
      ))}
    </ul>
  );
}

/** What there is to train with: recipes and data sets. */
export function LibraryPage(): JSX.Element {
  return (
    <div class="columns wide">
      <Card title="Recipes">
        <Recipes />
      </Card>
      <Card title="Data sets">
        <Datasets />
      </Card>
    </div>
  );
}
