// A small net with outputs in the plane, retrained in the page: five classes of points around a circle, one of them
// rare. Arrows are the class vectors of the softmax; an energy of their directions can be added to the loss.

const HIDDEN = 12, RATE = 0.05, MOMENTUM = 0.9, DECAY = 1e-3, NOISE = 0.22;

export function mount(el, options, core) {
  const { angle, button, degrees, dot, fixed, normalize, range } = core;
  const { classes, each, steps } = options;
  let { share, weight, seed } = options, net, training, testing, now;

  function draws(stream) { // Gaussian numbers, two for two uniform ones
    const uniform = core.random(stream);
    return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  }
  function blobs(stream, rare) { // `rare` points of class 0, `each` of the others
    const normal = draws(stream), x = [], y = [];
    for (let k = 0; k < classes; k++) {
      const turn = (2 * Math.PI * k) / classes;
      for (let i = 0; i < (k ? each : rare); i++) {
        x.push([Math.cos(turn) + NOISE * normal(), Math.sin(turn) + NOISE * normal()]);
        y.push(k);
      }
    }
    return { x, y };
  }
  const zeros = (m) => m.map((row) => row.map(() => 0));
  function start() { // rows of `inside` are the hidden units with their bias, `out` makes the plane, `vectors` classify
    const normal = draws(1000 + seed), rows = (n, width, scale) => Array.from({ length: n }, () => Array.from({ length: width }, () => scale * normal()));
    return { inside: rows(HIDDEN, 3, 0.7), out: rows(2, HIDDEN, HIDDEN ** -0.5), vectors: rows(classes, 2, 0.5) };
  }
  function forward({ inside, out, vectors }, [a, b]) {
    const hidden = inside.map(([p, q, bias]) => Math.max(0, p * a + q * b + bias)), z = out.map((row) => dot(row, hidden));
    return { hidden, z, scores: vectors.map((w) => dot(w, z)) };
  }
  const best = (scores) => scores.reduce((k, v, i) => (v > scores[k] ? i : k), 0);

  // The mean of log(1/distance) over pairs of directions, and its gradient: orthogonal to each vector, as it must be.
  function repulsion(vectors) {
    const unit = vectors.map(normalize), pairs = (classes * (classes - 1)) / 2, gradient = zeros(vectors);
    let value = 0;
    unit.forEach((u, i) => unit.forEach((v, j) => {
      if (i === j) return;
      const square = Math.max(1e-12, 2 - 2 * dot(u, v));
      if (i < j) value -= Math.log(square) / 2 / pairs;
      for (let c = 0; c < 2; c++) gradient[i][c] += (v[c] - dot(u, v) * u[c]) / square / pairs / Math.hypot(...vectors[i]);
    }));
    return { value, gradient };
  }
  function measure(p, { x, y }) { // mean cross-entropy + decay + weight times energy, and its gradient
    const g = { inside: zeros(p.inside), out: zeros(p.out), vectors: zeros(p.vectors) };
    let loss = 0;
    x.forEach((point, n) => {
      const { hidden, z, scores } = forward(p, point), top = Math.max(...scores), e = scores.map((v) => Math.exp(v - top));
      const sum = e.reduce((a, b) => a + b, 0), back = [0, 0];
      loss += (Math.log(sum) + top - scores[y[n]]) / x.length;
      e.forEach((v, k) => {
        const push = (v / sum - (k === y[n] ? 1 : 0)) / x.length;
        for (let c = 0; c < 2; c++) { g.vectors[k][c] += push * z[c]; back[c] += push * p.vectors[k][c]; }
      });
      hidden.forEach((v, i) => {
        if (v <= 0) return;
        const slope = back[0] * p.out[0][i] + back[1] * p.out[1][i];
        for (let c = 0; c < 2; c++) { g.out[c][i] += back[c] * v; g.inside[i][c] += slope * point[c]; }
        g.inside[i][2] += slope;
      });
    });
    const energy = repulsion(p.vectors);
    for (const name in p) p[name].forEach((row, i) => row.forEach((v, c) => {
      loss += (DECAY / 2) * v * v;
      g[name][i][c] += DECAY * v + (name === 'vectors' ? weight * energy.gradient[i][c] : 0);
    }));
    return { loss: loss + weight * energy.value, energy: energy.value, gradient: g };
  }
  function train() {
    training = blobs(seed, Math.max(1, Math.round((share / 100) * each)));
    testing = blobs(5000 + seed, each);
    net = start();
    const speed = { inside: zeros(net.inside), out: zeros(net.out), vectors: zeros(net.vectors) };
    for (let t = 0; t < steps; t++) {
      const { gradient } = measure(net, training);
      for (const name in net) net[name].forEach((row, i) => row.forEach((_, c) => {
        speed[name][i][c] = MOMENTUM * speed[name][i][c] + gradient[name][i][c];
        row[c] -= RATE * speed[name][i][c];
      }));
    }
    const { loss, energy } = measure(net, training), unit = net.vectors.map(normalize);
    const shown = testing.x.map((x) => forward(net, x)), said = shown.map(({ scores }) => best(scores));
    const right = said.map((k, i) => k === testing.y[i]), share0 = (list) => list.filter(Boolean).length / list.length;
    now = {
      loss, energy, outputs: shown.map(({ z }) => z), said, rare: share0(right.slice(0, each)), others: share0(right.slice(each)),
      nearest: Math.min(...unit.slice(1).map((u) => degrees(angle(unit[0], u)))),
    };
    refresh();
  }
  function refresh() {
    const count = training.y.filter((k) => k === 0).length;
    const percent = (v) => `${Math.round(100 * v)}%`;
    [`${count} of ${each}`, percent(now.rare), percent(now.others), `${fixed(now.nearest, 1)}°`].forEach((text, i) => tiles.set(i, text));
    line.say(`Class 0 has ${count} of ${each} examples, weight of the energy ${fixed(weight, 2)}: ${percent(now.rare)} of new examples ` +
      `of class 0 are right, ${percent(now.others)} of the others. Its class vector is ${fixed(now.nearest, 1)} degrees from its nearest neighbour. ` +
      `Energy ${fixed(now.energy, 3)}, loss ${fixed(now.loss, 3)}.`);
    board.redraw();
  }
  function draw(pen, width, height, colours) {
    const middle = width / 2, reach = Math.max(...now.outputs.map((z) => Math.hypot(...z))), scale = (0.46 * width) / reach;
    const at = ([x, y]) => [middle + scale * x, middle - scale * y];
    pen.font = `${Math.max(9, width / 40)}px system-ui, sans-serif`;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    now.outputs.forEach((z, i) => { // every test example as the digit of its class; wrong ones in a ring
      const [x, y] = at(z), k = testing.y[i];
      pen.fillStyle = k ? colours.blue : colours.orange;
      pen.globalAlpha = k ? 0.55 : 1;
      pen.fillText(k, x, y);
      if (now.said[i] === k) return;
      pen.strokeStyle = colours.ink;
      pen.globalAlpha = 0.7;
      pen.beginPath();
      pen.arc(x, y, width / 60, 0, 7);
      pen.stroke();
    });
    pen.globalAlpha = 1;
    net.vectors.map(normalize).forEach((u, k) => { // rare last, on top
      const tip = u.map((v) => 0.3 * width * v), [x, y] = [middle + tip[0], middle - tip[1]], side = [-u[1], u[0]];
      pen.strokeStyle = pen.fillStyle = k ? colours.ink : colours.orange;
      pen.lineWidth = k ? 2 : 4;
      pen.beginPath();
      pen.moveTo(middle, middle);
      pen.lineTo(x, y);
      for (const s of [1, -1]) { pen.moveTo(x, y); pen.lineTo(x - 10 * u[0] + 6 * s * side[0], y + 10 * u[1] - 6 * s * side[1]); }
      pen.stroke();
      pen.font = `700 ${Math.max(12, width / 26)}px system-ui, sans-serif`;
      pen.fillText(k, x + 12 * u[0], y - 12 * u[1]);
    });
  }
  const board = core.canvas(el, { label: 'Outputs of the net for new examples, each written as the digit of its class, and the five class vectors as arrows. Class 0 is orange. Rings mark mistakes.', draw });
  const amount = range({ label: 'Examples of class 0', min: 2.5, max: 100, step: 2.5, value: share, show: (v) => `${v}%`, input: (v) => { share = v; train(); } });
  const pressure = range({ label: 'Weight of the energy', min: 0, max: 1, step: 0.05, value: weight, show: (v) => fixed(v, 2), input: (v) => { weight = v; train(); } });
  const again = button('Another start', () => { seed += 1; train(); }, true);
  const tiles = core.tiles(['examples of class 0', 'right, class 0', 'right, others', 'nearest class vector']);
  const line = core.statusLine();
  core.layout(el, [board.node], [amount.node, pressure.node, core.h('div', { className: 'hpn-row' }, again), tiles.node, line.node]);
  train();

  return { state: () => ({ share, weight, seed, net, training, testing, ...now }) };
}
