// Which formula is best? A map over the number of classes K and the dimension D, on logarithmic axes. Everything that is
// said about a field comes in the options, computed by hpn_lite; here it is only drawn and put into words.

const KINDS = { // colour and its strength, so that light and dark pages use the same six
  circle: ['muted', 0.75], simplex: ['green', 0.6], 'cross-polytope': ['blue', 0.75], code: ['orange', 1],
  'part of a code': ['orange', 0.5], search: ['muted', 0.14],
};
const BOUNDS = { C: 'circle', S: 'simplex bound', R: 'Rankin', F: 'Fejes Tóth', L: 'Levenshtein', O: 'proved for this code' };
const SKETCHES = {
  circle: 'Sketch: K gaps around the circle add up to 360°, so the smallest is at most 360°/K.',
  simplex: 'Sketch: the squared length of the sum of all points is not negative, so the cosines cannot all be below −1/(K − 1).',
  'cross-polytope': 'Sketch: D + 2 points have a linear relation whose two sides are positive combinations of disjoint sets; ' +
    'all cosines between the two cannot be negative.',
  code: 'Sketch: a polynomial that is not positive at any allowed cosine, with coefficients that are not negative in Gegenbauer ' +
    'polynomials, limits the number of points.',
  'part of a code': 'Sketch: leaving points out, or adding dimensions, brings none closer.',
  search: 'There is no formula: a search has to find the points.',
};

