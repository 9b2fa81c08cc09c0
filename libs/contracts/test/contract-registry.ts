import { create, createFileRegistry, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { fileDescriptors } from '@percept/contracts';

/** Every message and service of the contracts, from the descriptors that reflection serves. */
export function contractRegistry(): FileRegistry {
  const file = fileDescriptors().map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  return createFileRegistry(create(FileDescriptorSetSchema, { file }));
}

/** Paths such as `/percept.v1.Attack/Targeted` of every call that the contracts declare, health's apart. */
export function declaredCalls(): string[] {
  return [...contractRegistry().files]
    .flatMap(({ services }) => services)
    .filter(({ typeName }) => typeName !== 'grpc.health.v1.Health')
    .flatMap(({ typeName, methods }) => methods.map(({ name }) => `/${typeName}/${name}`));
}
