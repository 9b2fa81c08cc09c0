export type {
  Bus,
  BusEvent,
  ConsumeOptions,
  DeadLetter,
  EventFilter,
  EventLimits,
  PublishWorkOptions,
  ReceivedEvent,
  SubscribeOptions,
  SubscriptionStart,
  WorkHandler,
  WorkItem,
  WorkVerdict,
} from './bus.js';
export { DEFAULT_ACK_WAIT_MS, DEFAULT_EVENT_LIMITS } from './bus.js';
export {
  BodyTooLargeError,
  BusClosedError,
  BusUnavailableError,
  InvalidSubjectError,
  NatsServerError,
} from './errors.js';
export { findNatsServer, launchNatsServer, type NatsServer, type NatsServerOptions } from './launch-nats-server.js';
export { type MemoryBusOptions, memoryBus } from './memory-bus.js';
export { type NatsBusOptions, natsBus } from './nats-bus.js';
export { DEAD_STREAM, EVENTS_STREAM, JOBS_STREAM } from './nats-streams.js';
export { eventSubject, workSubject } from './subjects.js';
