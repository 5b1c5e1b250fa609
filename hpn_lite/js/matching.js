// Who gets which prototype: class means and prototypes in the plane, labels to drag from one prototype to another, the
// matching score live; with frames, also a film of how an assignment settled while a net learnt. The best assignment is found by a table over all sets of prototypes already given away.

// ---------------------------------------------------------------- the same quantities as hpn_lite.assignment
export const scores = (core, means, prototypes) => means.map((m) => prototypes.map((w) => core.dot(m, w))); // (K, K)
export const total = (s, order) => order.reduce((sum, p, c) => sum + s[c][p], 0) / order.length; // per class

// best[set]: the largest sum of the first |set| classes on exactly these prototypes; K 2^K steps in place of K!
export function best(s) {
  const k = s.length, most = new Float64Array(1 << k).fill(-Infinity), last = new Int8Array(1 << k);
  most[0] = 0;
  for (let set = 1; set < 1 << k; set++) {
    let c = -1;
    for (let bits = set; bits; bits &= bits - 1) c += 1;
    for (let p = 0; p < k; p++) {
      if (!((set >> p) & 1)) continue;
      const value = most[set ^ (1 << p)] + s[c][p];
      if (value > most[set]) { most[set] = value; last[set] = p; }
    }
  }
  const order = Array(k);
  for (let c = k - 1, set = (1 << k) - 1; c >= 0; c--) { order[c] = last[set]; set ^= 1 << last[set]; }
  return order;
}

export function greedy(s) { // the largest score first, then the largest of what is left
  const k = s.length, order = Array(k).fill(-1), taken = Array(k).fill(false);
  const all = s.flatMap((row, c) => row.map((value, p) => [value, c, p])).sort((a, b) => b[0] - a[0]);
  for (const [, c, p] of all) if (order[c] < 0 && !taken[p]) { order[c] = p; taken[p] = true; }
  return order;
}

export function crossings(means, ends) { // pairs of lines from a mean to its prototype that cross
  const side = (a, b, c) => Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
  let count = 0;
  means.forEach((a, i) => means.slice(0, i).forEach((c, j) => {
    const b = ends[i], d = ends[j];
    if (side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0) count += 1;
  }));
  return count;
}

