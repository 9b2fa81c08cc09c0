import { contractSuite } from '../../tools/cli/test/contract/contract-suite.js';
import { startServices } from './support/services.js';

contractSuite('distributed', () => startServices('distributed'));
