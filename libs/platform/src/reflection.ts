import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { fileDescriptors } from '@percept/contracts';
import { protoPath } from 'grpc-health-check';

/** Reflection that lists exactly the named services and health, and describes all their messages. */
export function reflectionFor(services: readonly string[]): ReflectionService {
  // Loading the contracts through proto-loader would merge their files and lose which fields are optional;
  // of a package definition, reflection reads only the encoded files.
  const contracts = { contracts: { fileDescriptorProtos: fileDescriptors() } } as unknown as PackageDefinition;
  return new ReflectionService(
    { ...contracts, ...loadSync(protoPath) },
    {
      services: [...services, 'grpc.health.v1.Health'],
    },
  );
}
