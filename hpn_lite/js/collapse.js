// Neural collapse without a net: outputs and class vectors are directions in the plane, free to turn, and cross-entropy
// is all that acts on them. Everything is an angle: phi for outputs, theta for class vectors. The theorem's bound is beside.

const RATE = 0.05, NUDGE = 0.02, PATIENCE = 60;

export function mount(el, options, core) {
  const { button, degrees, fixed, range, select } = core;
  const { each } = options;
  let { k, scale, held, seed } = options, theta, phi, steps, now, mark, running = false;
  const noise = core.random(99);
  const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
  const label = (i) => Math.floor(i / each); // of output i

  function start() {
    const uniform = core.random(seed);
    theta = Array.from({ length: k }, (_, j) => (held ? (2 * Math.PI * j) / k : 2 * Math.PI * uniform()));
    phi = Array.from({ length: k * each }, () => 2 * Math.PI * uniform());
    steps = 0;
    refresh();
  }
  // Cross-entropy of scores scale * cos(phi_i - theta_j), its slopes, and the three signs of collapse as angles.
  function measure() {
    const dphi = phi.map(() => 0), dtheta = theta.map(() => 0), wrong = phi.map(() => 0); // 1 - p of the own class
    let loss = 0;
    phi.forEach((p, i) => {
      const e = theta.map((t) => Math.exp(scale * (Math.cos(p - t) - 1))), sum = e.reduce((a, b) => a + b, 0), y = label(i);
      loss += (Math.log(sum) + scale - scale * Math.cos(p - theta[y])) / phi.length;
      wrong[i] = 1 - e[y] / sum;
      theta.forEach((t, j) => {
        const slope = ((e[j] / sum - (j === y ? 1 : 0)) * scale * Math.sin(p - t)) / phi.length;
        dphi[i] -= slope;
        dtheta[j] += slope;
      });
    });
    const apart = (a, b) => Math.acos(Math.min(1, Math.max(-1, Math.cos(a - b))));
    const means = theta.map((_, j) => {
      const own = phi.filter((_, i) => label(i) === j);
      return Math.atan2(mean(own.map(Math.sin)), mean(own.map(Math.cos)));
    });
    return {
      loss, wrong, dphi, dtheta,
      bound: Math.log1p((k - 1) * Math.exp((-scale * k) / (k - 1))),
      within: degrees(mean(phi.map((p, i) => apart(p, means[label(i)])))),
      duality: degrees(mean(means.map((m, j) => apart(m, theta[j])))),
      nearest: degrees(Math.min(...theta.flatMap((t, i) => theta.slice(0, i).map((u) => apart(t, u))))),
    };
  }
  function step(times) { // downhill, each angle at its own pace: slopes fade with `wrong`, so they are divided by it
    const pace = (v) => RATE / scale / Math.max(v, 1e-12);
    for (let n = 0; n < times; n++) {
      const { wrong, dphi, dtheta } = measure(), all = pace(mean(wrong));
      phi = phi.map((p, i) => p - pace(wrong[i]) * phi.length * dphi[i]);
      if (!held) theta = theta.map((t, j) => t - all * k * dtheta[j]);
    }
    steps += times;
    refresh();
  }
  function refresh() {
    now = measure();
    [`${fixed(now.within, 1)}°`, `${fixed(now.duality, 1)}°`, `${fixed(now.nearest, 1)}°`, fixed(now.loss, 4), fixed(now.bound, 4)]
      .forEach((text, i) => tiles.set(i, text, i === 3 && now.loss < 1.01 * now.bound));
    const verdict = now.loss < 1.01 * now.bound ? 'the bound is met' : `the bound is ${fixed(now.bound, 4)}`;
    line.say(`After ${steps} steps: outputs are ${fixed(now.within, 1)} degrees from the mean of their class, the means ` +
      `${fixed(now.duality, 1)} degrees from their class vectors, the closest class vectors ${fixed(now.nearest, 1)} degrees apart. ` +
      `Loss ${fixed(now.loss, 4)}; ${verdict}.`);
    board.redraw();
  }
  function draw(pen, width, height, colours) {
    const middle = width / 2, unit = 0.4 * width, at = (angle, r) => [middle + r * unit * Math.cos(angle), middle - r * unit * Math.sin(angle)];
    const palette = [colours.orange, colours.blue, colours.green, colours.ink, colours.muted];
    const colour = (j) => palette[j % palette.length];
    pen.strokeStyle = colours.line;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(middle, middle, unit, 0, 7);
    pen.stroke();
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    theta.forEach((t, j) => {
      const [x, y] = at(t, 0.74);
      pen.strokeStyle = pen.fillStyle = colour(j);
      pen.lineWidth = 3;
      pen.beginPath();
      pen.moveTo(middle, middle);
      pen.lineTo(x, y);
      for (const s of [2.7, -2.7]) { pen.moveTo(x, y); pen.lineTo(x + 12 * Math.cos(t + s), y - 12 * Math.sin(t + s)); }
      pen.stroke();
      pen.font = `700 ${Math.max(13, width / 24)}px system-ui, sans-serif`;
      pen.fillText(j, ...at(t + 0.11, 0.62));
    });
    pen.font = `${Math.max(11, width / 32)}px system-ui, sans-serif`;
    phi.forEach((p, i) => { // the outputs of a class one behind the other, so that they can be told apart at the end
      pen.fillStyle = colour(label(i));
      pen.fillText(label(i), ...at(p, 0.92 + (0.26 * (i % each)) / Math.max(1, each - 1)));
    });
  }
  const board = core.canvas(el, { label: 'A circle of directions. Arrows are the class vectors, digits the outputs, each written as its class.', draw });
  const tick = core.clock(el, () => {
    if (!running) return false;
    step(1);
    if (steps % PATIENCE === 0) { // at rest when the last steps gained next to nothing
      if (mark - now.loss < 1e-5 * now.loss) run(false);
      mark = now.loss;
    }
    return running;
  });
  function run(on) {
    if (on) phi = phi.map((p) => p + NUDGE * (noise() - 0.5)); // so that no output rests on a ridge
    if (on && core.calm()) return step(1000); // no motion: the state after 1,000 steps
    running = on;
    mark = Infinity;
    core.write(go, on ? 'Pause' : 'Run');
    if (on) tick();
  }
  const go = button('Run', () => run(!running), true);
  const once = button('One step', () => { run(false); step(1); });
  const again = button('New start', () => { run(false); seed += 1; start(); });
  const number = range({ label: 'Classes', min: 2, max: 6, value: k, input: (v) => { run(false); k = v; start(); } });
  const length = range({ label: 'Scale of the scores', min: 1, max: 12, value: scale, input: (v) => { scale = v; refresh(); } });
  const kind = select({ label: 'Class vectors', value: held ? 1 : 0, choices: [[0, 'learnt'], [1, 'fixed, evenly spaced']], input: (v) => { run(false); held = v === 1; start(); } });
  const tiles = core.tiles(['outputs to their mean', 'means to their vectors', 'closest class vectors', 'loss', 'bound']);
  const line = core.statusLine();
  core.layout(el, [board.node], [core.h('div', { className: 'hpn-row' }, go, once, again), kind.node, number.node, length.node, tiles.node, line.node]);
  start();

  return { state: () => ({ k, scale, held, seed, each, steps, running, theta, phi, ...now }) };
}
