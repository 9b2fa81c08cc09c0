import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { fileDescriptors, HealthService, serviceName } from '@percept/contracts';

/** Reflection that lists exactly the named services and health, and describes all their messages. */
export function reflectionFor(services: readonly string[]): ReflectionService {
  // Loading the contracts through proto-loader would merge their files and lose which fields are optional;
  // of a package definition, reflection reads only the encoded files.
  const definition = { contracts: { fileDescriptorProtos: fileDescriptors() } } as unknown as PackageDefinition;
  return new ReflectionService(definition, { services: [...services, serviceName(HealthService)] });
}
