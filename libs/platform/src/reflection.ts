import { loadFileDescriptorSetFromBuffer, loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { descriptorSet } from '@percept/contracts';
import { protoPath } from 'grpc-health-check';

/** Reflection that lists exactly the named services and health, and describes all their messages. */
export function reflectionFor(services: readonly string[]): ReflectionService {
  const descriptors = { ...loadFileDescriptorSetFromBuffer(descriptorSet()), ...loadSync(protoPath) };
  return new ReflectionService(descriptors, { services: [...services, 'grpc.health.v1.Health'] });
}