// ---------------------------------------------------------------- the lab
export function mount(el, options, core) {
  const { button, fixed, random, range, select } = core, { names, prototypes, frames } = options, k = names.length;
  let { means, seed } = options, chosen = 0, partner = 1, moves = 0, frame = 0, trail = null, table, top, wish;

  function shuffled() { // Fisher and Yates
    const rand = random(seed), order = names.map((_, i) => i);
    for (let i = k - 1; i > 0; i--) { const j = Math.floor(rand() * (i + 1)); [order[i], order[j]] = [order[j], order[i]]; }
    return order;
  }
  let order = frames.length ? frames[0].order.slice() : shuffled();
  function look() { table = scores(core, means, prototypes); wish = best(table); top = total(table, wish); }
  const numbers = () => ({ score: total(table, order), best: top, greedy: total(table, greedy(table)), crossings: crossings(means, order.map((p) => prototypes[p])) });

  function refresh(words = '') {
    const now = numbers(), done = now.score > top - 1e-9;
    tiles.set(0, fixed(now.score, 3), done);
    tiles.set(1, fixed(top, 3));
    tiles.set(2, fixed(now.crossings, 0));
    tiles.set(3, fixed(moves, 0));
    line.say(`${words}Matching score ${fixed(now.score, 3)}, the best is ${fixed(top, 3)}${done ? ': there is no better assignment' : ''}. ` +
      `Lines that cross: ${now.crossings}. Swaps so far: ${moves}. Chosen: ${names[chosen]}, at cosine score ${fixed(table[chosen][order[chosen]], 3)}.`);
    board.redraw();
  }

  // ---------------------------------------------------------------- what one can do
  function exchange(a, b) {
    if (a === b) return refresh('Choose two different classes. ');
    const before = total(table, order);
    [order[a], order[b]] = [order[b], order[a]];
    moves += 1;
    const gain = total(table, order) - before;
    return refresh(`${names[a]} and ${names[b]} changed places: ${gain >= 0 ? '+' : '-'}${fixed(Math.abs(gain), 3)}. `);
  }
  const put = (found, words) => { order = found; moves = 0; refresh(words); };
  const other = () => { // class means anywhere: a direction, and a length from 0.2 to 1
    seed += 1;
    const rand = random(seed);
    means = names.map(() => { const a = 2 * Math.PI * rand(), r = 0.2 + 0.8 * rand(); return [r * Math.cos(a), r * Math.sin(a)]; });
    look();
    put(shuffled(), 'Other class means. ');
  };

  // ---------------------------------------------------------------- the picture
  let radius = 1, middle = [1, 1];
  const pixel = ([x, y], r = 1) => [middle[0] + radius * r * x, middle[1] - radius * r * y];
  const chip = (c) => pixel(prototypes[order[c]], 1.17);
  function draw(pen, width, height, colours) {
    const size = Math.max(11, Math.min(15, width / 26));
    middle = [width / 2, height / 2];
    radius = Math.min(width, height) / 2 / 1.36;
    const dot = ([x, y], r, fill, stroke, weight = 1.5) => {
      pen.beginPath();
      pen.arc(x, y, r, 0, 7);
      if (fill) { pen.fillStyle = fill; pen.fill(); }
      if (stroke) { pen.strokeStyle = stroke; pen.lineWidth = weight; pen.stroke(); }
    };
    dot(middle, radius, colours.ball, colours.muted, 1.2);
    names.forEach((_, c) => { // from each class mean to its prototype
      pen.strokeStyle = c === chosen ? colours.orange : colours.blue;
      pen.lineWidth = c === chosen ? 3 : 1.8;
      pen.globalAlpha = c === chosen ? 1 : 0.6;
      pen.beginPath();
      pen.moveTo(...pixel(means[c]));
      pen.lineTo(...pixel(prototypes[order[c]]));
      pen.stroke();
      pen.globalAlpha = 1;
    });
    prototypes.forEach((w) => dot(pixel(w), 5, colours.ink, colours.ball));
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    const say = (text, [x, y], colour, bold) => {
      pen.font = `${bold ? 700 : 500} ${size}px system-ui, sans-serif`;
      pen.fillStyle = colour;
      pen.fillText(text, x, y + 0.5);
    };
    names.forEach((name, c) => {
      dot(pixel(means[c]), 0.72 * size, c === chosen ? colours.orange : colours.blue, colours.ball);
      say(name, pixel(means[c]), colours.ball, true);
      const at = trail && trail.c === c ? trail.at : chip(c), box = Math.max(0.9 * size, 0.35 * size * name.length + 4);
      dot(at, box, colours.ball, c === chosen ? colours.orange : colours.muted, c === chosen ? 3 : 1.5);
      say(name, at, colours.ink, c === chosen);
    });
  }
  const board = core.canvas(el, { label: 'Class means inside a circle, each joined to its prototype on the circle, whose label can be dragged. The numbers are in the text below.', aspect: 1, draw });
  board.node.classList.add('hpn-drag');
  const near = (x, y, places, reach) => {
    const far = places.map(([a, b]) => Math.hypot(a - x, b - y)), i = far.indexOf(Math.min(...far));
    return far[i] < reach ? i : null;
  };
  core.dragging(board.node, {
    grab: (x, y) => near(x, y, names.map((_, c) => chip(c)), 28),
    drag: (c, x, y) => { if (c === null) return; trail = { c, at: [x, y] }; choose(c); board.redraw(); },
    drop: (c) => {
      const at = trail?.at;
      trail = null;
      if (c === null || !at) return;
      const p = near(...at, prototypes.map((w) => pixel(w, 1.1)), 0.5 * radius), b = order.indexOf(p);
      if (p === null || b === c) board.redraw(); else exchange(c, b);
    },
    tap: (c) => { if (c !== null) { choose(c); refresh(); } },
  });
  function show(t) {
    frame = t;
    means = frames[t].means;
    look();
    const changed = t ? frames[t].order.filter((p, c) => p !== frames[t - 1].order[c]).length : 0;
    put(frames[t].order.slice(), `After epoch ${frames[t].epoch}${t ? `, ${changed} of ${k} labels moved` : ', before training'}. `);
    graph.redraw();
  }
  const graph = core.canvas(el, {
    aspect: 2.6, label: 'Matching score of the recorded assignment after each epoch, and before its labels moved.',
    draw: (pen, width, height, colours) => {
      const left = 30, right = width - 10, topmost = 20, bottom = height - 18, end = Math.max(1, frames.length - 1);
      const X = (t) => left + ((right - left) * t) / end, Y = (v) => bottom - (bottom - topmost) * Math.max(0, v);
      core.levels(pen, colours, [0, 0.5, 1], { left, right, Y });
      pen.textAlign = 'left';
      pen.fillText('score; a short line: before labels moved', left, 12);
      pen.textAlign = 'right';
      pen.fillText(`epoch ${frames[frames.length - 1].epoch}`, right, height - 4);
      const values = frames.map((f) => total(scores(core, f.means, prototypes), f.order));
      pen.strokeStyle = colours.blue;
      pen.lineWidth = 2;
      pen.beginPath();
      values.forEach((v, t) => pen.lineTo(X(t), Y(v)));
      pen.stroke();
      frames.forEach((f, t) => {
        if (t) { // the same means under the assignment before
          const y = Y(total(scores(core, f.means, prototypes), frames[t - 1].order));
          pen.strokeStyle = colours.orange;
          pen.beginPath();
          pen.moveTo(X(t) - 5, y);
          pen.lineTo(X(t) + 5, y);
          pen.stroke();
        }
        pen.fillStyle = t === frame ? colours.orange : colours.blue;
        pen.beginPath();
        pen.arc(X(t), Y(values[t]), t === frame ? 6 : 3.5, 0, 7);
        pen.fill();
      });
    },
  });
  const choose = (c) => { chosen = c; first.field.value = c; };

  // ---------------------------------------------------------------- the page
  const choices = names.map((name, i) => [i, name]);
  const first = select({ label: 'Class', choices, value: chosen, input: (c) => { chosen = c; refresh(); } });
  const second = select({ label: 'changes places with', choices, value: partner, input: (c) => { partner = c; } });
  const tiles = core.tiles(['matching score', 'best score', 'crossings', 'swaps']), line = core.statusLine();
  const film = range({ label: 'After epoch', min: 0, max: Math.max(1, frames.length - 1), value: 0, show: (t) => String(frames[t]?.epoch ?? t), input: show });
  core.layout(el, [board.node], [
    ...(frames.length ? [film.node, graph.node] : []),
    core.h('div', { className: 'hpn-row' }, first.node, second.node),
    core.h('div', { className: 'hpn-row' }, button('Swap', () => exchange(chosen, partner), true), button('Shuffle', () => { seed += 1; put(shuffled(), 'Shuffled. '); })),
    core.h('div', { className: 'hpn-row' }, button('Greedy', () => put(greedy(table), 'Greedy: the closest pair first. ')), button('Best', () => put(wish.slice(), 'The best of all. ')), ...(frames.length ? [] : [button('Other classes', other)])),
    tiles.node, line.node,
  ]);
  look();
  refresh();

  return { state: () => ({ names, frame, means, prototypes, order, wish, seed, moves, chosen: names[chosen], partner: names[partner], ...numbers() }) };
}
