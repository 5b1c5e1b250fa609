// Meaning against separation: words on a circle. The slider weighs the two, the points settle anew, and names can be
// shuffled, arranged by swaps, or swapped by hand, which moves no point.

// ---------------------------------------------------------------- the same quantities as hpn_lite.semantics
const unit = (row) => { const length = Math.hypot(...row); return row.map((v) => (length ? v / length : 0)); };
export const scores = (ranks) => ranks.map((row, i) => unit(row.map((r, j) => (i === j ? 0 : row.length / 2 - r))));

export function ranks(core, x) { // who is whose how-many-th neighbour; ties share the mean of their places
  return x.map((p, i) => {
    const c = x.map((q) => Math.round(1e9 * core.dot(p, q)));
    const place = (j) => c.reduce((sum, v, k) => sum + (k === i || k === j ? 0 : v > c[j] ? 1 : v === c[j] ? 0.5 : 0), 1);
    return c.map((_, j) => (i === j ? 0 : place(j)));
  });
}
export function correlation(core, x, s) { // Spearman's, the mean over the words
  const own = scores(ranks(core, x));
  return own.reduce((sum, row, i) => sum + core.dot(row, s[i]), 0) / x.length;
}

// 1 - the mean correlation of cosines with scores, and its gradient
export function misalignment(core, x, s) {
  const n = x.length, gradient = x.map((p) => p.map(() => 0));
  let value = 1;
  x.forEach((p, i) => {
    const c = x.map((q, j) => (i === j ? 0 : core.dot(p, q))), mean = c.reduce((a, b) => a + b, 0) / (n - 1);
    const centred = c.map((v, j) => (i === j ? 0 : v - mean)), length = Math.sqrt(core.dot(centred, centred) + 1e-12);
    const r = core.dot(centred, s[i]) / length;
    value -= r / n;
    x.forEach((q, j) => {
      if (i === j) return;
      const pull = -(s[i][j] - (r * centred[j]) / length) / (length * n);
      for (let d = 0; d < p.length; d++) { gradient[i][d] += pull * q[d]; gradient[j][d] += pull * p[d]; }
    });
  });
  return { value, gradient };
}

// log(sum over pairs of exp(b cosine)) / b, and its gradient
export function softLargest(core, x, b) {
  const pairs = x.flatMap((p, i) => x.slice(0, i).map((q, j) => [i, j, core.dot(p, q)])), top = Math.max(...pairs.map((t) => t[2]));
  const weights = pairs.map((t) => Math.exp(b * (t[2] - top))), total = weights.reduce((a, v) => a + v, 0);
  const gradient = x.map((p) => p.map(() => 0));
  pairs.forEach(([i, j], k) => {
    for (let d = 0; d < x[i].length; d++) {
      gradient[i][d] += (weights[k] / total) * x[j][d];
      gradient[j][d] += (weights[k] / total) * x[i][d];
    }
  });
  return { value: top + Math.log(total) / b, gradient };
}

export const makeFlow = (core) => class extends core.Descent {
  constructor(points, s, weight, b) { super(points, 1); Object.assign(this, { scores: s, weight, b }); }
  measure(points) {
    const t = this.weight, apart = softLargest(core, points, this.b), order = misalignment(core, points, this.scores);
    const g = points.map((p, i) => core.tangent(p, p.map((_, d) => (1 - t) * apart.gradient[i][d] + t * order.gradient[i][d])));
    return { value: (1 - t) * apart.value + t * order.value, g };
  }
};

// names by swaps: the exchange of two words that helps most, again and again; `points[i]` belongs to word i
export function arrange(core, points, s) {
  let x = points.slice(), best = misalignment(core, x, s).value;
  for (;;) {
    let next = null;
    for (let i = 0; i < x.length; i++)
      for (let j = 0; j < i; j++) {
        const trial = x.slice();
        [trial[i], trial[j]] = [trial[j], trial[i]];
        const { value } = misalignment(core, trial, s);
        if (value < best - 1e-9) { best = value; next = trial; }
      }
    if (!next) return x;
    x = next;
  }
}

