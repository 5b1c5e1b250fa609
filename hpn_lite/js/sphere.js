// The mathematics that all labs share: the same quantities as hpn_lite.sphere and hpn_lite.energy, small enough to run
// sixty times a second. A point is an array of coordinates; tests compare every function here with its Python twin.

// ---------------------------------------------------------------- vectors
export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
export const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
export const add = (a, b, t = 1) => a.map((x, i) => x + t * b[i]); // a + t b
export const normalize = (a) => { const length = Math.sqrt(dot(a, a)); return a.map((x) => x / length); };
export const tangent = (p, g) => add(g, p, -dot(p, g)); // the part of g that stays on the sphere at p

// atan2 keeps full precision for nearly equal and nearly opposite vectors, where arccos loses half its digits
export function angle(a, b) {
  const minus = add(a, b, -1), plus = add(a, b);
  return 2 * Math.atan2(Math.sqrt(dot(minus, minus)), Math.sqrt(dot(plus, plus)));
}

// ---------------------------------------------------------------- chance, always from a seed
export function random(seed) { // mulberry32: 32 bits of state are plenty for a picture
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const gaussian = (rand) => Math.sqrt(-2 * Math.log(1 - rand())) * Math.cos(2 * Math.PI * rand()); // Box and Muller

// a Gaussian vector has no preferred direction, so its direction is uniform
export function uniform(k, d, seed) {
  const rand = random(seed);
  return Array.from({ length: k }, () => normalize(Array.from({ length: d }, () => gaussian(rand))));
}

// ---------------------------------------------------------------- energy
// Sum over pairs of r^-s (log 1/r for s = 0), with its gradient along the sphere. Pairs closer than 1e-6 count as
// 1e-6 apart, so that two points dropped on each other give a large number and not infinity.
export function riesz(points, s) {
  const gradient = points.map((p) => p.map(() => 0));
  let energy = 0;
  for (let i = 0; i < points.length; i++)
    for (let j = 0; j < i; j++) {
      const away = add(points[i], points[j], -1), r2 = Math.max(dot(away, away), 1e-12);
      energy += s === 0 ? -Math.log(r2) / 2 : r2 ** (-s / 2);
      const push = (s || 1) * r2 ** (-s / 2 - 1);
      for (let c = 0; c < away.length; c++) {
        gradient[i][c] -= push * away[c];
        gradient[j][c] += push * away[c];
      }
    }
  return { energy, gradient: gradient.map((g, i) => tangent(points[i], g)) };
}

export function smallestAngle(points) {
  let best = Math.PI;
  for (let i = 0; i < points.length; i++) for (let j = 0; j < i; j++) best = Math.min(best, angle(points[i], points[j]));
  return best;
}

// Repulsion as a minimisation: conjugate gradients with a secant line search. It works on log(E)/s, which has the minima
// of E but steps of a sensible size whatever s is. A held point stays where it is; the others flow around it.
export class Descent {
  constructor(points, s) { this.points = points; this.s = s; this.held = -1; this.forget(); }

  forget() { this.old = null; this.size = 0.1; } // call it after points or s were changed from outside

  measure(points) {
    const n = points.length, s = this.s, { energy, gradient } = riesz(points, s);
    const scale = s === 0 ? 2 / (n - 1) : n / (s * energy); // keeps the push on one point of order one
    const g = gradient.map((row, i) => row.map((x) => (i === this.held ? 0 : x * scale)));
    return { value: s === 0 ? energy * scale : (n * Math.log(energy)) / s, g };
  }

  // One step, no point moving further than `limit` (radians); returns how far the fastest went, 0 when settled.
  step(limit = 0.1) {
    const inner = (a, b) => a.reduce((sum, row, i) => sum + dot(row, b[i]), 0);
    const fastest = (rows) => Math.sqrt(Math.max(...rows.map((row) => dot(row, row))));
    const { value, g } = this.measure(this.points);
    if (!(fastest(g) > 1e-8)) return 0;
    let direction = g.map((row) => row.map((x) => -x));
    if (this.old) { // Polak and Ribiere; a negative beta means: start afresh
      const before = this.old.g.map((row, i) => tangent(this.points[i], row));
      const beta = Math.max(0, (inner(g, g) - inner(g, before)) / inner(this.old.g, this.old.g));
      const turned = direction.map((row, i) => add(row, tangent(this.points[i], this.old.direction[i]), beta));
      if (inner(turned, g) < 0) direction = turned;
    }
    const slope = inner(direction, g), longest = limit / fastest(direction);
    const move = (t) => this.points.map((p, i) => (i === this.held ? p : normalize(add(p, direction[i], t))));
    let t = Math.min(this.size, longest), trial = this.measure(move(t));
    const end = inner(trial.g, direction); // where the slope along the line would vanish, were it straight
    const secant = Math.min(end > slope ? (t * slope) / (slope - end) : 2 * t, longest);
    if (secant > 0.1 * t && this.measure(move(secant)).value < trial.value) t = secant;
    const slack = 1e-13 * Math.abs(value); // rounding: below this nobody can tell up from down
    for (let tries = 0; this.measure(move(t)).value > value + 1e-4 * t * slope + slack; tries++) {
      if (tries > 40) { const was = this.old; this.forget(); return was ? this.step(limit) : 0; }
      t /= 3;
    }
    this.points = move(t);
    this.old = { g, direction };
    this.size = t;
    return t * fastest(direction);
  }
}

// The centre of the emptiest place among many tried: where a new point feels least crowded.
export function emptiest(points, seed = 1) {
  const crowd = (p) => Math.max(...points.map((q) => dot(p, q)));
  return uniform(1500, points[0].length, seed).reduce((best, p) => (crowd(p) < crowd(best) ? p : best));
}

// Who is whose neighbour: the edges of the convex hull, wrapped face by face. Flat edges (the diagonal of a square
// face) are left out. The tiny fixed jitter decides ties, so that the wrapping always closes.
export function neighbours(points) {
  const n = points.length, rand = random(7), at = points.map((p) => p.map((x) => x + 1e-7 * (rand() - 0.5)));
  if (n < 3) return n < 2 ? [] : [[0, 1]];
  let start = [0, 1];
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) if (dot(at[i], at[j]) > dot(at[start[0]], at[start[1]])) start = [i, j];
  const normals = new Map(), todo = [start, [start[1], start[0]]]; // directed edge -> normal of the face on its left
  while (todo.length) {
    const [i, j] = todo.pop();
    if (normals.has(i * n + j)) continue;
    const side = add(at[j], at[i], -1);
    let k = -1, normal = null;
    for (let m = 0; m < n; m++) {
      if (m === i || m === j) continue;
      const spoke = add(at[m], at[i], -1);
      if (k < 0 || dot(normal, spoke) > 0) { k = m; normal = cross(side, spoke); }
    }
    normal = normalize(normal);
    for (const [a, b] of [[i, j], [j, k], [k, i]]) { normals.set(a * n + b, normal); todo.push([b, a]); }
  }
  const edges = [];
  for (const [key, normal] of normals) {
    const i = Math.floor(key / n), j = key % n;
    if (i < j && normals.has(j * n + i) && dot(normal, normals.get(j * n + i)) < 1 - 1e-6) edges.push([i, j]);
  }
  return edges;
}

