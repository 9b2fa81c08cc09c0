/** After an entry was added: removes the one that was added first, where there are more than `most`. */
export function dropOldest(entries: Map<string, unknown>, most: number): void {
  if (entries.size > most) {
    const [oldest = ''] = entries.keys();
    entries.delete(oldest);
  }
}
