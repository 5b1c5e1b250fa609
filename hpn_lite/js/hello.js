// The welcome sphere: points that keep their distance. Pull one and the others make room.

const TURN = 25; // seconds: it turns slowly, then comes to rest, and goes on whenever it is touched

export function mount(el, options, core) {
  const { button, calm, Descent, degrees, emptiest, fixed, range, smallestAngle, uniform, write } = core;
  let { n, seed } = options;
  let descent = new Descent(uniform(n, 3, seed), 1), selected = -1, dragged = false;
  let running = false, asked = false, settled = false, said = false, wind = TURN;

  const words = () => {
    const apart = fixed(degrees(smallestAngle(descent.points)), 1), mood = settled ? 'at rest' : running ? 'moving' : 'paused';
    return `${n} points, the closest two ${apart} degrees apart, ${mood}.`;
  };
  function refresh() {
    write(go, running ? 'Pause' : 'Start');
    line.say(words(), 600);
    ball.redraw();
  }
  function set(points) {
    const held = dragged ? selected : -1;
    descent = new Descent(points, 1);
    descent.held = held;
    settled = said = false;
    wind = TURN;
    if (running) start();
    refresh();
  }
  const resize = (wanted) => {
    let points = descent.points;
    while (points.length < wanted) points = [...points, emptiest(points)];
    n = wanted;
    selected = -1;
    set(points.slice(0, n));
  };
  const shuffle = () => { seed += 1; selected = -1; set(uniform(n, 3, seed)); };
  const run = (on) => { running = on; wind = TURN; if (on) start(); refresh(); };
  const start = core.clock(el, (seconds) => {
    if (!running) return false;
    for (let k = 0; k < (calm() ? 100 : 1) && !settled; k++) settled = descent.step(calm() ? 0.5 : 1.1 * seconds) < 1e-7;
    if (settled && !said) { said = true; refresh(); }
    wind = dragged ? TURN : wind - seconds;
    if (!dragged && !calm()) ball.turn(0.12 * seconds * Math.min(1, Math.max(0, wind) / 4), 0);
    ball.redraw();
    return !settled || dragged || (wind > 0 && !calm());
  });

  const count = range({ label: 'Number of points', min: 2, max: 64, value: n, input: resize });
  const go = button('Start', () => { asked = true; run(!running); }, true);
  const line = core.statusLine();
  const ball = core.sphere(el, core, {
    label: 'Sphere with points that repel each other. Keys: N chooses a point, arrows move it or turn the sphere, ' +
      'Space starts and pauses.',
    scene: () => ({ points: descent.points, selected, cap: smallestAngle(descent.points) / 2 }),
    grabbed: (i) => { selected = i; dragged = true; descent.held = i; },
    moved: (i, p) => { if (!running && !asked) run(true); set(descent.points.map((q, j) => (j === i ? p : q))); },
    dropped: () => { dragged = false; selected = -1; set(descent.points); },
    key: (event, arrow) => {
      if (event.key === ' ') { asked = true; run(!running); return true; }
      if (event.key.toLowerCase() === 'n') {
        selected = (selected + 1) % n;
        ball.face(descent.points[selected]);
        refresh();
        return true;
      }
      if (event.key === 'Escape') { selected = -1; refresh(); return true; }
      if (!arrow || selected < 0) return false;
      set(descent.points.map((q, j) => (j === selected ? ball.nudge(q, arrow, 0.12) : q)));
      return true;
    },
  });
  core.layout(el, [ball.node], [
    count.node, core.h('div', { className: 'hpn-row' }, go, button('Shuffle', shuffle)), line.node,
    core.hint('Pull a point: the others make room. The discs are as large as they can be without overlapping. ' +
      'Drag beside the points to turn the sphere.'),
  ], 'hpn-middle');
  run(!calm()); // who asked for less motion starts it by hand

  const smallest = () => degrees(smallestAngle(descent.points));
  return { state: () => ({ n, seed, points: descent.points, smallest: smallest(), running, settled, selected, view: ball.view() }) };
}
