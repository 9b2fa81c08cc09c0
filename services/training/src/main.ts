import { runJobService } from '@percept/hosting';
import { startTraining } from './start.js';

await runJobService({
  name: 'training',
  title: 'Percept training: trains classifiers by named recipes and keeps the registry of models.',
  build: startTraining,
});
