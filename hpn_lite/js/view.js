// What a lab is made of on the page: native labelled controls, live numbers, a status in words, a canvas that follows the
// theme, and a sphere that can be turned with mouse, finger or arrow keys. hpn_lite.labs hands this file and sphere.js,
// as one object `core`, to the lab's mount(el, options, core).

// ---------------------------------------------------------------- elements and controls
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props))
    if (typeof value === 'function') node.addEventListener(key.slice(2), value); // onclick -> click
    else if (key === 'className' || key === 'textContent' || key === 'disabled') node[key] = value;
    else node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export const write = (node, text) => { if (node.textContent !== text) node.textContent = text; }; // no needless changes

export function button(label, onclick, main = false) {
  return h('button', { type: 'button', onclick, className: main ? 'hpn-primary' : '' }, label);
}

// A slider with its value beside the label; `show` words the value, for eyes and for screen readers alike.
export function range({ label, min, max, step = 1, value, show = String, input }) {
  const shown = h('span', { className: 'hpn-value', 'aria-hidden': 'true' });
  const field = h('input', { type: 'range', min, max, step, value, oninput: () => { words(); input(+field.value); } });
  const words = () => { shown.textContent = show(+field.value); field.setAttribute('aria-valuetext', show(+field.value)); };
  words();
  const node = h('label', { className: 'hpn-field' }, h('span', {}, label), shown, field);
  return { node, field, get value() { return +field.value; }, set value(v) { field.value = v; words(); } };
}

export function select({ label, choices, value, input }) { // choices: [[value, words], ...]
  const options = choices.map(([v, words]) => h('option', { value: v }, words));
  const field = h('select', { onchange: () => input(+field.value) }, ...options);
  field.value = value;
  return { node: h('label', { className: 'hpn-field' }, h('span', {}, label), field), field };
}

export function checkbox({ label, checked, input }) {
  const field = h('input', { type: 'checkbox', onchange: () => input(field.checked) });
  field.checked = checked;
  return { node: h('label', { className: 'hpn-check' }, field, label), field };
}

export function tiles(names) { // live numbers for the eye; the status line says the same in words
  const cells = names.map((name) => h('div', { className: 'hpn-tile' }, h('span', {}, name), h('b', {}, '–')));
  const set = (i, text, good = false) => {
    write(cells[i].lastChild, text);
    cells[i].classList.toggle('hpn-good', good);
  };
  return { node: h('div', { className: 'hpn-tiles hpn-all' }, ...cells), set };
}

// A polite live region. A screen reader reads every change aloud, so changes that follow each other quickly (a slider
// being pulled) are gathered: the last one is said when the hand has rested.
export function statusLine() {
  const node = h('p', { className: 'hpn-status hpn-all', role: 'status', 'aria-live': 'polite' });
  let timer = 0;
  const say = (text, wait = 250) => { clearTimeout(timer); timer = setTimeout(() => write(node, text), wait); };
  return { node, say };
}

export function layout(el, stage, panel, style = '') { // style: 'hpn-wide' puts the panel below, 'hpn-middle' centres it
  el.append(h('div', { className: `hpn-grid ${style}` },
    h('div', { className: 'hpn-stage' }, ...stage), h('div', { className: 'hpn-panel' }, ...panel)));
}

export const hint = (...parts) => // words and keys: hint('Press ', ['N'], ' for the next point')
  h('p', { className: 'hpn-hint hpn-all' }, ...parts.map((part) => (Array.isArray(part) ? h('kbd', {}, part[0]) : part)));

export const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
export const fixed = (x, digits) => // a number in words: no -0.00, and no row of twenty digits
  (Math.abs(x) < 1e7 ? x.toFixed(digits) : x.toExponential(digits)).replace(/^-(0(\.0*)?)$/, '$1');
export const degrees = (radians) => (radians * 180) / Math.PI;

// ---------------------------------------------------------------- theme, canvas, time
const COLOURS = ['ink', 'muted', 'paper', 'line', 'blue', 'orange', 'green', 'ball', 'shade'];

// Follows the book's switch (data-theme on <html>), JupyterLab's, Colab's, or the system's. Colours come from CSS.
export function theme(el, changed) {
  const system = matchMedia('(prefers-color-scheme: dark)'), colours = {};
  const read = () => {
    const { documentElement: root, body } = document;
    const jupyter = { true: 'light', false: 'dark' }[body.dataset.jpThemeLight];
    const named = [root.dataset.theme, jupyter, root.getAttribute('theme')].find((x) => x === 'light' || x === 'dark');
    el.dataset.mode = named || (system.matches ? 'dark' : 'light');
    const css = getComputedStyle(el);
    for (const name of COLOURS) colours[name] = css.getPropertyValue(`--lab-${name}`).trim();
    changed();
  };
  const watch = new MutationObserver(read);
  for (const node of [document.documentElement, document.body])
    watch.observe(node, { attributes: true, attributeFilter: ['data-theme', 'theme', 'data-jp-theme-light'] });
  system.addEventListener('change', read);
  read();
  return colours;
}

