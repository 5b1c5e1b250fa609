// A long tail and what it does to batches: sizes of the classes by imbalance factor, the weight of each class, and the
// chance that a batch holds none of it.

const SCHEMES = [[0, 'none'], [1, 'inverse frequency'], [2, 'prototypes scaled (LPA)']];
const HEAD = 100, TAIL = 20; // images: more are the head, fewer the tail

// Class c of k keeps floor(n factor^(c / (k - 1))) images.
export const profile = (n, k, factor) =>
  Array.from({ length: k }, (_, c) => Math.floor(n * factor ** (c / Math.max(k - 1, 1))));

// What multiplies the loss of an example (none, inverse frequency), or the length of a prototype, whose square does. The
// mean count is that of the classes that have images; a class without any has the weight 0.
export function weights(counts, scheme) {
  const mean = counts.reduce((a, b) => a + b, 0) / counts.filter((count) => count > 0).length;
  return counts.map((count) => (count ? [1, mean / count, Math.sqrt(mean / count)][scheme] : 0));
}

// Chance that `batch` images, drawn from `total` without putting back, hold none of a class of `count`.
export function absent(count, total, batch) {
  let chance = 1;
  for (let i = 0; i < count && chance > 0; i++) chance *= Math.max(0, total - batch - i) / (total - i);
  return chance;
}

