/** How the live connection to the dashboard's server is. */
export type ConnectionState = 'connecting' | 'open' | 'lost';

/** What to do with the events of a connection. */
export interface ConnectionHandlers {
  readonly events: Readonly<Record<string, (data: unknown) => void>>;
  onState(state: ConnectionState): void;
}

const longestWait = 10_000;

/**
 * Keeps a stream of Server-Sent Events open until it is closed, going on after the last event that came.
 * The browser reconnects by itself after a broken connection, but not after an error status: that is done here.
 */
export function openConnection(address: string, handlers: ConnectionHandlers): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;
  let wait = 500;
  let lastId = '';

  const close = (): void => {
    closed = true;
    clearTimeout(timer);
    source?.close();
  };
  const connect = (): void => {
    if (closed) return;
    const join = address.includes('?') ? '&' : '?';
    const opened = new EventSource(lastId === '' ? address : `${address}${join}after=${encodeURIComponent(lastId)}`);
    source = opened;
    opened.onopen = () => {
      wait = 500;
      handlers.onState('open');
    };
    opened.onerror = () => {
      if (closed) return;
      handlers.onState('lost');
      if (opened.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(connect, wait);
      wait = Math.min(longestWait, wait * 2);
    };
    for (const [name, handle] of Object.entries(handlers.events)) {
      opened.addEventListener(name, (event: MessageEvent<string>) => {
        if (event.lastEventId !== '') lastId = event.lastEventId;
        handle(JSON.parse(event.data));
      });
    }
    opened.addEventListener('end', close);
    opened.addEventListener('failure', close);
  };
  handlers.onState('connecting');
  connect();
  return close;
}
