// Two tasks, one sphere: class prototypes on the equator, values along the vertical axis. On the left the output on the
// sphere, on the right the same output as (class cosine, height) in the unit disc, where the joint loss with weight 1 is
// the squared distance to the point (1, r). Values go from 0 to 180 degrees, r = value / 90 - 1.

// The losses of one output u: class cosine c with the prototype p, height h, and the joint loss (1 - c)^2 + w (h - r)^2,
// as hpn_lite.losses.joint has it, w being its regression_weight.
export function losses(core, u, p, r, w) {
  const c = core.dot(u, p), h = u[2], ofClass = (1 - c) ** 2, ofValue = (h - r) ** 2;
  return { c, h, ofClass, ofValue, total: ofClass + w * ofValue };
}

// Its gradient along the sphere.
export const gradient = (core, u, p, r, w) =>
  core.tangent(u, core.add(p.map((x) => 2 * (core.dot(u, p) - 1) * x), [0, 0, 1], 2 * w * (u[2] - r)));

// The r for which a latitude is the best one: w r = (w - 1) sin + tan.
const asked = (latitude, w) => ((w - 1) * Math.sin(latitude) + Math.tan(latitude)) / w;
export const corrected = (h, w) => Math.max(-1, Math.min(1, asked(Math.asin(Math.max(-1, Math.min(1, h))), w)));

// The height of the best output, by bisection: `asked` rises with the latitude.
export function bestHeight(r, w) {
  let low = -Math.PI / 2, high = Math.PI / 2;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (asked(middle, w) < r) low = middle; else high = middle;
  }
  return Math.sin((low + high) / 2);
}

