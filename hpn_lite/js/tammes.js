// From Thomson to Tammes: pull the exponent s from 0 to infinity, and the points settle anew at every stop. Lines join
// the closest pairs, the contacts; a point without a contact is loose.

export const ladder = (from) => [64, 256, 1024, 4096, 16384].filter((s) => s >= from); // on the way to infinity

// log(E_s) / s with the closest pair taken out of the sum, so that no power overflows; as s grows, its gradient is
// carried by the closest pairs alone.
export const makeFlow = (core) => class extends core.Descent {
  measure(points) {
    if (this.s === 0) return super.measure(points);
    const n = points.length, s = this.s, g = points.map(() => [0, 0, 0]), squares = new Float64Array((n * (n - 1)) / 2);
    let least = Infinity, k = 0, sum = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < i; j++) {
        const [a, b, c] = points[i], [u, v, w] = points[j];
        const square = Math.max((a - u) ** 2 + (b - v) ** 2 + (c - w) ** 2, 1e-12);
        squares[k++] = square;
        if (square < least) least = square;
      }
    for (k = 0; k < squares.length; k++) sum += (least / squares[k]) ** (s / 2);
    k = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < i; j++, k++) {
        const push = (n * (least / squares[k]) ** (s / 2)) / (sum * squares[k]);
        if (push < 1e-14) continue;
        for (let c = 0; c < 3; c++) {
          const pull = push * (points[i][c] - points[j][c]);
          g[i][c] -= pull;
          g[j][c] += pull;
        }
      }
    return { value: n * (Math.log(sum) / s - Math.log(least) / 2), g: g.map((row, i) => core.tangent(points[i], row)) };
  }
};

// The pairs whose angle is within `share` of the smallest one.
export function contacts(core, points, share) {
  const most = core.smallestAngle(points) * (1 + share), pairs = [];
  for (let i = 0; i < points.length; i++) for (let j = 0; j < i; j++) if (core.angle(points[i], points[j]) <= most) pairs.push([j, i]);
  return pairs;
}

// Newton's method for "all contacts have the same cosine t": least squares by conjugate gradients, the shortest step of
// those that fit best. A step that does not part the closest pair further is not taken.
export function polish(core, points, share) {
  const { add, dot, normalize, smallestAngle } = core, pairs = contacts(core, points, share);
  for (let round = 0; round < 12; round++) {
    const cosines = pairs.map(([i, j]) => dot(points[i], points[j]));
    const slopes = pairs.map(([i, j], k) => [add(points[j], points[i], -cosines[k]), add(points[i], points[j], -cosines[k])]);
    const forward = (d, t) => pairs.map(([i, j], k) => dot(slopes[k][0], d[i]) + dot(slopes[k][1], d[j]) - t);
    const back = (r) => {
      const d = points.map(() => [0, 0, 0]);
      pairs.forEach(([i, j], k) => { d[i] = add(d[i], slopes[k][0], r[k]); d[j] = add(d[j], slopes[k][1], r[k]); });
      return { d, t: -r.reduce((sum, x) => sum + x, 0) };
    };
    const size = ({ d, t }) => d.reduce((sum, row) => sum + dot(row, row), t * t);
    const mean = cosines.reduce((sum, c) => sum + c, 0) / cosines.length;
    let r = cosines.map((c) => mean - c), move = points.map(() => [0, 0, 0]), p = back(r), before = size(p);
    for (let k = 0; k < 400 && before > 1e-30; k++) {
      const image = forward(p.d, p.t), far = before / dot(image, image);
      move = move.map((row, i) => add(row, p.d[i], far));
      r = r.map((x, i) => x - far * image[i]);
      const next = back(r), now = size(next);
      p = { d: next.d.map((row, i) => add(row, p.d[i], now / before)), t: next.t + (now / before) * p.t };
      before = now;
    }
    const moved = points.map((x, i) => normalize(add(x, move[i])));
    if (!(smallestAngle(moved) > smallestAngle(points))) break;
    points = moved;
  }
  return points;
}

