import { Precision } from '@percept/contracts';
import type { Precision as DomainPrecision } from '@percept/tensor';

/** The domain's precisions by the contract's numbers; an unspecified one is absent. */
export const precisionsByNumber: Readonly<Record<number, DomainPrecision>> = {
  [Precision.FLOAT32]: 'float32',
  [Precision.BFLOAT16]: 'bfloat16',
};

/** The contract's number of a precision. */
export function precisionMessage(precision: DomainPrecision): Precision {
  return precision === 'bfloat16' ? Precision.BFLOAT16 : Precision.FLOAT32;
}
