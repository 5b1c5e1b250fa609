// Evolution of point sets (HPN-A1), small enough to watch: the same draws as hpn_lite.evolution, on a hundred sets.

const SETS = 100, COUPLES = 15, CHILDREN = 20; // the paper: 3,000 sets, 450 couples with 300 children each
const CHANCES = [0, 0.003, 0.01, 0.03, 0.1, 0.3], PRESSURES = [0, 0.5, 1, 2, 4, 8, 16, 32];

export function mount(el, options, core) {
  const { Descent, add, button, degrees, dot, fixed, normalize, random, range, smallestAngle, uniform, write } = core;
  let { n, seed, mutation, pressure } = options, keep = false;
  let rand, sets, record, history, generation, finished, playing = false;

  // ---------------------------------------------------------------- the operators
  function fitness(x) { // distance of the closest pair, as 1 - cosine
    let largest = -1;
    for (let i = 0; i < x.length; i++) for (let j = 0; j < i; j++) largest = Math.max(largest, dot(x[i], x[j]));
    return 1 - largest;
  }
  function roulette(values, count, power, chance) { // draws with replacement, in proportion to value ** power
    const odds = values.map((v) => Math.max(v, 1e-30) ** power), sums = [];
    odds.forEach((o, i) => sums.push(o + (sums[i - 1] ?? 0)));
    return Array.from({ length: count }, () => {
      const at = chance() * sums[sums.length - 1];
      return Math.max(0, sums.findIndex((s) => s > at));
    });
  }
  function survivors(values, count, power, chance) { // without replacement: the smallest waits, Exp(1) / value ** power
    const wait = values.map((v) => Math.log(-Math.log(1 - chance()) + 1e-300) - power * Math.log(Math.max(v, 1e-30)));
    return values.map((_, i) => i).sort((a, b) => wait[a] - wait[b]).slice(0, count);
  }
  function child(mother, father) { // the first rows of one, the other rows of the other, then a little chance
    const [a, b] = rand() < 0.5 ? [mother, father] : [father, mother], cut = 1 + Math.floor(rand() * (n - 1));
    const points = [...a.points.slice(0, cut), ...b.points.slice(cut)].map((p) => {
      const q = p.map((v) => (rand() < mutation ? 2 * rand() - 1 : v));
      return q.some((v, i) => v !== p[i]) ? normalize(q) : p;
    });
    return { points, origin: [...a.origin.slice(0, cut), ...b.origin.slice(cut)], fitness: fitness(points) };
  }
  const fittest = (group) => group.reduce((best, x) => (x.fitness > best.fitness ? x : best));

  function note() {
    const best = fittest(sets).fitness, mean = sets.reduce((sum, x) => sum + x.fitness, 0) / sets.length;
    history.push({ record: record.fitness, best, mean });
  }
  function step() {
    const values = sets.map((x) => x.fitness), drawn = roulette(values, 2 * COUPLES, pressure, rand), all = [...sets];
    for (let c = 0; c < COUPLES; c++)
      for (let i = 0; i < CHILDREN; i++) all.push(child(sets[drawn[2 * c]], sets[drawn[2 * c + 1]]));
    const champion = fittest(all), alive = survivors(all.map((x) => x.fitness), SETS, pressure, rand).map((i) => all[i]);
    if (keep && fittest(alive).fitness < champion.fitness) alive[SETS - 1] = champion;
    sets = alive;
    record = fittest([record, champion]);
    finished = null;
    generation += 1;
    note();
  }
  function begin() {
    rand = random(1e6 + seed);
    const all = uniform(SETS * n, 3, seed); // the sets of generation 0
    sets = Array.from({ length: SETS }, (_, i) => {
      const points = all.slice(i * n, (i + 1) * n);
      return { points, origin: points.map(() => i), fitness: fitness(points) };
    });
    [record, history, generation, finished] = [fittest(sets), [], 0, null];
    note();
    refresh();
  }
  // From the best set that ever lived downhill: r^-s with rising s, which is a gradient's way to keep the closest apart.
  function descend() {
    playing = false;
    finished = record.points;
    for (const s of [8, 32, 128, 512, 2048]) {
      const flow = new Descent(finished, s);
      for (let k = 0; k < 400 && flow.step() > 1e-7; k++);
      if (smallestAngle(flow.points) > smallestAngle(finished)) finished = flow.points;
    }
    refresh();
  }

  // ---------------------------------------------------------------- numbers and words
  const shown = () => finished ?? fittest(sets).points;
  const founders = () => new Set(sets.flatMap((x) => x.origin)).size;
  function numbers() {
    const known = options.known[n], now = history[generation];
    return { known, angle: degrees(smallestAngle(shown())), record: degrees(Math.acos(1 - record.fitness)),
      best: now.best, mean: now.mean, founders: founders() };
  }
  function refresh(speak = true) {
    const { known, angle, record: top, best, mean, founders: left } = numbers();
    tiles.set(0, String(generation));
    tiles.set(1, `${fixed(top, 2)}°`);
    tiles.set(2, `${fixed(known, 2)}°`);
    tiles.set(3, fixed(mean, 3));
    tiles.set(4, String(left));
    write(play, playing ? 'Pause' : 'Play');
    ball.name(`Sphere with ${n} points, the closest pair joined. Arrow keys turn it, N breeds the next generation.`);
    const end = finished ? ` Gradient descent from the record set: ${fixed(angle, 2)} degrees.` : '';
    if (speak) line.say(`Generation ${generation}, ${n} points, seed ${seed}. Record ${fixed(top, 2)} degrees, best known ${fixed(known, 2)}. ` +
      `Fitness alive: best ${fixed(best, 3)}, mean ${fixed(mean, 3)}. Rows of ${left} of the ${SETS} first sets are left.${end}`);
    ball.redraw();
    chart.redraw();
  }

  // ---------------------------------------------------------------- the page
  const next = (count) => () => { playing = false; for (let i = 0; i < count; i++) step(); refresh(); };
  let due = 0;
  const start = core.clock(el, (seconds) => {
    if (!playing) return false;
    if ((due -= seconds) > 0) return true;
    due = core.calm() ? 1 : 0.12;
    step();
    playing &&= generation < 1000;
    refresh(!playing || generation % 10 === 0);
    return playing;
  });
  const toggle = () => { playing = !playing; due = 0; if (playing) start(); refresh(); };
  const count = range({ label: 'Number of points', min: 3, max: 16, value: n, input: (v) => { n = v; begin(); } });
  const dial = (label, all, value, show, input) =>
    range({ label, min: 0, max: all.length - 1, value: all.indexOf(value), show: (i) => show(all[i]), input: (i) => { input(all[i]); refresh(); } });
  const chance = dial('Mutation, chance of each coordinate', CHANCES, mutation, (v) => `${fixed(100 * v, 1)}%`, (v) => { mutation = v; });
  const power = dial('Selection pressure, fitness to the power', PRESSURES, pressure, String, (v) => { pressure = v; });
  const safe = core.checkbox({ label: 'The fittest always survives', checked: keep, input: (on) => { keep = on; refresh(); } });
  const play = button('Play', toggle, true);
  const tiles = core.tiles(['generation', 'record', 'best known', 'mean fitness', 'first sets left']);
  const line = core.statusLine();

  function closest(x) {
    let pair = [0, 1];
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) if (dot(x[i], x[j]) > dot(x[pair[0]], x[pair[1]])) pair = [j, i];
    return pair;
  }
  const ball = core.sphere(el, core, {
    label: 'Sphere',
    scene: () => {
      const points = shown(), pair = closest(points);
      return { points, edges: [pair], colour: (i, colours) => (pair.includes(i) ? colours.orange : colours.blue) };
    },
    key: (event) => event.key.toLowerCase() === 'n' && (next(1)(), true),
  });

  function draw(pen, width, height, colours) { // left: the history; right: everybody alive, as a histogram of fitness
    const top = 1.08 * (1 - Math.cos((options.known[n] * Math.PI) / 180)), right = 0.76 * width, left = 34, bottom = height - 22;
    const X = (g) => left + ((right - left) * g) / Math.max(20, generation), Y = (v) => bottom - ((bottom - 8) * v) / top;
    pen.font = '12px system-ui, sans-serif';
    const say = (text, x, y, colour = colours.muted, align = 'left') => {
      pen.fillStyle = colour;
      pen.textAlign = align;
      pen.fillText(text, x, y);
    };
    const curve = (name, colour, weight, dash = []) => {
      pen.strokeStyle = colour;
      pen.lineWidth = weight;
      pen.setLineDash(dash);
      pen.beginPath();
      history.forEach((row, g) => pen.lineTo(X(g), Y(row[name])));
      pen.stroke();
      pen.setLineDash([]);
    };
    const rule = (v, dash = []) => {
      pen.strokeStyle = colours.muted;
      pen.lineWidth = 1;
      pen.setLineDash(dash);
      pen.beginPath();
      pen.moveTo(left, Y(v));
      pen.lineTo(width - 4, Y(v));
      pen.stroke();
      pen.setLineDash([]);
    };
    rule(0);
    rule(top / 1.08, [5, 4]);
    say('0', left - 5, Y(0) + 4, colours.muted, 'right');
    say(fixed(top / 1.08, 2), left - 5, Y(top / 1.08) + 4, colours.muted, 'right');
    say('0', X(0), height - 6);
    say(`generation ${Math.max(20, generation)}`, right, height - 6, colours.muted, 'right');
    say('alive now', right + 12, height - 6);
    const bars = Array.from({ length: 24 }, () => 0), most = () => Math.max(...bars);
    for (const x of sets) bars[Math.min(23, Math.floor((24 * x.fitness) / top))] += 1;
    pen.fillStyle = colours.blue;
    pen.globalAlpha = 0.75;
    bars.forEach((b, i) => pen.fillRect(right + 12, Y((top * (i + 1)) / 24) + 1, ((width - right - 18) * b) / most(), (bottom - 8) / 24 - 1));
    pen.globalAlpha = 1;
    curve('mean', colours.orange, 2, [2, 3]);
    curve('best', colours.blue, 1.3);
    curve('record', colours.ink, 2);
  }
  const chart = core.canvas(el, {
    aspect: 2.1, draw,
    label: 'Fitness against generations: record, best alive and mean, with the best known as a dashed line; beside it a histogram of the sets alive. The status says the numbers.',
  });
  core.layout(el, [ball.node, chart.node], [
    core.h('div', { className: 'hpn-row' }, play, button('Next', next(1)), button('Next ten', next(10)),
      button('Start anew', () => { seed += 1; playing = false; begin(); })),
    power.node, chance.node, count.node, safe.node,
    core.h('div', { className: 'hpn-row' }, button('Gradient from the record', descend)),
    tiles.node, line.node,
    core.hint('Thick line: record. Thin: best alive. Dotted: mean. Dashed: best known. On the sphere ', ['N'], ' breeds, arrow keys turn.'),
  ]);
  begin();

  const plain = () => ({ n, seed, mutation, pressure, keep, generation, playing, history, sets: sets.map((x) => x.points) });
  return {
    state: () => ({ ...plain(), ...numbers(), fitness: sets.map((x) => x.fitness), points: shown(), best_ever: record.points }),
    draws: (way, values, count, power, from) => { // the draws themselves, for tests
      const chance = random(from);
      return (way === 'roulette' ? roulette : survivors)(values, count, power, chance);
    },
  };
}