export function mount(el, options, core) {
  const { button, fixed, h, range } = core;
  const { ks, ds, constructions, which, bounds, names } = options; // which[j][i] belongs to ds[j] and ks[i]
  let i = ks.indexOf(options.k), j = ds.indexOf(options.d);
  const kindOf = (a, b) => constructions[which[b][a]][0];
  const field = () => {
    const [kind, construction, cosine, proof] = constructions[which[j][i]];
    return { k: ks[i], d: ds[j], kind, construction, cosine, proof, bound: bounds[j][i] / 1e4, bound_name: BOUNDS[names[j][i]] };
  };
  const marks = []; // the fields that a named code fills exactly, in reading order
  ds.forEach((_, b) => ks.forEach((_, a) => { if (kindOf(a, b) === 'code') marks.push([a, b]); }));

  const angle = (c) => `${fixed(core.degrees(Math.acos(c)), 1)}°`;
  function refresh() {
    const now = field(), known = now.cosine !== null, atMost = now.kind === 'part of a code' ? 'at most ' : '';
    tiles.set(0, now.construction);
    tiles.set(1, known ? atMost + fixed(now.cosine, 4) : 'no formula', now.proof !== '');
    tiles.set(2, known ? `${atMost && 'at least '}${angle(now.cosine)}` : 'no formula');
    tiles.set(3, `${fixed(now.bound, 4)} (${now.bound_name})`);
    line.say(`K = ${now.k}, D = ${now.d}: ${now.construction}. ` +
      (known ? `Largest cosine ${atMost}${fixed(now.cosine, 4)}. ` : '') +
      `No set is below ${fixed(now.bound, 4)} (${now.bound_name}). ` +
      (now.proof ? `The best there is, by ${now.proof}. ` : known && !atMost ? 'Not proved to be the best. ' : '') +
      (atMost ? 'A search may do better. ' : '') + SKETCHES[now.kind]);
    [number.value, dimension.value] = [i, j];
    board.redraw();
  }
  const go = (a, b) => {
    i = Math.max(0, Math.min(ks.length - 1, a));
    j = Math.max(0, Math.min(ds.length - 1, b));
    refresh();
  };

  // ---------------------------------------------------------------- the picture
  const edges = (values) => { // where a field begins and ends: halfway to its neighbours, in logarithms
    const logs = values.map(Math.log), n = logs.length;
    const ends = [logs[0] - (logs[1] - logs[0]) / 2, ...logs.slice(1).map((x, a) => (x + logs[a]) / 2)];
    ends.push(logs[n - 1] + (logs[n - 1] - logs[n - 2]) / 2);
    return ends.map((x) => (x - ends[0]) / (ends[n] - ends[0])); // 0 to 1
  };
  const across = edges(ks), up = edges(ds);
  const frame = { left: 44, right: 8, top: 8, bottom: 40 };
  let X = () => 0, Y = () => 0;
  function draw(pen, width, height, colours) {
    X = (t) => frame.left + t * (width - frame.left - frame.right);
    Y = (t) => height - frame.bottom - t * (height - frame.top - frame.bottom);
    ds.forEach((_, b) => ks.forEach((_, a) => {
      const [colour, strength] = KINDS[kindOf(a, b) === 'code' ? 'part of a code' : kindOf(a, b)];
      pen.fillStyle = colours[colour];
      pen.globalAlpha = strength;
      pen.fillRect(X(across[a]), Y(up[b + 1]), X(across[a + 1]) - X(across[a]) - 0.6, Y(up[b]) - Y(up[b + 1]) - 0.6);
    }));
    pen.globalAlpha = 1;
    const centre = (a, b) => [X((across[a] + across[a + 1]) / 2), Y((up[b] + up[b + 1]) / 2)];
    for (const [a, b] of marks) { // a shape as well: colour alone must not carry the meaning
      const [x, y] = centre(a, b), r = Math.max(4, width / 150);
      pen.beginPath();
      [[0, -r], [r, 0], [0, r], [-r, 0]].forEach(([u, v]) => pen.lineTo(x + u, y + v));
      pen.closePath();
      pen.fillStyle = colours.orange;
      pen.fill();
      pen.strokeStyle = colours.paper;
      pen.lineWidth = 1;
      pen.stroke();
    }
    pen.fillStyle = colours.muted;
    pen.font = '12.5px system-ui, sans-serif';
    pen.textBaseline = 'middle';
    const ticks = [2, 3, 5, 10, 20, 50, 100, 200];
    pen.textAlign = 'center';
    for (const t of ticks) if (ks.includes(t)) pen.fillText(t, centre(ks.indexOf(t), 0)[0], height - frame.bottom + 13);
    pen.fillText('classes K', X(0.5), height - 9);
    pen.textAlign = 'right';
    for (const t of ticks) if (ds.includes(t)) pen.fillText(t, frame.left - 6, centre(0, ds.indexOf(t))[1]);
    pen.save();
    pen.translate(9, Y(0.5));
    pen.rotate(-Math.PI / 2);
    pen.textAlign = 'center';
    pen.fillText('dimension D', 0, 0);
    pen.restore();
    pen.font = '600 14px system-ui, sans-serif';
    pen.textAlign = 'center';
    const region = (words, k, d) => { // on a rim of paper, so that it can be read over any field
      const at = (values, ends, v) => {
        const a = Math.max(0, values.findLastIndex((x) => x <= v));
        return (ends[a] + ends[a + 1]) / 2;
      };
      pen.strokeStyle = colours.paper;
      pen.lineWidth = 4;
      pen.lineJoin = 'round';
      pen.strokeText(words, X(at(ks, across, k)), Y(at(ds, up, d)));
      pen.fillStyle = colours.ink;
      pen.fillText(words, X(at(ks, across, k)), Y(at(ds, up, d)));
    };
    region('simplex', 8, 40);
    region('search', 56, 5);
    const [x, y] = centre(i, j);
    for (const [colour, weight] of [[colours.paper, 5], [colours.ink, 2]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = weight;
      pen.beginPath();
      pen.arc(x, y, 8, 0, 7);
      pen.stroke();
      pen.beginPath();
      for (const [u, v] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        pen.moveTo(x + 8 * u, y + 8 * v);
        pen.lineTo(x + 13 * u, y + 13 * v);
      }
      pen.stroke();
    }
  }
  const label = 'Map of the best constructions over the number of classes K, to the right, and the dimension D, upwards. ' +
    'Arrow keys move; the text below says what is chosen.';
  const board = core.canvas(el, { aspect: 1.55, label, draw, tabindex: 0, role: 'application' });
  board.node.style.minHeight = '250px';
  board.node.style.cursor = 'crosshair';
  const pick = (x, y) => {
    const from = (ends, place, t) => Math.max(0, ends.slice(1).findIndex((e) => place(t, e)));
    const a = x >= X(1) ? ks.length - 1 : from(across, (t, e) => t <= X(e), x);
    const b = y <= Y(1) ? ds.length - 1 : from(up, (t, e) => t >= Y(e), y);
    const near = ([m, n]) => Math.hypot(X((across[m] + across[m + 1]) / 2) - x, Y((up[n] + up[n + 1]) / 2) - y);
    const mark = marks.filter((m) => near(m) < 11).sort((m, n) => near(m) - near(n))[0]; // a mark is easier to hit than a field
    go(...(mark ?? [a, b]));
  };
  core.dragging(board.node, { grab: () => null, drag: (_, x, y) => pick(x, y), tap: (_, x, y) => pick(x, y) });
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  board.node.addEventListener('keydown', (event) => {
    const step = ARROWS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // so that the site's page-turning keys stay out of it
    go(i + step[0], j + step[1]);
  });

  // ---------------------------------------------------------------- the page
  const slider = (name, values, value, input) =>
    range({ label: name, min: 0, max: values.length - 1, value, show: (v) => String(values[v]), input });
  const number = slider('Classes K', ks, i, (v) => go(v, j));
  const dimension = slider('Dimension D', ds, j, (v) => go(i, v));
  const following = () => {
    const after = marks.findIndex(([a, b]) => b > j || (b === j && a > i));
    go(...marks[after < 0 ? 0 : after]);
  };
  const swatch = (kind) => {
    const node = h('span', { 'aria-hidden': 'true' }), [colour, strength] = KINDS[kind];
    node.style.cssText = 'display: inline-block; width: 12px; height: 12px; margin-right: 0.35em; vertical-align: -1px; ' +
      `background: color-mix(in srgb, var(--lab-${colour}) ${100 * strength}%, var(--lab-paper)); ` +
      (kind === 'code' ? 'transform: rotate(45deg) scale(0.8)' : '');
    return node;
  };
  const legend = h('div', { className: 'hpn-row hpn-all' },
    ...Object.keys(KINDS).map((kind) => h('span', { className: 'hpn-hint' }, swatch(kind), kind)));
  const tiles = core.tiles(['construction', 'largest cosine', 'smallest angle', 'lower bound']);
  const line = core.statusLine();
  core.layout(el, [board.node], [
    legend, number.node, dimension.node,
    h('div', { className: 'hpn-row hpn-all' }, button('Next named code', following, true)),
    tiles.node, line.node,
    core.hint('Click or drag on the map, or give it the focus and press ', ['←'], ' ', ['→'], ' ', ['↑'], ' ', ['↓'], '.'),
  ], 'hpn-wide');
  refresh();

  return { state: field };
}