// ---------------------------------------------------------------- the lab
export function mount(el, options, core) {
  const { button, calm, degrees, fixed, random, range, select } = core;
  const { names, groups } = options, n = names.length, wanted = scores(options.ranks), Flow = makeFlow(core);
  const slices = names.map((_, i) => [Math.sin((2 * Math.PI * i) / n), Math.cos((2 * Math.PI * i) / n)]);
  let { weight, seed } = options, points = slices.slice(), chosen = 0, settled = true, trace = [], flow = null, stages = [], steps = 0, mark = Infinity;

  function shuffled(x) { // Fisher and Yates
    const rand = random(seed), order = x.slice();
    for (let i = order.length - 1; i > 0; i--) { const j = Math.floor(rand() * (i + 1)); [order[i], order[j]] = [order[j], order[i]]; }
    return order;
  }
  const around = () => names.map((_, i) => i).sort((i, j) => Math.atan2(points[i][0], points[i][1]) - Math.atan2(points[j][0], points[j][1]));

  // ---------------------------------------------------------------- what the page says
  function numbers() {
    let least = Infinity, pair = [0, 1];
    points.forEach((p, i) => points.slice(0, i).forEach((q, j) => { const a = core.angle(p, q); if (a < least) { least = a; pair = [j, i]; } }));
    return { smallest: degrees(least), pair, correlation: correlation(core, points, wanted), most: 360 / n };
  }
  function refresh({ speak = true } = {}) {
    const now = numbers(), near = options.ranks[chosen].map((r, j) => [r, j]).sort((a, b) => a[0] - b[0]).slice(1, 4).map((t) => names[t[1]]);
    tiles.set(0, `${fixed(now.smallest, 1)}°`, now.smallest > 0.999 * now.most);
    tiles.set(1, fixed(now.correlation, 3));
    tiles.set(2, `${names[now.pair[0]]}, ${names[now.pair[1]]}`);
    if (settled) {
      const last = trace[trace.length - 1], same = last && Math.abs(last[0] - now.smallest) < 0.02 && Math.abs(last[1] - now.correlation) < 1e-3;
      if (!same) trace.push([now.smallest, now.correlation]);
    }
    if (speak)
      line.say(`${n} words, weight of meaning ${fixed(weight, 2)}: the closest pair, ${names[now.pair[0]]} and ${names[now.pair[1]]}, is at ` +
        `${fixed(now.smallest, 1)} degrees, of at most ${fixed(now.most, 1)}. Rank correlation with the words ${fixed(now.correlation, 3)}. ` +
        `To ${names[chosen]}, the words say, ${near[0]}, ${near[1]} and ${near[2]} are nearest.${settled ? '' : ' Moving.'}`);
    board.redraw();
    graph.redraw();
  }

  // ---------------------------------------------------------------- what one can do
  function settle() {
    stages = [10, 40, 160];
    flow = null;
    settled = false;
    start();
    refresh();
  }
  function advance(limit) {
    let left = limit;
    for (let k = 0; k < 12 && left > 0.05 * limit && !settled; k++) {
      if (!flow) { flow = new Flow(points, wanted, weight, stages.shift()); steps = 0; mark = Infinity; }
      const far = flow.step(Math.min(left, 0.1));
      points = flow.points;
      left -= far;
      let slow = false;
      if (++steps % 40 === 0) { const { value } = flow.measure(points); slow = mark - value < 1e-6; mark = value; }
      if (far < 1e-7 || slow) { flow = null; settled = !stages.length; }
    }
  }
  const start = core.clock(el, (seconds) => {
    if (settled) return false;
    if (calm()) for (let k = 0; k < 1000 && !settled; k++) advance(0.5); else advance(1.5 * seconds);
    refresh({ speak: settled });
    return !settled;
  });
  const still = (x) => { points = x; if (weight > 0) settle(); else { settled = true; refresh(); } }; // slices are at rest
  const shuffle = () => { seed += 1; still(shuffled(points)); };
  const sort = () => { points = arrange(core, points, wanted); settled = true; refresh(); };
  const again = () => { weight = 0; pull.value = 0; trace = []; seed = options.seed; points = shuffled(slices); settled = true; refresh(); };
  function swap() { // the chosen word and the next one clockwise change places
    const order = around(), next = order[(order.indexOf(chosen) + 1) % n];
    [points[chosen], points[next]] = [points[next], points[chosen]];
    points = points.slice();
    settled = true;
    refresh();
  }

  // ---------------------------------------------------------------- the circle with its words
  let radius = 1, middle = [1, 1];
  const pixel = ([x, y], r = 1) => [middle[0] + radius * r * x, middle[1] - radius * r * y];
  function draw(pen, width, height, colours) {
    const font = Math.max(12, Math.min(15, width / 26)), ink = [colours.blue, colours.orange, colours.green, colours.muted];
    middle = [width / 2, height / 2];
    radius = Math.min(width / 2 - 4.8 * font, height / 2 - 2.4 * font);
    pen.fillStyle = colours.ball;
    pen.strokeStyle = colours.muted;
    pen.lineWidth = 1.3;
    pen.beginPath();
    pen.arc(...middle, radius, 0, 7);
    pen.fill();
    pen.stroke();
    options.ranks[chosen].forEach((r, j) => { // to the three words nearest in meaning
      if (r < 1 || r > 3) return;
      pen.strokeStyle = colours.ink;
      pen.globalAlpha = 0.75 - 0.18 * r;
      pen.lineWidth = 3.4 - 0.7 * r;
      pen.beginPath();
      pen.moveTo(...pixel(points[chosen]));
      pen.quadraticCurveTo(...pixel(core.add(points[chosen], points[j]), 0.25), ...pixel(points[j]));
      pen.stroke();
      pen.globalAlpha = 1;
    });
    const { pair } = numbers();
    pen.textBaseline = 'middle';
    const order = around(), at = order.map((i) => Math.atan2(points[i][0], points[i][1])); // labels step aside for each other
    const gap = (1.12 * font) / (radius * 1.1), spread = at.slice();
    for (let round = 0; round < 60; round++)
      for (let k = 0; k < n; k++) {
        const l = (k + 1) % n, turn = l ? 0 : 2 * Math.PI, tight = gap * (1 + 2 * Math.cos((spread[k] + spread[l] + turn) / 2) ** 6) - (spread[l] + turn - spread[k]);
        if (tight > 0) { spread[k] -= tight / 2; spread[l] += tight / 2; }
      }
    order.forEach((i, k) => {
      const [x, y] = pixel(points[i]), mine = [Math.sin(spread[k]), Math.cos(spread[k])], [u, v] = pixel(mine, 1 + (0.9 * font) / radius);
      pen.strokeStyle = colours.line;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(u, v);
      pen.stroke();
      pen.fillStyle = ink[groups[i] % 4];
      pen.strokeStyle = colours.ball;
      pen.lineWidth = 1.5;
      pen.beginPath(); // shape as well as colour says the group
      const r = 5.5;
      if (groups[i] % 3 === 0) pen.arc(x, y, r, 0, 7);
      else if (groups[i] % 3 === 1) pen.rect(x - r + 0.5, y - r + 0.5, 2 * r - 1, 2 * r - 1);
      else [0, 1, 2].forEach((c) => pen.lineTo(x + 1.25 * r * Math.sin((c * 2 * Math.PI) / 3), y - 1.25 * r * Math.cos((c * 2 * Math.PI) / 3)));
      pen.closePath();
      pen.fill();
      pen.stroke();
      pen.font = `${i === chosen ? 700 : pair.includes(i) ? 600 : 400} ${font}px system-ui, sans-serif`;
      pen.textAlign = 'left';
      pen.fillStyle = colours.ink;
      const [a, b] = pixel(mine, 1 + (1.2 * font) / radius), long = pen.measureText(names[i]).width, from = a - (long * (1 - mine[0])) / 2;
      pen.fillText(names[i], from, b);
      if (i === chosen) pen.fillRect(from, b + 0.6 * font, long, 1.5);
    });
  }
  const board = core.canvas(el, { label: 'Words on a circle; lines join the chosen word to the three nearest in meaning. The numbers are in the text below.', aspect: 1.1, draw });
  board.node.addEventListener('click', (event) => { // a tap on a point chooses its word; the list does the same by keyboard
    const box = board.node.getBoundingClientRect(), far = points.map((p) => { const [x, y] = pixel(p, 1.12); return Math.hypot(x - event.clientX + box.left, y - event.clientY + box.top); });
    const i = far.indexOf(Math.min(...far));
    if (far[i] < 40) { chosen = i; list.field.value = i; refresh(); }
  });
  const graph = core.canvas(el, {
    aspect: 2.1, label: 'Where the settled arrangements lie: closest angle to the right, rank correlation upwards.',
    draw: (pen, width, height, colours) => {
      const left = 34, right = width - 12, top = 20, bottom = height - 30, most = 360 / n, low = Math.min(-0.2, ...trace.map((t) => t[1]));
      const X = (a) => left + ((right - left) * a) / (1.06 * most), Y = (r) => bottom - ((bottom - top) * (r - low)) / (1 - low);
      core.levels(pen, colours, [0, 0.5, 1], { left, right, Y });
      pen.setLineDash([4, 4]);
      pen.beginPath();
      pen.moveTo(X(most), top);
      pen.lineTo(X(most), bottom);
      pen.stroke();
      pen.setLineDash([]);
      pen.textAlign = 'center';
      pen.fillText('0°', X(0), bottom + 14);
      pen.fillText(`${fixed(most, 0)}°`, X(most), bottom + 14);
      pen.fillText('closest angle', (left + right) / 2, bottom + 24);
      pen.textAlign = 'left';
      pen.fillText('rank correlation', 4, 12);
      trace.forEach(([a, r], i) => {
        const last = i === trace.length - 1;
        pen.fillStyle = last ? colours.orange : colours.blue;
        pen.globalAlpha = last ? 1 : 0.55;
        pen.beginPath();
        pen.arc(X(a), Y(r), last ? 6 : 4, 0, 7);
        pen.fill();
      });
      pen.globalAlpha = 1;
    },
  });

  // ---------------------------------------------------------------- the page
  const pull = range({ label: 'Weight of meaning', min: 0, max: 1, step: 0.05, value: weight, show: (v) => fixed(v, 2), input: (v) => { weight = v; settle(); } });
  const list = select({ label: 'Word', choices: names.map((word, i) => [i, word]), value: 0, input: (i) => { chosen = i; refresh(); } });
  const tiles = core.tiles(['closest angle', 'rank correlation', 'closest pair']);
  const line = core.statusLine();
  core.layout(el, [board.node], [
    pull.node, core.h('div', { className: 'hpn-row' }, button('Arrange names', sort, true), button('Shuffle names', shuffle), button('Start again', again)),
    list.node, core.h('div', { className: 'hpn-row' }, button('Swap with the next word', swap)), tiles.node, graph.node, line.node,
  ]);
  points = shuffled(slices);
  if (weight > 0) settle(); else refresh();

  return { state: () => ({ names, weight, seed, chosen: names[chosen], points, settled, trace, ...numbers() }) };
}
