import { isMainThread } from 'node:worker_threads';
import { trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { serviceName } from './service-name.js';

/** How long ended spans wait for others. */
const scheduledDelayMillis = 1_000;

// Compute threads have no spans of their own.
if (isMainThread) {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName(process.env, process.argv) }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), scheduledDelayMillis })],
  });
  trace.setGlobalTracerProvider(provider);
  process.once('beforeExit', () => {
    void provider.forceFlush();
  });
}