// ---------------------------------------------------------------- room: how inner products of random vectors fall
export function logGamma(x) { // Lanczos, g = 7, nine terms: about 15 digits
  const c = [0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const t = x + 6.5, sum = c.reduce((total, ci, i) => total + (i ? ci / (x - 1 + i) : ci), 0);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

// density of <x, y> for independent uniform unit vectors in R^d
export function density(t, d) {
  const logConstant = logGamma(d / 2) - logGamma((d - 1) / 2) - 0.5 * Math.log(Math.PI);
  return Math.abs(t) > 1 ? 0 : Math.exp(logConstant + (d === 3 ? 0 : ((d - 3) / 2) * Math.log1p(-t * t)));
}

// log of the regularised incomplete beta function I_x(a, b), by Lentz's continued fraction: a logarithm, since the
// share of a small cap in a thousand dimensions is far below the smallest double
export function logBeta(x, a, b) {
  if (x <= 0) return -Infinity;
  if (x >= 1) return 0;
  if (x > (a + 1) / (a + b + 2)) return Math.log1p(-Math.exp(logBeta(1 - x, b, a)));
  let c = 1, d = 1 / (1 - ((a + b) * x) / (a + 1)), fraction = d;
  for (let m = 1; m < 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    let change = 1;
    for (const term of [even, odd]) {
      d = 1 / (1 + term * d);
      c = 1 + term / c;
      change *= c * d;
    }
    fraction *= change;
    if (Math.abs(change - 1) < 1e-15) break;
  }
  const front = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x);
  return front + Math.log(fraction / a);
}

// log of the share of S^{d-1} within `theta` of one direction
export function logCap(theta, d) {
  const half = logBeta(Math.sin(theta) ** 2, (d - 1) / 2, 0.5) - Math.LN2;
  return theta <= Math.PI / 2 ? half : Math.log1p(-Math.exp(half));
}

// u such that, of k random points, half of all draws have a pair with |cosine| above u, taking the k(k-1)/2 pairs as
// independent (each two of them are; all together only nearly)
export function medianLargest(k, d) {
  const one = -Math.expm1((-2 * Math.LN2) / (k * (k - 1))); // the chance that one pair must have
  let low = 0, high = Math.PI / 2; // bisect the angle: P(|cosine| > cos a) = 2 cap(a)
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (2 * Math.exp(logCap(middle, d)) < one) low = middle; else high = middle;
  }
  return Math.cos((low + high) / 2);
}
