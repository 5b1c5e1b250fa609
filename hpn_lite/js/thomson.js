// The Thomson playground: points that repel each other on a sphere. Drag them, add some, take some away, let them flow.

const MOVE = 0.09, FINE = 0.02; // radians per arrow key, with Shift

export function mount(el, options, core) {
  const { button, calm, checkbox, Descent, degrees, emptiest, fixed, neighbours, range, riesz, select } = core;
  const { smallestAngle, uniform, write } = core;
  let { n, s, seed } = options;
  let points = uniform(n, 3, seed), descent = new Descent(points, s);
  let running = false, settled = false, selected = -1, dragged = false, holdUntil = 0;
  let edges = [], shown = options.neighbours, discs = options.discs;
  const best = new Map(); // lowest energy seen here, by n and s: something to hunt for where nothing is published

  // ---------------------------------------------------------------- what the page says
  const numbers = () => { // options.known: for some s, where the values are from and the value for each n
    const energy = riesz(points, s).energy, known = options.known[s]?.values[n];
    const gap = known === undefined ? undefined : (100 * (energy - known)) / Math.abs(known);
    return { energy, known, gap, smallest: degrees(smallestAngle(points)) };
  };
  const counts = () => { // how many points have 3, 4, 5, ... neighbours
    const degree = points.map((_, i) => edges.filter((edge) => edge.includes(i)).length);
    const kinds = [...new Set(degree)].sort((a, b) => a - b);
    return { degree, list: kinds.map((d) => [d, degree.filter((x) => x === d).length]) };
  };
  const percent = (gap) => (Math.abs(gap) < 5e-5 ? '0.00' : fixed(gap, gap < 0.01 ? 4 : 2));
  const place = ([x, y, z]) =>
    `latitude ${fixed(degrees(Math.asin(z)), 0)}, longitude ${fixed(degrees(Math.atan2(y, x)), 0)} degrees`;

  function words() {
    const { energy, known, gap, smallest } = numbers();
    const value = () => `${options.known[s].words} ${fixed(known, 6)} (gap ${percent(gap)}%)`;
    const compared = known === undefined ? 'no published value' : value();
    const mood = settled ? 'settled' : running ? 'flowing' : 'paused';
    let text = `${n} points, s = ${s}: energy ${fixed(energy, 6)}, ${compared}, `;
    text += `smallest angle ${fixed(smallest, 2)} degrees, ${mood}.`;
    if (shown) text += ` Neighbours: ${counts().list.map(([d, many]) => `${many} with ${d}`).join(', ')}.`;
    if (selected >= 0) text += ` Point ${selected + 1} chosen, ${place(points[selected])}.`;
    return text;
  }

  function refresh({ speak = true } = {}) {
    edges = shown ? neighbours(points) : [];
    const { energy, known, gap, smallest } = numbers(), key = `${n} ${s}`;
    if (settled && !(best.get(key) <= energy)) best.set(key, energy);
    const record = best.get(key), reached = settled && energy - record < 1e-9 * Math.abs(record);
    tiles.set(0, fixed(energy, 6));
    tiles.set(1, known === undefined ? 'none published' : fixed(known, 6));
    tiles.set(2, known === undefined ? '–' : `${percent(gap)}%`, gap < 5e-5);
    tiles.set(3, `${fixed(smallest, 2)}°`);
    tiles.set(4, record === undefined ? '–' : fixed(record, 6), reached);
    count.value = n;
    write(go, running ? 'Pause' : 'Run');
    less.disabled = n <= 2;
    more.disabled = n >= 64;
    ball.name(`Sphere with ${n} points${selected < 0 ? '' : `, point ${selected + 1} chosen`}. Keys: N and P choose a ` +
      'point, arrows move it or turn the sphere, A adds, Delete removes, Space runs.');
    if (speak) line.say(words());
    ball.redraw();
  }

  // ---------------------------------------------------------------- what one can do
  function changed() { // the points, n or s are new: the flow starts afresh
    n = points.length;
    settled = false;
    descent = new Descent(points, s);
    descent.held = dragged || performance.now() < holdUntil ? selected : -1;
    if (running) start();
    refresh();
  }
  const replace = (i, p) => { points = points.map((q, j) => (j === i ? p : q)); changed(); };
  const insert = (p) => {
    if (n >= 64) return;
    points = [...points, p ?? emptiest(points)];
    selected = points.length - 1;
    ball.face(points[selected]);
    changed();
  };
  const remove = () => {
    if (n <= 2) return;
    const gone = selected < 0 ? n - 1 : selected;
    points = points.filter((_, i) => i !== gone);
    selected = -1;
    changed();
  };
  const resize = (wanted) => { // keeps what is there: a new point goes to the emptiest place, the last one leaves first
    while (points.length < wanted) points = [...points, emptiest(points)];
    points = points.slice(0, wanted);
    selected = -1;
    changed();
  };
  const shuffle = () => { seed += 1; points = uniform(n, 3, seed); selected = -1; changed(); };
  const run = (on = !running) => { running = on; if (on) start(); refresh(); };
  const step = () => { running = false; advance(0.15); refresh(); };
  const choose = (i) => { selected = i; if (i >= 0) ball.face(points[i]); refresh(); };

  function advance(limit) { // as many small steps as fit into `limit` radians, so that the end does not crawl
    let left = limit;
    for (let k = 0; k < 12 && left > 0.1 * limit && !settled; k++) {
      const far = descent.step(left);
      settled = far === 0;
      left -= far;
    }
    points = descent.points;
  }
  const start = core.clock(el, (seconds) => {
    if (!running) return false;
    const held = dragged || performance.now() < holdUntil;
    if (!held && descent.held >= 0) { descent.held = -1; descent.forget(); settled = false; }
    if (calm()) for (let k = 0; k < 50 && !settled; k++) advance(0.5); // reduced motion: no film, the result at once
    else advance(1.6 * seconds);
    refresh({ speak: settled });
    return !settled || held;
  });

  // ---------------------------------------------------------------- the page
  const count = range({ label: 'Number of points n', min: 2, max: 64, value: n, input: resize });
  const power = select({
    label: 'Force: the exponent s', value: s, input: (value) => { s = value; changed(); },
    choices: options.exponents.map((e) => [e, { 0: 's = 0, the logarithm', 1: 's = 1, electric charges' }[e] ?? `s = ${e}`]),
  });
  const go = button('Run', () => run(), true), less = button('Remove', remove), more = button('Add', () => insert());
  const tiles = core.tiles(['energy', 'best known', 'gap', 'smallest angle', 'your best']);
  const line = core.statusLine();
  const ball = core.sphere(el, core, {
    label: 'Sphere',
    scene: () => ({ points, selected, edges, cap: discs ? smallestAngle(points) / 2 : 0, colour: shade() }),
    grabbed: (i) => { selected = i; dragged = true; refresh({ speak: false }); },
    moved: replace,
    dropped: () => { dragged = false; changed(); },
    tapped: (i, p) => { if (i < 0) insert(p); else choose(i); },
    key: (event, arrow) => {
      const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      if (arrow && selected >= 0) {
        holdUntil = performance.now() + 900;
        replace(selected, ball.nudge(points[selected], arrow, event.shiftKey ? FINE : MOVE));
        ball.face(points[selected]);
        return true;
      }
      const act = {
        n: () => choose((selected + 1) % n), p: () => choose(selected > 0 ? selected - 1 : n - 1), Escape: () => choose(-1),
        a: () => insert(), Insert: () => insert(), Delete: remove, Backspace: remove, ' ': () => run(),
      }[name];
      act?.();
      return Boolean(act);
    },
  });
  function shade() { // with neighbours shown, the colour says how many: five or fewer, six, seven or more
    if (!shown) return undefined;
    const { degree } = counts();
    return (i, colours) => (degree[i] < 6 ? colours.orange : degree[i] === 6 ? colours.blue : colours.ink);
  }
  core.layout(el, [ball.node], [
    core.h('div', { className: 'hpn-row' }, go, button('Step', step), button('Shuffle', shuffle), more, less),
    count.node, power.node,
    core.h('div', { className: 'hpn-row' },
      checkbox({ label: 'Neighbours', checked: shown, input: (on) => { shown = on; refresh(); } }).node,
      checkbox({ label: 'Discs that just fit', checked: discs, input: (on) => { discs = on; ball.redraw(); } }).node),
    tiles.node, line.node,
    core.hint('Drag a point, tap the sphere to add one, drag beside the points to turn it. On the sphere, keys: ',
      ['N'], ' ', ['P'], ' choose, ', ['arrows'], ' move or turn, ', ['A'], ' add, ', ['Del'], ' remove, ', ['Space'], ' run.'),
  ]);
  refresh();
  if (options.run && !calm()) run(true);

  const degreesFound = () => (shown ? Object.fromEntries(counts().list) : null);
  const state = () => ({ n, s, seed, points, selected, running, settled, neighbours: degreesFound(), view: ball.view() });
  return { state: () => ({ ...state(), ...numbers() }) };
}
