import { useEffect, useState } from 'preact/hooks';

/** The time now in milliseconds, told again every `period`. */
export function useNow(period = 1_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), period);
    return () => clearInterval(timer);
  }, [period]);
  return now;
}
