import { pixelBox, unboundedBox } from './box.js';
import type { PgdOptions } from './pgd-options.js';
import { projectBallAndBox } from './project-ball-and-box.js';
import { startStream } from './random.js';
import { uniformInBall } from './uniform-in-ball.js';

/**
 * The first iterate of one image's restart: the image itself, the given image, or centre + a uniform point of the ball clamped to the box;
 * projected on ball and box, hence feasible to the last bit. Restarts after the first are always uniform. `index` counts images within the call.
 */
export function startOf(
  centre: Float32Array,
  index: number,
  sampleId: number,
  restart: number,
  epsilon: number,
  options: PgdOptions,
): Float32Array {
  const box = options.box === null ? unboundedBox : pixelBox;
  if (restart === 0 && options.start === 'origin') return centre.slice();
  if (restart === 0 && options.start === 'given' && options.startImages !== undefined) {
    const given = options.startImages.subarray(index * centre.length, (index + 1) * centre.length);
    return projectBallAndBox(given, centre, epsilon, options.norm, box, options.projection);
  }
  const offset = uniformInBall(centre.length, options.norm, epsilon, startStream(options.seed, sampleId, restart));
  const point = new Float32Array(centre.length);
  for (let i = 0; i < point.length; i++) {
    point[i] = Math.min(Math.max((centre[i] as number) + (offset[i] as number), box.lower), box.upper);
  }
  return projectBallAndBox(point, centre, epsilon, options.norm, box, 'sequential');
}
