/** What the attack is after: any class but the label, or the given target. One entry per image. */
export type Goal =
  | { readonly kind: 'untargeted'; readonly labels: Int32Array }
  | { readonly kind: 'targeted'; readonly targets: Int32Array };

/** The class each image's attack is about: labels or targets. */
export function goalClasses(goal: Goal): Int32Array {
  return goal.kind === 'untargeted' ? goal.labels : goal.targets;
}