// A canvas as sharp as the screen; `draw(pen, width, height, colours)` runs at most once per frame, after redraw().
export function canvas(el, { aspect = 1, label, draw, ...props }) {
  const node = h('canvas', { role: 'img', 'aria-label': label, ...props }), pen = node.getContext('2d');
  node.style.aspectRatio = aspect;
  let frame = 0;
  const paint = () => {
    frame = 0;
    const { clientWidth: width, clientHeight: height } = node, sharp = Math.min(devicePixelRatio || 1, 3);
    if (!width) return;
    if (node.width !== Math.round(width * sharp) || node.height !== Math.round(height * sharp))
      [node.width, node.height] = [Math.round(width * sharp), Math.round(height * sharp)];
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    pen.clearRect(0, 0, width, height);
    draw(pen, width, height, colours);
  };
  const redraw = () => { frame ||= requestAnimationFrame(paint); };
  const colours = theme(el, redraw);
  new ResizeObserver(redraw).observe(node);
  return { node, redraw };
}

// Faint lines across a graph, each with its value at the left end; the pen is left ready for more words of this kind.
export function levels(pen, colours, values, { left, right, Y }) {
  pen.font = '12px system-ui, sans-serif';
  pen.fillStyle = pen.strokeStyle = colours.muted;
  pen.lineWidth = 1;
  pen.textAlign = 'right';
  for (const v of values) pen.fillText(String(v), left - 6, Y(v) + 4);
  pen.globalAlpha = 0.35;
  pen.beginPath();
  for (const v of values) { pen.moveTo(left, Y(v)); pen.lineTo(right, Y(v)); }
  pen.stroke();
  pen.globalAlpha = 1;
}

// Calls tick(seconds since the last frame) until it returns false; rests while the lab is out of sight.
export function clock(el, tick) {
  let frame = 0, last = 0, seen = true, wanted = false;
  const run = (now) => {
    frame = 0;
    const seconds = (now - last) / 1000; // below 0 when the first frame is stamped before `last`, large after a pause
    wanted = tick(Math.min(Math.max(seconds, 0.004), 0.05));
    last = now;
    if (wanted && seen) frame = requestAnimationFrame(run);
  };
  const start = () => {
    wanted = true;
    if (!seen || frame) return;
    last = performance.now();
    frame = requestAnimationFrame(run);
  };
  new IntersectionObserver(([entry]) => { seen = entry.isIntersecting; if (seen && wanted) start(); }).observe(el);
  return start;
}

// Pointer events as drags: `grab(x, y, event)` says what was taken (null: nothing), then `drag`, and `tap` if the
// pointer hardly moved. A finger on something grabbed does not scroll the page; a finger elsewhere still does.
export function dragging(node, { grab, drag, drop, tap }) {
  let held = null, start = null, last = null, far = false;
  const where = ({ clientX, clientY }) => {
    const box = node.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top];
  };
  const still = (event) => grab(...where(event.touches[0]), { pointerType: 'touch' }) !== null && event.preventDefault();
  node.addEventListener('touchstart', still, { passive: false }); // comes after pointerdown, and only asks
  node.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    start = last = where(event);
    held = grab(...start, event);
    far = false;
    node.setPointerCapture(event.pointerId);
    node.focus({ preventScroll: true });
  });
  node.addEventListener('pointermove', (event) => {
    if (!start) return;
    const [x, y] = where(event);
    far ||= Math.hypot(x - start[0], y - start[1]) > 4;
    if (far) drag(held, x, y, x - last[0], y - last[1]);
    last = [x, y];
  });
  const end = (event) => {
    if (!start) return;
    if (!far && event.type === 'pointerup') tap?.(held, ...start);
    start = null;
    drop?.(held);
  };
  node.addEventListener('pointerup', end);
  node.addEventListener('pointercancel', end);
}

