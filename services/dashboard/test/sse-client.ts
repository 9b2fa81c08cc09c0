import { get, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';

/** One Server-Sent Event as it came. */
export interface ReceivedEvent {
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
}

/** An open stream of Server-Sent Events. */
export interface EventStream {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly comments: readonly string[];
  /** Takes events until one satisfies the condition; rejects when the stream ends before. */
  until(condition: (event: ReceivedEvent) => boolean): Promise<ReceivedEvent[]>;
  /** Takes all events up to the end of the stream. */
  rest(): Promise<ReceivedEvent[]>;
  close(): void;
}

function parse(block: string): ReceivedEvent | string {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    if (line.startsWith(':')) return line.slice(1).trim();
    const colon = line.indexOf(': ');
    fields.set(line.slice(0, colon), line.slice(colon + 2));
  }
  const data = fields.get('data');
  return {
    id: fields.get('id') ?? '',
    name: fields.get('event') ?? '',
    data: data === undefined ? undefined : JSON.parse(data),
  };
}

/** Opens a stream of Server-Sent Events. */
export async function openEvents(address: string, headers: Record<string, string> = {}): Promise<EventStream> {
  const request = get(address, { headers });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
  response.setEncoding('utf8');
  const comments: string[] = [];
  const events: ReceivedEvent[] = [];
  let ended = false;
  let wake: () => void = () => undefined;
  let text = '';
  response.on('data', (piece: string) => {
    text += piece;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const parsed = parse(block);
      if (typeof parsed === 'string') comments.push(parsed);
      else if (parsed.name !== '') events.push(parsed);
    }
    wake();
  });
  const finish = (): void => {
    ended = true;
    wake();
  };
  response.on('end', finish);
  response.on('error', finish);
  const next = async (): Promise<ReceivedEvent | undefined> => {
    while (events.length === 0 && !ended) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return events.shift();
  };
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    comments,
    async until(condition) {
      const taken: ReceivedEvent[] = [];
      for (;;) {
        const event = await next();
        if (event === undefined) throw new Error(`the stream ended after ${JSON.stringify(taken)}`);
        taken.push(event);
        if (condition(event)) return taken;
      }
    },
    async rest() {
      const taken: ReceivedEvent[] = [];
      for (let event = await next(); event !== undefined; event = await next()) taken.push(event);
      return taken;
    },
    close() {
      request.destroy();
    },
  };
}
