import { callFuzzSuite } from '../full/support/call-fuzz-suite.js';

callFuzzSuite(100_000, 2);
