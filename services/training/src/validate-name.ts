import type { Violations } from '@percept/platform';
import { isModelId } from './model-reference.js';

/** Notes a violation unless a model may be registered under this name. */
export function checkModelName(violations: Violations, name: string, field: string): void {
  if (violations.resourceName(name, field)) {
    violations.check(!isModelId(name), field, 'must not have the form of a model id');
  }
}
