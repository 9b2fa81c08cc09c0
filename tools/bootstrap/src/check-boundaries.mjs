import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { root } from './setup.mjs';

/** Layers of the domain, lowest first: a package may use only what stands in `uses`. */
const domain = {
  'engine-native': [],
  tensor: ['engine-native'],
  models: ['tensor'],
  attacks: ['tensor', 'models'],
  recipes: ['tensor', 'models', 'attacks'],
  measures: ['tensor', 'models', 'attacks'],
  figures: ['measures'],
  datasets: ['tensor'],
};
const platform = {
  contracts: [],
  platform: ['contracts'],
  bus: [],
  store: [],
  jobs: ['contracts', 'platform', 'bus', 'store'],
  compute: ['tensor'],
};
const impure = /^(@grpc\/|nats$|minio$|@percept\/(contracts|platform|bus|store|jobs|compute)$|.*-service$)/;

function* sourceFiles(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder)) {
    if (entry === 'gen' || entry === 'node_modules') continue;
    const file = path.join(folder, entry);
    if (statSync(file).isDirectory()) yield* sourceFiles(file);
    else if (/\.(ts|tsx|mts)$/.test(entry)) yield file;
  }
}

function importsOf(text) {
  const statements = /(?:^|\n)\s*(?:import|export)\s[^;'"`]*?\bfrom\s*['"]([^'"\n]+)['"]/g;
  const effects = /(?:^|\n)\s*import\s*['"]([^'"\n]+)['"]/g;
  const dynamic = /\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/g;
  return [statements, effects, dynamic].flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1]));
}

/** Lists every broken dependency rule of the tree, one sentence each. */
export function boundaryProblems(base = root) {
  const problems = [];
  const report = (file, sentence) => problems.push(`${path.relative(base, file)}: ${sentence}`);
  const scan = (group, name, judge) => {
    for (const file of sourceFiles(path.join(base, group, name, 'src'))) judge(file, readFileSync(file, 'utf8'));
  };
  for (const [name, uses] of Object.entries(domain)) {
    scan('libs', name, (file, text) => {
      if (/process\.env/.test(text)) report(file, 'a domain library reads process.env');
      for (const module of importsOf(text)) {
        if (impure.test(module)) report(file, `a domain library imports ${module}`);
        const used = /^@percept\/([^/]+)/.exec(module)?.[1];
        if (used && used !== name && !uses.includes(used)) report(file, `${name} may not use ${used}`);
      }
    });
  }
  for (const [name, uses] of Object.entries(platform)) {
    scan('libs', name, (file, text) => {
      for (const module of importsOf(text)) {
        const used = /^@percept\/([^/]+)/.exec(module)?.[1];
        if (used && used !== name && !uses.includes(used)) report(file, `${name} may not use ${used}`);
      }
    });
  }
  const services = existsSync(path.join(base, 'services')) ? readdirSync(path.join(base, 'services')) : [];
  for (const name of services) {
    scan('services', name, (file, text) => {
      for (const module of importsOf(text)) {
        if (/^@percept\/.*-service/.test(module))
          report(file, `services know each other only through contracts, not ${module}`);
      }
    });
  }
  for (const group of ['libs', 'services', 'tools']) {
    const names = existsSync(path.join(base, group)) ? readdirSync(path.join(base, group)) : [];
    for (const name of names) {
      const manifest = path.join(base, group, name, 'package.json');
      if (!existsSync(manifest)) continue;
      const declared = JSON.parse(readFileSync(manifest, 'utf8'));
      const known = new Set([
        declared.name,
        ...Object.keys(declared.dependencies ?? {}),
        ...Object.keys(declared.devDependencies ?? {}),
        ...Object.keys(declared.peerDependencies ?? {}),
      ]);
      scan(group, name, (file, text) => {
        for (const module of importsOf(text)) {
          if (/^(\.|node:)/.test(module)) continue;
          const owner = module.startsWith('@') ? module.split('/').slice(0, 2).join('/') : module.split('/')[0];
          if (!known.has(owner)) report(file, `${module} is not declared in ${group}/${name}/package.json`);
          if (/^@percept\/[^/]+\/(src|dist)\//.test(module))
            report(file, `imports past the public surface of ${owner}`);
        }
      });
    }
  }
  return problems;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const problems = boundaryProblems();
  for (const problem of problems) console.error(problem);
  console.log(
    problems.length === 0 ? 'boundaries: all imports point the right way' : `boundaries: ${problems.length} problems`,
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
}
