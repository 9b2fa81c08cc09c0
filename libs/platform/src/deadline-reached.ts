/** A client's reset may arrive this much before the server's own clock says that the deadline passed, in milliseconds. */
const earlyResetMs = 50;

/** Whether a call that was cut off now ended because of its deadline, rather than by a cancellation; Infinity is no deadline. */
export function deadlineReached(deadline: Date | number | undefined): boolean {
  return deadline !== undefined && Number(deadline) <= Date.now() + earlyResetMs;
}
