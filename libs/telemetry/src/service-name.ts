/**
 * What a process is called in traces: `OTEL_SERVICE_NAME`, or the name of its service as its command line has it, such as `percept-attack` or
 * `percept-attack-worker`; `percept` for the command that runs all services.
 */
export function serviceName(
  environment: Readonly<Record<string, string | undefined>>,
  commandLine: readonly string[],
): string {
  const given = environment['OTEL_SERVICE_NAME'];
  if (given !== undefined && given !== '') return given;
  const service = /services[/\\]([a-z]+)[/\\]dist[/\\]main\.js$/.exec(commandLine[1] ?? '')?.[1];
  if (service === undefined) return 'percept';
  return `percept-${service}${commandLine.includes('--worker') ? '-worker' : ''}`;
}