export function mount(el, options, core) {
  const { checkbox, fixed, range, select } = core;
  const { factors, ks, sizes, batch } = options;
  let { n, k, factor } = options, scheme = 0, at = k - 1, logarithmic = false;

  function measure() {
    const counts = profile(n, k, factor), total = counts.reduce((a, b) => a + b, 0), drawn = Math.min(batch, total);
    const groups = counts.map((c) => (c > HEAD ? 'head' : c < TAIL ? 'tail' : 'medium'));
    const missing = counts.reduce((sum, c) => sum + absent(c, total, drawn), 0);
    return {
      n, k, factor, at, scheme: SCHEMES[scheme][1], counts, total, groups, weights: weights(counts, scheme), missing,
      expected: (drawn * counts[at]) / total, absent: absent(counts[at], total, drawn),
    };
  }
  let now = measure();

  const COLOUR = { head: 'blue', medium: 'green', tail: 'orange' };
  const number = (v) => v.toLocaleString('en-US');
  function draw(pen, width, height, colours) {
    const left = 56, right = 8, gap = 46, top = 20, bottom = 24, upper = 0.6 * (height - gap - top - bottom);
    const X = (c) => left + (c / k) * (width - left - right), wide = (width - left - right) / k;
    const text = (words, x, y, align = 'center') => { pen.textAlign = align; pen.fillText(words, x, y); };
    const axis = (words, y) => { pen.fillStyle = colours.muted; text(words, left, y - 10, 'left'); };
    const rule = (y) => { pen.strokeStyle = colours.line; pen.beginPath(); pen.moveTo(left, y); pen.lineTo(width - right, y); pen.stroke(); };
    pen.font = '12.5px system-ui, sans-serif';
    pen.textBaseline = 'middle';
    pen.lineWidth = 1;
    const span = Math.log(now.n + 1), share = (c) => (logarithmic ? Math.log(c + 1) / span : c / now.n);
    const base = top + upper;
    axis('images of each class', top);
    for (const v of logarithmic ? [1, 10, 100, 1000].filter((v) => v < now.n).concat(now.n) : [0, now.n / 2, now.n]) {
      const y = base - upper * share(v);
      rule(y);
      pen.fillStyle = colours.muted;
      text(number(v), left - 6, y, 'right');
    }
    now.counts.forEach((count, c) => {
      pen.fillStyle = colours[COLOUR[now.groups[c]]];
      const tall = Math.max(1.5, upper * share(count));
      pen.fillRect(X(c) + 0.1 * wide, base - tall, Math.max(0.8, 0.8 * wide), tall);
    });
    for (const name of ['head', 'medium', 'tail']) { // the groups are named as well: colour alone must not carry it
      const first = now.groups.indexOf(name), last = now.groups.lastIndexOf(name);
      if (first < 0) continue;
      pen.strokeStyle = pen.fillStyle = colours[COLOUR[name]];
      pen.lineWidth = 3;
      pen.beginPath();
      pen.moveTo(X(first) + 2, base + 5);
      pen.lineTo(X(last + 1) - 2, base + 5);
      pen.stroke();
      pen.lineWidth = 1;
      if (X(last + 1) - X(first) > 48) text(name, (X(first) + X(last + 1)) / 2, base + 16);
    }
    const floor = height - bottom, room = floor - base - gap, most = Math.max(...now.weights);
    axis(scheme === 2 ? 'length of the prototype' : 'weight of an example', base + gap);
    for (const v of [0, most]) {
      rule(floor - (room * v) / most);
      pen.fillStyle = colours.muted;
      text(v ? fixed(v, v < 10 ? 1 : 0) : '0', left - 6, floor - (room * v) / most, 'right');
    }
    now.weights.forEach((w, c) => {
      pen.fillStyle = colours.muted;
      pen.fillRect(X(c) + 0.1 * wide, floor - (room * w) / most, Math.max(0.8, 0.8 * wide), (room * w) / most);
    });
    const x = X(at) + wide / 2; // the chosen class, in both pictures
    pen.fillStyle = colours.ink;
    pen.beginPath();
    pen.moveTo(x, floor + 3);
    pen.lineTo(x - 6, floor + 12);
    pen.lineTo(x + 6, floor + 12);
    pen.fill();
    pen.strokeStyle = colours.ink;
    pen.setLineDash([3, 3]);
    pen.beginPath();
    pen.moveTo(x, top);
    pen.lineTo(x, floor);
    pen.stroke();
    pen.setLineDash([]);
  }

  const percent = (v) => `${fixed(100 * v, v > 0 && v < 0.001 ? 3 : 1)}%`;
  function refresh() {
    now = measure();
    const each = (name) => now.groups.filter((g) => g === name).length;
    const rare = at === k - 1 && factor < 1 ? ', the rarest,' : '';
    tiles.set(0, number(now.total));
    tiles.set(1, number(now.counts[at]));
    tiles.set(2, fixed(now.expected, 2));
    tiles.set(3, percent(now.absent));
    line.say(`Imbalance factor ${factor}, ${k} classes, ${number(now.total)} images: ${each('head')} classes in the head, ` +
      `${each('medium')} medium, ${each('tail')} in the tail. Class ${at}${rare} has ${number(now.counts[at])}` +
      (scheme === 2 ? `, and its prototype the length ${fixed(now.weights[at], 3)}. ` : `, each of weight ${fixed(now.weights[at], 3)}. `) +
      `A batch of ${batch} holds ${fixed(now.expected, 2)} of them on average, and none with a chance of ${percent(now.absent)}. ` +
      `On average ${fixed(now.missing, 2)} of the ${k} classes are missing.`);
    board.redraw();
  }
  const board = core.canvas(el, {
    aspect: 1.05, draw,
    label: 'Two rows of bars, one bar for each class, from the most frequent to the rarest: its images above, its weight below. The text says the numbers of the chosen class.',
  });
  const choose = (values, value, label, input, show = String) => range({
    label, min: 0, max: values.length - 1, value: values.indexOf(value), show: (i) => show(values[i]), input: (i) => input(values[i]),
  });
  const factorSlider = choose(factors, factor, 'Imbalance factor', (v) => { factor = v; refresh(); });
  const classes = choose(ks, k, 'Classes', (v) => {
    const last = at === k - 1;
    k = v;
    at = last ? k - 1 : Math.min(at, k - 1);
    place.field.max = k - 1;
    place.value = at;
    refresh();
  });
  const size = choose(sizes, n, 'Images of the most frequent class', (v) => { n = v; refresh(); }, number);
  const kind = select({ label: 'Weights', choices: SCHEMES, value: scheme, input: (v) => { scheme = v; refresh(); } });
  const place = range({ label: 'Look at class', min: 0, max: k - 1, value: at, input: (v) => { at = v; refresh(); } });
  const log = checkbox({ label: 'logarithmic scale', checked: logarithmic, input: (v) => { logarithmic = v; board.redraw(); } });
  const tiles = core.tiles(['images in all', 'of the class', `of it in a batch of ${batch}`, 'chance of none']);
  const line = core.statusLine();
  core.layout(el, [board.node], [factorSlider.node, classes.node, size.node, kind.node, place.node, log.node, tiles.node, line.node]);
  refresh();

  return { state: () => ({ ...now, logarithmic }) };
}
