/** Batch sizes an attack works with below its capacity: few, so that an engine plans its kernels for few shapes. */
const ladder = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072];

/** How many of the `pending` images to step next with room for `capacity`: all that fit when the batch is full, else the largest ladder size below. */
export function workingBatchSize(pending: number, capacity: number): number {
  if (pending >= capacity) return capacity;
  let size = 1;
  for (const step of ladder) if (step <= pending) size = step;
  return size;
}
