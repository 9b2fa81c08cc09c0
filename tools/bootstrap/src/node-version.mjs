/** Says why this Node cannot run Percept, or null: Node 20.19 to 22 can. */
export function nodeVersionProblem(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  if (major === 20 ? minor >= 19 : major === 21 || major === 22) return null;
  return `Percept needs Node 20.19 or later, up to 22; this is Node ${version}.`;
}
