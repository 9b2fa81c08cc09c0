import { runJobService } from '@percept/hosting';
import { startEvaluation } from './start.js';

await runJobService({
  name: 'evaluation',
  title: 'Evaluation service: profiles, smoothness, reports.',
  build: startEvaluation,
});
