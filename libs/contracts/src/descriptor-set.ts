import { descriptorSetBase64 } from './gen/descriptor-set.js';

/** All proto files of the contracts as an encoded google.protobuf.FileDescriptorSet, for reflection. */
export function descriptorSet(): Buffer {
  return Buffer.from(descriptorSetBase64, 'base64');
}