// ---------------------------------------------------------------- a sphere to turn
const ring = (n, f) => Array.from({ length: n + 1 }, (_, i) => f((2 * Math.PI * i) / n));
const GRATICULE = [-60, -30, 0, 30, 60].map((lat) => {
  const z = Math.sin((lat * Math.PI) / 180), r = Math.sqrt(1 - z * z);
  return ring(72, (a) => [r * Math.cos(a), r * Math.sin(a), z]);
}).concat([0, 30, 60, 90, 120, 150].map((lon) => {
  const c = Math.cos((lon * Math.PI) / 180), s = Math.sin((lon * Math.PI) / 180);
  return ring(72, (a) => [c * Math.cos(a), s * Math.cos(a), Math.sin(a)]);
}));

// scene(): {points, selected, edges, lines, cap, colour(i, colours)}; lines: curves on the sphere, each a list of points;
// cap: the angular radius of a disc around every point.
// Handlers, all optional: grabbed(i), moved(i, point), dropped(i), tapped(i or -1, point), key(event, arrow) -> true when
// it was used. Without `moved` the points cannot be dragged.
export function sphere(el, core, { label, scene, grabbed, moved, dropped, tapped, key }) {
  const { dot, cross, normalize, add } = core;
  // rows: the screen's right, up and towards-the-viewer axes in the coordinates of the points
  let axes = [normalize([-0.5, 1, 0]), null, normalize([0.86, 0.43, 0.38])];
  axes[1] = cross(axes[2], axes[0]);
  let width = 0, radius = 1;

  const seen = (p) => axes.map((axis) => dot(axis, p)); // to screen axes
  const world = ([x, y, z]) => normalize([0, 1, 2].map((c) => x * axes[0][c] + y * axes[1][c] + z * axes[2][c]));
  const pixel = ([x, y]) => [width / 2 + radius * x, width / 2 - radius * y];
  const under = (px, py) => { // the point of the front half under a pixel; outside the ball, the nearest rim point
    const x = (px - width / 2) / radius, y = (width / 2 - py) / radius, r = Math.hypot(x, y);
    return world(r < 1 ? [x, y, Math.sqrt(1 - r * r)] : [x / r, y / r, 0]);
  };
  const about = (v, axis, a) => // v turned by a about a unit axis (Rodrigues)
    normalize(add(add(v.map((x) => x * Math.cos(a)), cross(axis, v), Math.sin(a)), axis, dot(axis, v) * (1 - Math.cos(a))));
  const rotate = (axis, a) => { // turns the viewer; made square again, so that thousands of small turns do not shear it
    axes = axes.map((v) => about(v, axis, a));
    axes[1] = normalize(cross(axes[2], axes[0]));
    axes[0] = cross(axes[1], axes[2]);
    board.redraw();
  };
  const turn = (dx, dy) => { rotate(axes[1], -dx); rotate(axes[0], -dy); }; // the ball follows the hand

  function strokes(pen, lines, colour, front, back, weight = 1) { // the far side first, fainter
    for (const [side, alpha] of [[-1, back], [1, front]]) {
      pen.globalAlpha = alpha;
      pen.strokeStyle = colour;
      pen.lineWidth = weight;
      pen.beginPath();
      for (const line of lines)
        for (let i = 1, down = false; i < line.length; i++) { // the pen stays down while the line stays on this side
          const here = (line[i - 1][2] + line[i][2]) * side > 0;
          if (here && !down) pen.moveTo(...pixel(line[i - 1]));
          if (here) pen.lineTo(...pixel(line[i]));
          down = here;
        }
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  function draw(pen, w, _, colours) {
    width = w;
    radius = 0.46 * w;
    const plain = (i) => (i === selected ? colours.orange : colours.blue), middle = w / 2, bright = middle - 0.37 * radius;
    const { points, selected = -1, edges = [], cap = 0, lines = [], colour = plain } = scene();
    const light = pen.createRadialGradient(bright, bright, 0.1 * radius, middle, middle, radius);
    light.addColorStop(0, colours.ball);
    light.addColorStop(1, colours.shade);
    pen.fillStyle = light;
    pen.beginPath();
    pen.arc(middle, middle, radius, 0, 7);
    pen.fill();
    strokes(pen, GRATICULE.map((line) => line.map(seen)), colours.muted, ...(edges.length ? [0.16, 0.05] : [0.3, 0.1]));
    pen.globalAlpha = 0.55;
    pen.lineWidth = 1.25;
    pen.beginPath();
    pen.arc(middle, middle, radius, 0, 7);
    pen.stroke();
    if (cap) points.forEach((p, i) => { // what lies behind the rim is folded onto the rim
      const v = seen(p), side = normalize(Math.abs(v[2]) < 0.9 ? [-v[1], v[0], 0] : [0, -v[2], v[1]]);
      const other = cross(v, side), middle = v.map((c) => c * Math.cos(cap));
      if (v[2] < -Math.sin(cap)) return;
      const edge = (a) => add(add(middle, side, Math.sin(cap) * Math.cos(a)), other, Math.sin(cap) * Math.sin(a));
      pen.beginPath();
      for (const [x, y, z] of ring(48, edge)) {
        const r = z < 0 ? Math.hypot(x, y) : 1;
        pen.lineTo(...pixel([x / r, y / r]));
      }
      pen.fillStyle = pen.strokeStyle = colour(i, colours);
      pen.lineWidth = 1.2;
      pen.globalAlpha = 0.16;
      pen.fill();
      pen.globalAlpha = 0.6;
      pen.stroke();
      pen.globalAlpha = 1;
    });
    const between = (p, q, t) => seen(normalize(add(p.map((x) => x * (1 - t)), q, t + 1e-9))); // 1e-9: opposite points too
    const arcs = edges.map(([i, j]) => Array.from({ length: 13 }, (_, k) => between(points[i], points[j], k / 12)));
    strokes(pen, arcs, colours.ink, 0.5, 0.13, 1.4);
    strokes(pen, lines.map((line) => line.map(seen)), colours.green, 0.9, 0.35, 1.8);
    const size = (w / 420) * Math.max(5, 10.5 - points.length / 12);
    const order = points.map((p, i) => [seen(p), i]).sort((a, b) => a[0][2] - b[0][2]);
    for (const [p, i] of order) { // far points are smaller and fade into the ball
      const depth = (p[2] + 1) / 2, r = size * (0.62 + 0.38 * depth), [x, y] = pixel(p);
      pen.globalAlpha = p[2] < 0 ? 0.16 + 0.24 * depth : 1;
      pen.fillStyle = colour(i, colours);
      pen.strokeStyle = colours.ball;
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.arc(x, y, r, 0, 7);
      pen.fill();
      pen.stroke();
      if (i === selected) { // a ring as well: colour alone must not carry the meaning
        pen.strokeStyle = colours.ink;
        pen.lineWidth = 2;
        pen.beginPath();
        pen.arc(x, y, r + 5, 0, 7);
        pen.stroke();
      }
    }
    pen.globalAlpha = 1;
  }

  const board = canvas(el, { label, draw, tabindex: 0, role: 'application' });
  const hit = (px, py, reach) => { // the nearest point of the front half within reach of the pointer, else -1
    let best = -1, least = reach;
    scene().points.forEach((p, i) => {
      const v = seen(p), [x, y] = pixel(v), far = Math.hypot(x - px, y - py);
      if (v[2] > -0.05 && far < least) [best, least] = [i, far];
    });
    return best;
  };
  dragging(board.node, {
    grab: (x, y, { pointerType, type }) => {
      const i = moved ? hit(x, y, pointerType === 'touch' ? 26 : 16) : -1;
      if (i >= 0 && type) grabbed?.(i); // without a type it was only a question
      return i < 0 ? null : i;
    },
    drag: (i, x, y, dx, dy) => (i === null ? turn(dx / radius, dy / radius) : moved(i, under(x, y))),
    drop: (i) => i !== null && dropped?.(i),
    tap: (i, x, y) => {
      const inside = Math.hypot(x - width / 2, y - width / 2) < radius;
      if (i !== null || inside) tapped?.(i ?? -1, under(x, y));
    },
  });
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  board.node.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key], used = key?.(event, arrow) || (arrow && (turn(arrow[0] * 0.12, arrow[1] * 0.12), true));
    if (used) { event.preventDefault(); event.stopPropagation(); } // so that the site's page-turning keys stay out of it
  });
  return {
    node: board.node, redraw: board.redraw, turn,
    view: () => ({ axes, width, radius }), // where a point is drawn: tests put their pointer there
    name: (text) => { if (board.node.getAttribute('aria-label') !== text) board.node.setAttribute('aria-label', text); },
    // an arrow key takes a point along as if the ball under it turned: no place where it gets stuck
    nudge: (p, [dx, dy], step) => about(about(p, axes[1], dx * step), axes[0], dy * step),
    face: (p) => { // turn the ball so that p comes to the front
      const axis = cross(p, axes[2]), sine = Math.sqrt(dot(axis, axis)), cosine = dot(p, axes[2]);
      if (cosine < 0.55 && sine > 1e-9) rotate(normalize(axis), -(Math.atan2(sine, cosine) - 0.6));
    },
  };
}
