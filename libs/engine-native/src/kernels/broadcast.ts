import { sizeOf } from './native-kernel.js';

/** The largest collapsed rank that the addon takes. */
export const maximumRank = 6;

/** An element-wise operation over two broadcast operands, in as few axes as possible. */
export interface CollapsedBroadcast {
  readonly shape: number[];
  readonly dims: Int32Array;
  readonly aStrides: Int32Array;
  readonly bStrides: Int32Array;
}

function side(shape: readonly number[], rank: number, axis: number): number {
  return axis < rank - shape.length ? 1 : (shape[axis - (rank - shape.length)] as number);
}

/** Joins neighbouring axes that both operands walk in one stride. Undefined where shapes do not fit, are empty, or keep too many axes. */
export function collapseBroadcast(a: readonly number[], b: readonly number[]): CollapsedBroadcast | undefined {
  const rank = Math.max(a.length, b.length);
  const shape = new Array<number>(rank);
  const dims: number[] = [];
  const aStrides: number[] = [];
  const bStrides: number[] = [];
  let aStride = 1;
  let bStride = 1;
  for (let axis = rank - 1; axis >= 0; axis--) {
    const left = side(a, rank, axis);
    const right = side(b, rank, axis);
    if (left !== right && left !== 1 && right !== 1) return undefined;
    const length = left === 1 ? right : left;
    shape[axis] = length;
    if (length === 0) return undefined;
    if (length === 1) continue;
    const aStep = left === 1 ? 0 : aStride;
    const bStep = right === 1 ? 0 : bStride;
    const last = dims.length - 1;
    const inner = dims[last];
    if (
      inner !== undefined &&
      aStep === (aStrides[last] as number) * inner &&
      bStep === (bStrides[last] as number) * inner
    ) {
      dims[last] = inner * length;
    } else {
      dims.push(length);
      aStrides.push(aStep);
      bStrides.push(bStep);
    }
    if (left !== 1) aStride *= left;
    if (right !== 1) bStride *= right;
  }
  if (dims.length > maximumRank || sizeOf(shape) === 0) return undefined;
  if (dims.length === 0) {
    dims.push(1);
    aStrides.push(1);
    bStrides.push(1);
  }
  return {
    shape,
    dims: Int32Array.from(dims.reverse()),
    aStrides: Int32Array.from(aStrides.reverse()),
    bStrides: Int32Array.from(bStrides.reverse()),
  };
}
