// Neurons on a sphere under three penalties: the energy, the energy with a mirror (every neuron's opposite pushes too),
// and the demand for right angles. What looks like order to one of them does not to the others.

const NAMES = { full: 'energy', half: 'energy with mirror', right: 'right angles' };

export function mount(el, options, core) {
  const { add, angle, button, calm, Descent, degrees, dot, fixed, range, select, tangent, uniform, write } = core;
  let { n, s, form, seed } = options, points = uniform(n, 3, seed);
  let running = false, settled = false, selected = -1;

  const power = (r2) => (s === 0 ? -Math.log(Math.max(r2, 1e-12)) / 2 : Math.max(r2, 1e-12) ** (-s / 2));
  const push = (r2) => (s || 1) * Math.max(r2, 1e-12) ** (-s / 2 - 1);
  const square = (a, b) => { const away = add(a, b, -1); return dot(away, away); };

  // Sum over pairs of neurons, and its gradient: f(r) for the energy; with the mirror also f of the distance to the
  // other's opposite; the squared cosine for right angles.
  function measure(w, kind) {
    const gradient = w.map(() => [0, 0, 0]);
    let value = 0;
    for (let i = 0; i < w.length; i++)
      for (let j = 0; j < i; j++) {
        const near = square(w[i], w[j]), far = square(w[i], w[j].map((x) => -x)), c = dot(w[i], w[j]);
        value += kind === 'right' ? c * c : power(near) + (kind === 'half' ? power(far) : 0);
        const along = kind === 'right' ? 2 * c : push(near) - (kind === 'half' ? push(far) : 0); // times the other neuron
        gradient[i] = add(gradient[i], w[j], along);
        gradient[j] = add(gradient[j], w[i], along);
      }
    return { value, gradient: gradient.map((g, i) => tangent(w[i], g)) };
  }
  class Flow extends Descent {
    measure(w) {
      const { value, gradient } = measure(w, form);
      const scale = form === 'right' || s === 0 ? 2 / Math.max(1, n - 1) : n / (s * value); // pushes of order one
      return { value: form === 'right' || s === 0 ? value * scale : (n * Math.log(value)) / s,
        g: gradient.map((g, i) => g.map((x) => (i === this.held ? 0 : x * scale))) };
    }
  }
  let flow = new Flow(points, s);

  function numbers() {
    const pairs = (n * (n - 1)) / 2, all = n * (2 * n - 1); // of n neurons, and of 2 n points
    const half = 2 * measure(points, 'half').value + n * power(4);
    let smallest = Math.PI, lines = Math.PI / 2;
    points.forEach((p, i) => points.slice(0, i).forEach((q) => {
      const a = angle(p, q);
      [smallest, lines] = [Math.min(smallest, a), Math.min(lines, a, Math.PI - a)];
    }));
    return { full: measure(points, 'full').value / pairs, half: half / all, smallest: degrees(smallest), lines: degrees(lines),
      right: Math.sqrt(2 * measure(points, 'right').value) };
  }
  function refresh(speak = true) {
    const now = numbers(), mood = settled ? 'settled' : running ? 'flowing' : 'paused';
    const half = now.lines < 0.02 ? 'without bound' : fixed(now.half, 4); // a neuron meets another's opposite
    [fixed(now.full, 4), now.lines < 0.02 ? '∞' : half, fixed(now.right, 3), `${fixed(now.smallest, 1)}°`, `${fixed(now.lines, 1)}°`]
      .forEach((text, i) => tiles.set(i, text));
    if (speak) line.say(`${n} neurons, s = ${s}, driven by ${NAMES[form]}, ${mood}: mean energy ${fixed(now.full, 4)}, with mirror ` +
      `${half}, distance from right angles ${fixed(now.right, 3)}. Closest two neurons ${fixed(now.smallest, 1)} ` +
      `degrees apart, closest two lines ${fixed(now.lines, 1)} degrees.`);
    write(go, running ? 'Pause' : 'Run');
    ball.redraw();
  }
  function changed(w = points) {
    [points, settled, selected] = [w, false, Math.min(selected, w.length - 1)];
    n = w.length;
    flow = new Flow(points, s);
    if (running) start();
    refresh();
  }
  function advance(limit) {
    for (let k = 0, left = limit; k < 12 && left > 0.1 * limit && !settled; k++) {
      const far = flow.step(left);
      settled = far === 0;
      left -= far;
    }
    points = flow.points;
  }
  const start = core.clock(el, (seconds) => {
    if (!running) return false;
    if (calm()) for (let k = 0; k < 60 && !settled; k++) advance(0.5);
    else advance(1.6 * seconds);
    if (settled) running = false;
    refresh(settled);
    return !settled;
  });
  const run = (on = !running) => { running = on; if (on) { settled = false; start(); } refresh(); };

  const kind = select({
    label: 'Penalty', value: 0, choices: Object.values(NAMES).map((words, i) => [i, words]),
    input: (i) => { form = Object.keys(NAMES)[i]; changed(); },
  });
  kind.field.value = Object.keys(NAMES).indexOf(form);
  const exponent = select({
    label: 'Exponent s', value: s, choices: [[0, '0, the logarithm'], [1, '1'], [2, '2, the default of MHE']],
    input: (value) => { s = value; changed(); },
  });
  const count = range({
    label: 'Neurons', min: 2, max: 20, value: n,
    input: (k) => changed([...points.slice(0, k), ...uniform(Math.max(0, k - n), 3, (seed += 1))]),
  });
  const go = button('Run', () => run(), true);
  const shuffle = () => changed(uniform(n, 3, (seed += 1)));
  const tiles = core.tiles(['mean energy', 'with mirror', 'from right angles', 'closest neurons', 'closest lines']);
  const line = core.statusLine();
  const move = (i, p) => changed(points.map((q, j) => (j === i % n ? (i < n ? p : p.map((x) => -x)) : q)));
  const ball = core.sphere(el, core, {
    label: 'Sphere with neurons, and in grey their opposites. Keys: N chooses a neuron, arrows move it or turn the sphere, Space runs.',
    scene: () => ({
      points: form === 'full' ? points : [...points, ...points.map((p) => p.map((x) => -x))], selected,
      colour: (i, colours) => (i >= n ? colours.muted : i === selected ? colours.orange : colours.blue),
    }),
    grabbed: (i) => { selected = i % n; },
    moved: move,
    key: (event, arrow) => {
      if (event.key === ' ') { run(); return true; }
      if (event.key.toLowerCase() === 'n') { selected = (selected + 1) % n; ball.face(points[selected]); refresh(); return true; }
      if (event.key === 'Escape') { selected = -1; refresh(); return true; }
      if (!arrow || selected < 0) return false;
      move(selected, ball.nudge(points[selected], arrow, event.shiftKey ? 0.02 : 0.09));
      return true;
    },
  });
  core.layout(el, [ball.node], [
    kind.node, exponent.node, count.node, core.h('div', { className: 'hpn-row' }, go, button('Shuffle', shuffle)), tiles.node, line.node,
    core.hint('Grey, where they count: the opposites. Drag a neuron, or choose it with ', ['N'], ' and move it with the ', ['arrows'], '.'),
  ]);
  refresh();

  return { state: () => ({ n, s, form, points, running, settled, selected, ...numbers() }) };
}
