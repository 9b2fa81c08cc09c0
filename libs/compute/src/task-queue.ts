import type { TaskPriority } from './compute-pool.js';
import { QueueFullError } from './errors.js';

/** Waiting tasks, first in, first out, interactive ones before those of jobs; bounded per priority. */
export class TaskQueue<Item> {
  readonly #limit: number;
  readonly #items: Readonly<Record<TaskPriority, Item[]>> = { interactive: [], job: [] };

  constructor(limit: number) {
    this.#limit = limit;
  }

  get waiting(): Readonly<Record<TaskPriority, number>> {
    return { interactive: this.#items.interactive.length, job: this.#items.job.length };
  }

  /** @throws QueueFullError where no item of this priority may wait. */
  checkRoom(priority: TaskPriority): void {
    if (this.#items[priority].length >= this.#limit) {
      throw new QueueFullError(this.#limit);
    }
  }

  /** @throws QueueFullError. */
  add(item: Item, priority: TaskPriority): void {
    this.checkRoom(priority);
    this.#items[priority].push(item);
  }

  take(): Item | undefined {
    return this.#items.interactive.shift() ?? this.#items.job.shift();
  }

  /** Takes this item out; false when it waits no more. */
  remove(item: Item): boolean {
    for (const items of [this.#items.interactive, this.#items.job]) {
      const position = items.indexOf(item);
      if (position >= 0) {
        items.splice(position, 1);
        return true;
      }
    }
    return false;
  }
}
