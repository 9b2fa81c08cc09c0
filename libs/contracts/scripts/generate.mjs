import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const buf = path.join(root, 'node_modules/.bin/buf');
const generated = 'libs/contracts/src/gen';

/** Generates the TypeScript code of every proto file, and the descriptor set for reflection, below `base`. */
export function generate(base) {
  execFileSync(buf, ['generate', '-o', base], { cwd: root, stdio: 'inherit' });
  const descriptors = execFileSync(buf, ['build', '--as-file-descriptor-set', '--exclude-source-info', '-o', '-'], {
    cwd: root,
    maxBuffer: 16 * 1024 * 1024,
  });
  writeFileSync(
    path.join(base, generated, 'descriptor-set.ts'),
    `// Code generated from the proto files by buf. DO NOT EDIT.\n\n/** All proto files as a google.protobuf.FileDescriptorSet, base64. */\nexport const descriptorSetBase64: string =\n  '${descriptors.toString('base64')}';\n`,
  );
}

export { generated, root };

if (process.argv[1] === fileURLToPath(import.meta.url)) generate(root);
