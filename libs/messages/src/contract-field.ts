/** The domain's field paths of an attack as the contract spells them, such as `options.step_rule`. */
export function contractField(field: string): string {
  return field
    .replace(/^options\.step\.size$/, 'options.step')
    .replace(/^options\.step\.kind$/, 'options.relative_step')
    .replace(/^labels\b/, 'images.inline.labels')
    .replace(/^sampleIds\b/, 'images.inline.sample_ids')
    .replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
