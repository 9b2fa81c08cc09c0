import { badInputSuite } from '../full/support/bad-input-suite.js';

badInputSuite(100_000, 1);