export function mount(el, options, core) {
  const { add, button, calm, dot, fixed, h: node, normalize, range, select, uniform } = core;
  const { names, weights } = options, k = names.length, STEP = 0.3;
  let { label, value, weight, seed } = options, output = uniform(1, 3, seed)[0], moving = false, steps = 0;
  const prototypes = names.map((_, i) => [Math.cos((2 * Math.PI * i) / k), Math.sin((2 * Math.PI * i) / k), 0]);

  // ---------------------------------------------------------------- the numbers
  const target = () => value / 90 - 1;
  const degreesOf = (r) => 90 * (r + 1);
  const best = () => {
    const h = bestHeight(target(), weight), c = Math.sqrt(1 - h * h);
    return [...prototypes[label].slice(0, 2).map((x) => c * x), h];
  };
  function numbers() {
    const r = target(), now = losses(core, output, prototypes[label], r, weight), minimiser = best();
    const cosines = prototypes.map((p) => dot(output, p));
    return {
      r, ...now, least: losses(core, minimiser, prototypes[label], r, weight).total, minimiser,
      predicted: cosines.indexOf(Math.max(...cosines)), read: degreesOf(now.h), mended: degreesOf(corrected(now.h, weight)),
    };
  }
  function words() {
    const { ofClass, ofValue, total, least, predicted, read, mended } = numbers();
    return `Asked: class ${names[label]}, value ${value} degrees, weight ${weight}. Class loss ${fixed(ofClass, 4)}, ` +
      `value loss ${fixed(ofValue, 4)}, together ${fixed(total, 4)}; the least possible is ${fixed(least, 4)}. ` +
      `Read off: class ${names[predicted]}, value ${fixed(read, 1)} degrees, corrected ${fixed(mended, 1)}` +
      `${moving ? ', descending' : ''}.`;
  }
  function refresh({ speak = true } = {}) {
    const { ofClass, ofValue, total, least, predicted, read, mended } = numbers();
    [fixed(ofClass, 4), fixed(ofValue, 4), fixed(total, 4), fixed(least, 4)].forEach((text, i) => tiles.set(i, text));
    tiles.set(4, names[predicted], predicted === label);
    tiles.set(5, `${fixed(read, 1)}°`, Math.abs(read - value) < 0.05);
    tiles.set(6, `${fixed(mended, 1)}°`, Math.abs(mended - value) < 0.05);
    core.write(go, moving ? 'Stop' : 'Descend');
    if (speak) line.say(words());
    ball.redraw();
    section.redraw();
  }

  // ---------------------------------------------------------------- what one can do
  const ask = (change) => { change(); steps = 0; if (moving) start(); refresh(); };
  const put = (u) => { output = u; moving = false; refresh(); };
  function step(size = STEP) { // against the gradient, and back onto the sphere; returns the length of the gradient
    const g = gradient(core, output, prototypes[label], target(), weight);
    output = normalize(add(output, g, -size / Math.max(1, weight))); // a large weight would overshoot
    return Math.hypot(...g);
  }
  const single = () => { moving = false; step(); refresh(); };
  const shuffle = () => { seed += 1; steps = 0; [output] = uniform(1, 3, seed); if (moving) start(); refresh(); };
  const descend = () => { moving = !moving; steps = 0; if (moving) start(); refresh(); };
  const start = core.clock(el, (seconds) => { // at an even pace, so that the flat end of the way does not take minutes
    const most = calm() ? 20000 : 30, far = calm() ? Infinity : 1.2 * seconds; // reduced motion: no film, the end at once
    for (let i = 0, gone = 0; moving && i < most && gone < far; i++) {
      const before = output, slope = step(Math.min(STEP, (far - gone) / 2));
      gone += core.angle(before, output);
      moving = slope > 1e-4 && ++steps < 20000;
    }
    refresh({ speak: !moving });
    return moving;
  });

  // ---------------------------------------------------------------- the page
  const ball = core.sphere(el, core, {
    label: 'Sphere with the class prototypes on the equator, the best output in green and the output in orange. ' +
      'Arrow keys move the output, Shift and arrow keys turn the sphere.',
    scene: () => {
      const ring = Array.from({ length: 48 }, (_, i) => (2 * Math.PI * i) / 48), r = target(), flat = Math.sqrt(1 - r * r);
      return {
        points: [...prototypes, best(), output], selected: k + 1,
        lines: [ring.concat(0).map((a) => [flat * Math.cos(a), flat * Math.sin(a), r])],
        colour: (i, colours) => (i === k + 1 ? colours.orange : i === k ? colours.green : i === label ? colours.blue : colours.muted),
      };
    },
    moved: (i, p) => { if (i === k + 1) put(p); },
    tapped: (i, p) => { if (i >= 0 && i < k) ask(() => { label = i; which.field.value = i; }); else put(p); },
    key: (event, arrow) => {
      if (event.key === ' ') { descend(); return true; }
      if (!arrow || event.shiftKey) return false; // with Shift the ball turns
      put(ball.nudge(output, arrow, 0.05));
      ball.face(output);
      return true;
    },
  });
  const section = core.canvas(el, {
    aspect: 1.35,
    label: 'The unit disc of class cosine and height, with the point asked for on the line where the class cosine is 1, the best ' +
      'output on the rim and the output; the status says the numbers.',
    draw: (pen, width, height, colours) => {
      const size = height / 2.5, X = (c) => width * 0.4 + size * c, Y = (h) => height / 2 - size * h;
      const { r, c, h, minimiser, least } = numbers(), b = [dot(minimiser, prototypes[label]), minimiser[2]];
      const path = (points, colour, thick = 1, dash = []) => {
        pen.strokeStyle = colour;
        pen.lineWidth = thick;
        pen.setLineDash(dash);
        pen.beginPath();
        points.forEach(([x, y]) => pen.lineTo(X(x), Y(y)));
        pen.stroke();
        pen.setLineDash([]);
      };
      const round = (x, y, a, b = a) => Array.from({ length: 97 }, (_, i) => [x + a * Math.cos((i * Math.PI) / 48), y + b * Math.sin((i * Math.PI) / 48)]);
      const dot2 = (x, y, colour, radius) => {
        pen.fillStyle = colour;
        pen.strokeStyle = colours.paper;
        pen.lineWidth = 1.5;
        pen.beginPath();
        pen.arc(X(x), Y(y), radius, 0, 7);
        pen.fill();
        pen.stroke();
      };
      const say = (text, x, y, align = 'left', colour = colours.muted) => {
        pen.textAlign = align;
        pen.fillStyle = colour;
        pen.font = '13px system-ui, sans-serif';
        pen.fillText(text, x, y);
      };
      pen.fillStyle = colours.shade;
      pen.beginPath();
      round(0, 0, 1).forEach(([x, y]) => pen.lineTo(X(x), Y(y)));
      pen.fill();
      path(round(0, 0, 1), colours.muted);
      path([[-1, 0], [1, 0]], colours.line);
      path([[0, -1], [0, 1]], colours.line);
      path([[1, -1.12], [1, 1.12]], colours.muted, 1, [4, 4]);
      // the level lines through the best output and the output
      for (const loss of [least, (1 - c) ** 2 + weight * (h - r) ** 2])
        path(round(1, r, Math.sqrt(loss), Math.sqrt(loss / weight)), colours.green, 1);
      path([[0, 0], [1, r]], colours.ink, 1, [2, 3]);
      dot2(1, r, colours.ink, 5);
      dot2(...b, colours.green, 6.5);
      dot2(c, h, colours.orange, 6.5);
      const right = X(1) + 12;
      say('asked for', right, Y(r) + 4, 'left', colours.ink);
      say('class cosine', X(-0.96), Y(0) - 5);
      say('height', X(0.04), Y(0.9));
      say('c = 1', X(1) + 6, Y(-1.12));
    },
  });
  const which = select({ label: 'Class asked for', choices: names.map((name, i) => [i, name]), value: label, input: (i) => ask(() => { label = i; }) });
  const amount = range({ label: 'Value asked for', min: 0, max: 180, value, show: (v) => `${v} degrees`, input: (v) => ask(() => { value = v; }) });
  const share = range({
    label: 'Weight of the value loss', min: 0, max: weights.length - 1, value: weights.indexOf(weight),
    show: (i) => String(weights[i]), input: (i) => ask(() => { weight = weights[i]; }),
  });
  const go = button('Descend', descend, true);
  const tiles = core.tiles(['class loss', 'value loss', 'together', 'least possible', 'class read', 'value read', 'value corrected']);
  const line = core.statusLine();
  core.layout(el, [ball.node, section.node], [
    which.node, amount.node, share.node,
    node('div', { className: 'hpn-row' }, go, button('One step', single), button('Shuffle', shuffle)),
    tiles.node, line.node,
    core.hint('Drag the orange output, or tap where it should go; tap a prototype to ask for its class. On the sphere, keys: ',
      ['arrows'], ' move the output, ', ['Shift'], ' + ', ['arrows'], ' turn, ', ['Space'], ' descends.'),
  ]);
  refresh();
  const plain = () => ({ names, label, value, weight, seed, output, moving, prototypes });
  return { state: () => ({ ...plain(), ...numbers(), view: ball.view() }) };
}
