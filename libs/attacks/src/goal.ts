/** What the attack is after: any class but the label, or the given target. One entry per image. */
export type Goal =
  | { readonly kind: 'untargeted'; readonly labels: Int32Array }
  | { readonly kind: 'targeted'; readonly targets: Int32Array };

/** A goal, or that each image must leave the class that the model predicts for it, which only the model can say. */
export type AskedGoal = Goal | { readonly kind: 'leave-predictions' };

/** Whether attacks approach a class or leave one. */
export function kindOf(goal: AskedGoal): Goal['kind'] {
  return goal.kind === 'targeted' ? 'targeted' : 'untargeted';
}

/** The class each image's attack is about: labels or targets. */
export function goalClasses(goal: Goal): Int32Array {
  return goal.kind === 'untargeted' ? goal.labels : goal.targets;
}
