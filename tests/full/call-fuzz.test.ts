import { callFuzzSuite } from './support/call-fuzz-suite.js';

/** More, or others, by PERCEPT_FUZZ_MESSAGES and PERCEPT_FUZZ_SEED. */
callFuzzSuite(Number(process.env['PERCEPT_FUZZ_MESSAGES'] ?? 10_000), Number(process.env['PERCEPT_FUZZ_SEED'] ?? 1));
