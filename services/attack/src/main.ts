import { runJobService } from '@percept/hosting';
import { startAttack } from './start.js';

await runJobService({
  name: 'attack',
  title: 'Attack service and attack workers (--worker attack).',
  build: startAttack,
});
