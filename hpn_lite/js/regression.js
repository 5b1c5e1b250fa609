// Regression on the sphere: two poles are the bounds, a target value is a circle of equal cosine, and one output walks
// down the loss (r - cos)^2 along its meridian. `measure` is the twin of hpn_lite.losses.squared_difference.

const UP = [0, 0, 1]; // the pole of the upper bound

// z: any nonzero vector; r: the target's cosine. The gradient is that of the loss in R^3, so it shrinks as 1 / ||z||.
export function measure({ add, dot, normalize }, z, r) {
  const length = Math.sqrt(dot(z, z)), x = normalize(z), cosine = dot(x, UP), miss = r - cosine;
  const gradient = add(UP, x, -cosine).map((v) => (-2 * miss * v) / length); // -2 (r - c) (p - c x) / ||z||
  return { length, cosine, loss: miss * miss, gradient, slope: Math.sqrt(dot(gradient, gradient)) };
}

export function mount(el, options, core) {
  const { add, button, calm, fixed, normalize, range, write } = core;
  const { low, high, unit } = options, start = normalize(options.output);
  let value = options.value, rate = options.rate, z = start.map((x) => x * options.length), seed = 0;
  let steps = 0, trail = [], running = false, wait = 0;
  const toCosine = (y) => (2 * (y - low)) / (high - low) - 1, fromCosine = (c) => low + ((c + 1) * (high - low)) / 2;

  const numbers = () => {
    const target = toCosine(value), now = measure(core, z, target);
    return { target, ...now, predicted: fromCosine(now.cosine) };
  };
  const near = (p) => 1 - Math.abs(p) < 1e-9; // at a pole
  const done = ({ loss, slope }) => loss < 1e-10 || slope < 1e-7;

  // ---------------------------------------------------------------- what the page says
  const amount = (y) => `${fixed(y, 1)} ${unit}`.trim(), bound = (y) => `${y} ${unit}`.trim();
  function words() {
    const { target, cosine, loss, slope, predicted, length } = numbers(), off = predicted - value;
    const place = near(target) ? 'a single point, a pole' : `the circle of cosine ${fixed(target, 4)}`;
    const error = Math.abs(off) < 0.05 ? 'which is right' : `${amount(Math.abs(off))} too ${off > 0 ? 'much' : 'little'}`;
    const stuck = near(cosine) && loss > 1e-10, pull = cosine > target ? 'lower' : 'upper';
    const push = stuck ? 'The output sits on a pole: no gradient, though the loss is not zero.'
      : loss < 1e-10 ? 'Nothing left to pull.' : `It pulls towards the ${pull} pole.`;
    return `Target ${amount(value)}: ${place}. The output, of length ${fixed(length, 2)}, has cosine ${fixed(cosine, 4)} ` +
      `and predicts ${amount(predicted)}, ${error}. Loss ${fixed(loss, 4)}, gradient ${fixed(slope, 4)}. ${push} ` +
      `${steps} step${steps === 1 ? '' : 's'} taken.`;
  }
  function refresh() {
    const { target, cosine, loss, slope, predicted, length } = numbers();
    tiles.set(0, fixed(target, 4));
    tiles.set(1, fixed(cosine, 4));
    tiles.set(2, fixed(predicted, 1), Math.abs(predicted - value) < 0.05);
    tiles.set(3, fixed(loss, 4));
    tiles.set(4, fixed(slope, 4));
    tiles.set(5, fixed(length, 2));
    aim.value = value;
    size.value = Math.min(4, length);
    write(go, running ? 'Stop' : 'Walk down');
    ball.name(`Sphere with the upper bound ${bound(high)} at the top and the lower bound ${bound(low)} at the bottom. ` +
      'The arrow keys move the output; with Shift they turn the sphere.');
    line.say(words());
    ball.redraw();
    graph.redraw();
  }

  // ---------------------------------------------------------------- what one can do
  const halt = () => { running = false; };
  const place = (x) => { halt(); const { length } = numbers(); z = x.map((v) => v * length); steps = 0; trail = []; refresh(); };
  const stretch = (length) => { halt(); z = normalize(z).map((v) => v * length); steps = 0; refresh(); };
  function step() {
    const { gradient } = numbers();
    trail = [...trail.slice(-400), normalize(z)];
    z = add(z, gradient, -rate);
    steps += 1;
  }
  const walk = () => {
    running = !running && !done(numbers());
    wait = 0;
    if (running && calm()) { for (let k = 0; k < 2000 && !done(numbers()); k++) step(); running = false; } // no film
    if (running) tick();
    refresh();
  };
  const tick = core.clock(el, (seconds) => {
    if (!running) return false;
    if ((wait -= seconds) > 0) return true;
    wait = 0.12;
    step();
    if (done(numbers()) || steps >= 2000) running = false;
    refresh();
    return running;
  });
  const shuffle = () => { seed += 1; place(core.uniform(1, 3, seed)[0]); ball.face(normalize(z)); };

  // ---------------------------------------------------------------- the page
  const aim = range({
    label: 'Target value', min: low, max: high, step: options.grid, value, show: (y) => `${+y.toFixed(6)} ${unit}`.trim(),
    input: (y) => { halt(); value = y; steps = 0; trail = []; refresh(); },
  });
  const size = range({
    label: 'Length of the output', min: 0.5, max: 4, step: 0.1, value: options.length, show: (v) => fixed(v, 1), input: stretch,
  });
  const pace = range({
    label: 'Step size', min: 0.1, max: 2, step: 0.1, value: rate, show: (v) => fixed(v, 1), input: (v) => { rate = v; refresh(); },
  });
  const go = button('Walk down', walk, true);
  const tiles = core.tiles(['target cosine r', 'cosine c', unit ? `predicted ${unit}` : 'predicted', 'loss (r − c)²', 'length of gradient', 'length of output']);
  const line = core.statusLine();
  const ball = core.sphere(el, core, {
    label: 'Sphere',
    scene: () => {
      over.redraw(); // the circle, the arrow and the trail lie on a second canvas, and turn with the ball
      return { points: [UP, [0, 0, -1], normalize(z)], colour: (i, c) => (i === 2 ? c.orange : c.ink) };
    },
    grabbed: (i) => { if (i === 2) { halt(); refresh(); } },
    moved: (i, p) => { if (i === 2) place(p); },
    key: (event, arrow) => {
      if (event.key === 'Enter') { halt(); step(); refresh(); return true; }
      if (!arrow || event.shiftKey) return false;
      place(ball.nudge(normalize(z), arrow, 0.05));
      ball.face(normalize(z));
      return true;
    },
  });
  const over = core.canvas(el, {
    label: '', role: 'presentation', 'aria-hidden': 'true',
    draw: (pen, width, _, colours) => {
      const { axes, radius } = ball.view(), { target, gradient, slope } = numbers();
      const seen = (p) => axes.map((axis) => core.dot(axis, p)), pixel = ([x, y]) => [width / 2 + radius * x, width / 2 - radius * y];
      const curve = (points, colour, weight, alpha = 1) => {
        for (const [side, shown, dash] of [[-1, 0.45 * alpha, [3, 4]], [1, alpha, []]]) { // what lies behind is dashed
          pen.globalAlpha = shown;
          pen.strokeStyle = colour;
          pen.lineWidth = weight;
          pen.setLineDash(dash);
          pen.beginPath();
          points.map(seen).forEach((p, i, all) => {
            if (!i || p[2] * side < 0) return;
            pen.moveTo(...pixel(all[i - 1]));
            pen.lineTo(...pixel(p));
          });
          pen.stroke();
        }
        pen.setLineDash([]);
        pen.globalAlpha = 1;
      };
      const x = normalize(z), flat = Math.sqrt(Math.max(0, 1 - target * target));
      const along = Math.hypot(x[0], x[1]), [mx, my] = along > 1e-9 ? [x[0] / along, x[1] / along] : [1, 0];
      curve(Array.from({ length: 61 }, (_, i) => (Math.PI * i) / 60).map((a) => [mx * Math.sin(a), my * Math.sin(a), Math.cos(a)]), colours.muted, 1.4, 0.8);
      curve(Array.from({ length: 121 }, (_, i) => (Math.PI * i) / 60).map((a) => [flat * Math.cos(a), flat * Math.sin(a), target]), colours.green, 3.2);
      if (flat < 0.05) { // the circle has shrunk to a pole
        pen.strokeStyle = colours.green;
        pen.lineWidth = 3;
        pen.beginPath();
        pen.arc(...pixel(seen([0, 0, target])), 13, 0, 7);
        pen.stroke();
      }
      trail.forEach((p) => {
        const v = seen(p);
        pen.globalAlpha = v[2] > 0 ? 0.7 : 0.25;
        pen.fillStyle = colours.orange;
        pen.beginPath();
        pen.arc(...pixel(v), 3, 0, 7);
        pen.fill();
      });
      pen.globalAlpha = 1;
      if (slope > 1e-3) { // where the next step would lead, at most a sixth of a turn
        const far = Math.min(1, rate * slope / Math.sqrt(core.dot(z, z))), way = normalize(gradient.map((v) => -v));
        const arc = Array.from({ length: 25 }, (_, i) => (far * i) / 24).map((a) => add(x.map((v) => v * Math.cos(a)), way, Math.sin(a)));
        curve(arc, colours.orange, 4);
        const end = seen(arc[24]), before = seen(arc[20]), [ax, ay] = pixel(end), angle = Math.atan2(-(end[1] - before[1]), end[0] - before[0]);
        pen.globalAlpha = end[2] > 0 ? 1 : 0.45;
        pen.fillStyle = colours.orange;
        pen.beginPath();
        for (const [a, r] of [[0, 9], [2.5, 9], [-2.5, 9]]) pen.lineTo(ax + r * Math.cos(angle + a), ay + r * Math.sin(angle + a));
        pen.fill();
        pen.globalAlpha = 1;
      }
      pen.font = `600 ${Math.max(12, width / 30)}px system-ui, sans-serif`;
      pen.textAlign = 'center';
      pen.textBaseline = 'middle';
      for (const [p, text] of [[UP, bound(high)], [[0, 0, -1], bound(low)]]) {
        const v = seen(p), [px, py] = pixel(v);
        pen.globalAlpha = v[2] > 0 ? 1 : 0.6;
        pen.lineWidth = 4;
        pen.strokeStyle = colours.ball;
        pen.strokeText(text, px, py + (v[1] > 0 ? 20 : -20));
        pen.fillStyle = colours.ink;
        pen.fillText(text, px, py + (v[1] > 0 ? 20 : -20));
      }
      pen.globalAlpha = 1;
    },
  });
  over.node.style.cssText += ';position:absolute;inset:0;pointer-events:none';
  const graph = core.canvas(el, {
    aspect: 2.3,
    label: 'The loss along the meridian of the output, from the upper pole on the left to the lower pole on the right, with the output as a dot.',
    draw: (pen, width, height, colours) => {
      const { target, cosine, loss } = numbers(), top = (1 + Math.abs(target)) ** 2, at = Math.acos(Math.min(1, Math.max(-1, cosine)));
      const px = (a) => 14 + ((width - 28) * a) / Math.PI, py = (f) => height - 24 - ((height - 40) * f) / top;
      pen.font = '12px system-ui, sans-serif';
      pen.fillStyle = pen.strokeStyle = colours.muted;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(px(0), py(0));
      pen.lineTo(px(Math.PI), py(0));
      pen.stroke();
      pen.textAlign = 'left';
      pen.fillText(bound(high), px(0), height - 8);
      pen.textAlign = 'right';
      pen.fillText(bound(low), px(Math.PI), height - 8);
      pen.textAlign = 'center';
      pen.fillText('loss along the meridian', width / 2, 12);
      pen.strokeStyle = colours.blue;
      pen.lineWidth = 2.2;
      pen.beginPath();
      for (let i = 0; i <= 120; i++) pen.lineTo(px((Math.PI * i) / 120), py((target - Math.cos((Math.PI * i) / 120)) ** 2));
      pen.stroke();
      pen.strokeStyle = colours.green;
      pen.setLineDash([4, 3]);
      pen.beginPath();
      pen.moveTo(px(Math.acos(target)), py(0) + 4);
      pen.lineTo(px(Math.acos(target)), 22);
      pen.stroke();
      pen.setLineDash([]);
      pen.fillStyle = colours.orange;
      pen.beginPath();
      pen.arc(px(at), py(loss), 6, 0, 7);
      pen.fill();
    },
  });
  const stage = core.h('div', { style: 'position:relative' }, ball.node, over.node);
  core.layout(el, [stage, graph.node], [
    aim.node,
    core.h('div', { className: 'hpn-row' }, go, button('One step', () => { halt(); step(); refresh(); }), button('New output', shuffle),
      button('To the upper pole', () => place(UP))),
    size.node, pace.node, tiles.node, line.node,
    core.hint('Drag the orange output, or move it with the arrow keys on the sphere; ', ['Enter'], ' takes a step. Drag beside it, or use ',
      ['Shift'], ' and the arrows, to turn the sphere.'),
  ]);
  refresh();
  return { state: () => ({ value, low, high, rate, z, steps, running, ...numbers(), view: ball.view() }) };
}