export function mount(el, options, core) {
  const { button, calm, degrees, emptiest, fixed, range, select, smallestAngle, uniform, write } = core;
  const Flow = makeFlow(core), exponents = options.exponents.map((s) => s ?? Infinity);
  let { n, seed, share } = options, at = exponents.indexOf(options.s ?? Infinity);
  let points = uniform(n, 3, seed), flow, stages = [], settled = false, paused = !options.run, pulling = false;
  let steps = 0, mark = Infinity, edges = [], look = 0;
  let trace = new Map(); // smallest angle after settling, by stop of the slider
  const name = (s) => (s === Infinity ? 's = ∞' : `s = ${s}`), spoken = (s) => (s === Infinity ? 's = infinity' : `s = ${s}`);
  const nick = { 0: ' (logarithm)', 1: ' (Thomson)' };

  // ---------------------------------------------------------------- what the page says
  const numbers = () => {
    const smallest = degrees(smallestAngle(points)), [known, proved] = options.known[n];
    const touched = new Set(edges.flat());
    return { smallest, known, proved, percent: (100 * smallest) / known, contacts: edges.length, loose: n - touched.size };
  };
  const some = (many, what) => `${many} ${what}${many === 1 ? '' : 's'}`;
  function words() {
    const { smallest, known, proved, percent, contacts: pairs, loose } = numbers();
    const mood = settled ? 'settled' : paused ? 'paused' : 'moving';
    return `${n} points, ${spoken(exponents[at])}: smallest angle ${fixed(smallest, 4)} degrees, best known ` +
      `${fixed(known, 4)}${proved ? ' (proved)' : ''}, ${fixed(percent, 2)}%. ${some(pairs, 'contact')} within ` +
      `${100 * share}%, ${some(loose, 'loose point')}, ${mood}.`;
  }
  function refresh({ speak = true } = {}) {
    edges = contacts(core, points, share);
    const { smallest, known, proved, percent, contacts: pairs, loose } = numbers();
    tiles.set(0, `${fixed(smallest, 4)}°`);
    tiles.set(1, `${fixed(known, 4)}°${proved ? ' proved' : ''}`);
    tiles.set(2, `${fixed(percent, 2)}%`, percent > 99.9999);
    tiles.set(3, String(pairs));
    tiles.set(4, String(loose));
    count.value = n;
    power.value = at;
    write(go, paused && !settled ? 'Run' : 'Pause');
    go.disabled = settled && !pulling;
    write(film, pulling ? 'Stop pulling' : 'Pull s to infinity');
    ball.name(`Sphere with ${n} points, ${some(pairs, 'contact')} drawn as lines. Arrow keys turn it.`);
    if (speak) line.say(words());
    ball.redraw();
    graph.redraw();
  }

  // ---------------------------------------------------------------- what one can do
  function begin(wake = true) { // the points, n or s are new
    const s = exponents[at];
    if (settled) { // a small shake: a symmetric set may sit on a saddle of the new energy
      const noise = uniform(n, 3, 1000 * seed + at);
      points = points.map((p, i) => core.normalize(core.add(p, noise[i], 1e-3)));
    }
    stages = s === Infinity ? ladder(0) : [s];
    if (s === Infinity && flow?.s > 64) stages = ladder(flow.s);
    flow = new Flow(points, stages.shift() ?? 16384);
    settled = false;
    steps = 0;
    mark = Infinity;
    if (wake) look = 0;
    if (wake && !paused) start();
    refresh();
  }
  const stop = (i) => { at = i; paused = false; begin(); };
  const fresh = () => { trace = new Map(); flow = null; begin(); };
  const resize = (wanted) => {
    while (points.length < wanted) points = [...points, emptiest(points)];
    points = points.slice(0, wanted);
    n = wanted;
    paused = false;
    fresh();
  };
  const shuffle = () => { seed += 1; points = uniform(n, 3, seed); paused = pulling = false; fresh(); };
  const pull = () => { pulling = !pulling; if (pulling) { trace = new Map(); stop(0); } else refresh(); };
  const pause = () => { paused = !paused; if (!paused) start(); refresh(); };

  function rested() { // this exponent has nothing more to give: the next one, or the end
    if (stages.length) { flow = new Flow(points, stages.shift()); steps = 0; mark = Infinity; return; }
    if (exponents[at] === Infinity) for (const wide of [8, 2, 0.5, 32]) points = polish(core, points, wide / flow.s);
    settled = true;
    trace.set(at, degrees(smallestAngle(points)));
  }
  function advance(limit) { // as many steps as fit into `limit` radians, and no more than a frame has time for
    let left = limit;
    for (let k = 0; k < 30 && left > 0.05 * limit && !settled; k++) {
      const far = flow.step(left);
      points = flow.points;
      left -= far;
      let slow = false; // creeping along a flat valley counts as rest
      if (++steps % 100 === 0) { const { value } = flow.measure(points); slow = mark - value < 1e-9; mark = value; }
      if (far === 0 || slow) rested();
    }
  }
  const start = core.clock(el, (seconds) => {
    if (paused) return false;
    if ((look -= seconds) > 0) return true;
    if (calm()) for (let k = 0; k < 400 && !settled; k++) advance(0.5); // reduced motion: no film, the result at once
    else advance(1.6 * seconds);
    refresh({ speak: settled });
    if (settled && pulling) {
      if (at < exponents.length - 1) { at += 1; look = 0.2; begin(false); } else { pulling = false; refresh(); }
      return pulling;
    }
    return !settled;
  });

  // ---------------------------------------------------------------- the page
  const count = range({ label: 'Number of points n', min: 2, max: 60, value: n, input: resize });
  const power = range({
    label: 'Exponent s, from 0 to infinity', min: 0, max: exponents.length - 1, value: at,
    show: (i) => name(exponents[i]) + (i === exponents.length - 1 ? ' (Tammes)' : nick[exponents[i]] ?? ''),
    input: (i) => { pulling = false; stop(i); },
  });
  const near = select({
    label: 'Contacts: pairs this close to the smallest angle', value: share,
    choices: options.shares.map((x) => [x, `within ${100 * x}%`]), input: (x) => { share = x; refresh(); },
  });
  const go = button('Run', pause), film = button('Pull s to infinity', pull, true);
  const tiles = core.tiles(['smallest angle', 'best known', 'reached', 'contacts', 'loose points']);
  const line = core.statusLine();
  const ball = core.sphere(el, core, {
    label: 'Sphere',
    scene: () => ({ points, edges, colour: (i, colours) => (edges.some((e) => e.includes(i)) ? colours.blue : colours.orange) }),
  });
  const graph = core.canvas(el, {
    aspect: 2.4,
    label: 'Smallest angle after settling at each stop of s, with the best known angle as a dashed line; the status says the numbers.',
    draw: (pen, width, height, colours) => {
      const known = options.known[n][0], low = Math.min(0.9 * known, ...trace.values()), top = known + 0.12 * (known - low);
      const x = (i) => 46 + ((width - 62) * i) / (exponents.length - 1);
      const y = (a) => height - 24 - ((height - 34) * (a - low)) / (top - low);
      pen.font = '12px system-ui, sans-serif';
      pen.fillStyle = pen.strokeStyle = colours.muted;
      pen.textAlign = 'center';
      for (const s of [0, 1, 4, 16, 64, 256]) if (exponents.includes(s)) pen.fillText(String(s), x(exponents.indexOf(s)), height - 8);
      pen.fillText('s = ∞', x(exponents.length - 1) - 8, height - 8);
      pen.textAlign = 'right';
      pen.fillText(`${fixed(known, 1)}°`, 42, y(known) + 4);
      pen.fillText(`${fixed(low, 1)}°`, 42, y(low) + 4);
      pen.setLineDash([5, 4]);
      pen.beginPath();
      pen.moveTo(x(0), y(known));
      pen.lineTo(x(exponents.length - 1), y(known));
      pen.stroke();
      pen.setLineDash([]);
      const stops = [...trace].sort((a, b) => a[0] - b[0]);
      pen.strokeStyle = pen.fillStyle = colours.blue;
      pen.lineWidth = 2;
      pen.beginPath();
      stops.forEach(([i, a]) => pen.lineTo(x(i), y(a)));
      pen.stroke();
      for (const [i, a] of stops) {
        pen.beginPath();
        pen.arc(x(i), y(a), i === at ? 5 : 3, 0, 7);
        pen.fill();
      }
    },
  });
  core.layout(el, [ball.node], [
    power.node, count.node,
    core.h('div', { className: 'hpn-row' }, film, go, button('Shuffle', shuffle)),
    near.node, tiles.node, graph.node, line.node,
    core.hint('Pull the exponent with the mouse or with ', ['←'], ' ', ['→'], '; drag the sphere, or use the arrow keys on it, to turn it.'),
  ]);
  begin();
  const plain = () => ({ n, s: exponents[at] === Infinity ? 'infinity' : exponents[at], seed, share, points, settled, paused, pulling });
  return { state: () => ({ ...plain(), ...numbers(), edges, trace: [...trace], view: ball.view() }) };
}
