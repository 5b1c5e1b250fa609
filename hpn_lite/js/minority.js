// Minority collapse without a net: one output for each of six classes, free within a disc, and a softmax classifier that
// is learnt, in the plane. Some classes are rare. Beside it the same outputs under fixed prototypes and a pull-only loss.

const CLASSES = 6, RADIUS = 3, DECAY = 0.005, RATE = 0.5, PER_FRAME = 10, TOLD = 0.01;
const SIZES = [0.1, 0.2, 0.5, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100];

export function mount(el, options, core) {
  const { add, angle, button, degrees, dot, fixed, normalize, range } = core;
  const classes = Array.from({ length: CLASSES }, (_, k) => k);
  const prototypes = classes.map((k) => [Math.cos((2 * Math.PI * k) / CLASSES), Math.sin((2 * Math.PI * k) / CLASSES)]);
  const last = options.steps;
  let { rare, size, seed } = options, step = 0, running = false, vectors, learnt, pulled, now;

  function begin() { // outputs of half the radius, short class vectors; both columns begin with the same outputs
    const uniform = core.random(seed), normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    const draw = () => classes.map(() => [normal(), normal()]);
    learnt = draw().map((z) => normalize(z).map((x) => (RADIUS / 2) * x));
    vectors = draw().map((w) => w.map((x) => x / 2));
    pulled = learnt;
    step = 0;
  }
  const shares = () => { // of all examples
    const weight = classes.map((k) => (k < rare ? size / 100 : 1)), sum = weight.reduce((a, b) => a + b, 0);
    return weight.map((v) => v / sum);
  };
  const inside = (z) => { const length = Math.hypot(...z); return length > RADIUS ? z.map((x) => (RADIUS * x) / length) : z; };
  function advance() { // gradient descent: every output on its own loss, the class vectors on the mean over all examples
    const share = shares(), slope = vectors.map((w) => w.map((x) => DECAY * x));
    learnt = learnt.map((z, k) => {
      const scores = vectors.map((w) => dot(w, z)), top = Math.max(...scores), e = scores.map((v) => Math.exp(v - top));
      const sum = e.reduce((a, b) => a + b, 0), back = [0, 0];
      e.forEach((v, j) => {
        const push = v / sum - (j === k ? 1 : 0); // p_j - [j = k]
        for (let c = 0; c < 2; c++) { slope[j][c] += share[k] * push * z[c]; back[c] += push * vectors[j][c]; }
      });
      return inside(add(z, back, -RATE));
    });
    vectors = vectors.map((w, j) => add(w, slope[j], -RATE));
    pulled = pulled.map((z, k) => { // (1 - cos)^2
      const u = normalize(z), c = dot(u, prototypes[k]), length = Math.hypot(...z);
      return inside(add(z, add(u.map((x) => c * x), prototypes[k], -1), (-RATE * 2 * (1 - c)) / length));
    });
    step += 1;
  }
  function measure() {
    const leads = (outputs, w) => outputs.map((z, k) => { // of the own score over the best other one
      const scores = w.map((v) => dot(v, z));
      return scores[k] - Math.max(...scores.filter((_, j) => j !== k));
    });
    const pairs = classes.flatMap((i) => classes.filter((j) => j < i && i < rare).map((j) => [i, j]));
    const closest = (w) => degrees(Math.min(...pairs.map(([i, j]) => angle(normalize(w[i]), normalize(w[j])))));
    const length = vectors.map((w) => Math.hypot(...w)), mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
    const told = (list) => list.filter((v) => v > TOLD).length;
    now = {
      closest: closest(vectors), fixedClosest: closest(prototypes), length: mean(length.slice(0, rare)) / mean(length.slice(rare)),
      leads: leads(learnt, vectors), fixedLeads: leads(pulled.map(normalize), prototypes),
    };
    now.told = told(now.leads);
    now.fixedTold = told(now.fixedLeads);
  }
  function refresh(speak = true) {
    measure();
    [`${fixed(now.closest, 1)}°`, fixed(now.length, 2), `${now.told} of ${CLASSES}`, `${fixed(now.fixedClosest, 1)}°`, `${now.fixedTold} of ${CLASSES}`]
      .forEach((text, i) => tiles.set(i, text));
    core.write(go, running ? 'Pause' : step >= last ? 'Replay' : 'Run');
    if (speak) line.say(`${rare} of ${CLASSES} classes are rare, each with ${size}% of a frequent class's examples. Step ${step} of ${last}. ` +
      `Learnt: the closest two rare class vectors are ${fixed(now.closest, 1)} degrees apart and ${fixed(now.length, 2)} times as long as ` +
      `frequent ones; ${now.told} of ${CLASSES} classes are told apart. ` +
      `Fixed: ${fixed(now.fixedClosest, 1)} degrees, ${now.fixedTold} of ${CLASSES}.`);
    board.redraw();
  }
  function train() { running = false; begin(); while (step < last) advance(); refresh(); }
  const tick = core.clock(el, () => {
    if (!running) return false;
    for (let i = 0; i < PER_FRAME && step < last; i++) advance();
    running = step < last;
    refresh(!running);
    return running;
  });
  const toggle = () => {
    if (core.calm()) return train(); // no film: the end at once
    if (step >= last) begin();
    running = !running;
    if (running) tick();
    refresh();
  };
  const ten = () => {
    running = false;
    if (step >= last) begin();
    for (let i = 0; i < 10 && step < last; i++) advance();
    refresh();
  };

  // Arrows are class vectors, dots outputs with the name of their class; names of outputs that coincide stand in a column.
  function panel(pen, left, side, colours, title, w, outputs, reach) {
    const middle = [left + side / 2, side / 2 + 20], unit = 0.36 * side, size = Math.max(11, side / 20);
    const at = ([x, y], scale) => [middle[0] + scale * x, middle[1] - scale * y];
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillStyle = colours.muted;
    pen.font = `${size}px system-ui, sans-serif`;
    pen.fillText(title, middle[0], 10);
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.arc(...middle, unit, 0, 7);
    pen.stroke();
    for (const k of [...classes].reverse()) { // rare ones last, on top
      const colour = k < rare ? colours.orange : colours.blue, [x, y] = at(w[k], (0.75 * unit) / reach), u = normalize(w[k]);
      pen.strokeStyle = pen.fillStyle = colour;
      pen.lineWidth = k < rare ? 3.5 : 2;
      pen.beginPath();
      pen.moveTo(...middle);
      pen.lineTo(x, y);
      for (const s of [1, -1]) { pen.moveTo(x, y); pen.lineTo(x - 8 * u[0] - s * 5 * u[1], y + 8 * u[1] - s * 5 * u[0]); }
      pen.stroke();
      const z = at(outputs[k], unit / RADIUS), out = normalize(outputs[k]);
      const before = outputs.filter((v, j) => j < k && Math.hypot(...add(v, outputs[k], -1)) < 0.5).length;
      pen.beginPath();
      pen.arc(...z, Math.max(3.5, side / 60), 0, 7);
      pen.fill();
      pen.font = `600 ${size}px system-ui, sans-serif`;
      const shift = 1.1 * size, column = (out[1] > 0 ? -1.05 : 1.05) * size * before;
      pen.fillText(k < rare ? `r${k + 1}` : k - rare + 1, z[0] + shift * out[0], z[1] - shift * out[1] + column);
    }
  }
  const board = core.canvas(el, {
    aspect: 1.85,
    label: 'Two discs. In each, six outputs as dots and six class vectors as arrows, rare classes in orange with names r1, r2 and so on: ' +
      'on the left the classifier is learnt, on the right the prototypes are fixed. The status says the numbers.',
    draw: (pen, width, height, colours) => {
      const side = Math.min(width / 2, height - 22), longest = Math.max(...vectors.map((w) => Math.hypot(...w)));
      panel(pen, width / 4 - side / 2, side, colours, 'learnt, cross-entropy', vectors, learnt, longest);
      panel(pen, (3 * width) / 4 - side / 2, side, colours, 'fixed, pull-only', prototypes, pulled.map((z) => normalize(z).map((x) => RADIUS * x)), 1); // this loss sees directions alone
    },
  });
  const amount = range({
    label: 'Size of a rare class', min: 0, max: SIZES.length - 1, value: SIZES.indexOf(size), show: (i) => `${SIZES[i]}% of a frequent one`,
    input: (i) => { size = SIZES[i]; train(); },
  });
  const count = range({ label: 'Rare classes', min: 2, max: 4, value: rare, show: (v) => `${v} of ${CLASSES}`, input: (v) => { rare = v; train(); } });
  const go = button('Replay', toggle, true);
  const tiles = core.tiles(['learnt: rare vectors apart', 'rare length / frequent', 'learnt: told apart', 'fixed: rare apart', 'fixed: told apart']);
  const line = core.statusLine();
  core.layout(el, [board.node], [
    amount.node, count.node,
    core.h('div', { className: 'hpn-row' }, go, button('Ten steps', ten), button('Another start', () => { seed += 1; train(); })),
    tiles.node, line.node,
  ], 'hpn-wide');
  train();

  return { state: () => ({ rare, size, seed, step, running, shares: shares(), vectors, learnt, pulled, prototypes, ...now }) };
}
