import { BinaryReader } from '@bufbuild/protobuf/wire';
import { descriptorSetBase64 } from './gen/descriptor-set.js';

/** Every proto file of the contracts, each as an encoded google.protobuf.FileDescriptorProto, for reflection. */
export function fileDescriptors(): Buffer[] {
  const reader = new BinaryReader(Buffer.from(descriptorSetBase64, 'base64'));
  const files: Buffer[] = [];
  while (reader.pos < reader.len) {
    // FileDescriptorSet has a single field: repeated FileDescriptorProto file = 1.
    reader.tag();
    files.push(Buffer.from(reader.bytes()));
  }
  return files;
}
