// Directions, not lengths: two arrows in the plane. Pull their tips, or use the sliders; see what a length changes
// (the dot product, the distance) and what it cannot change (the cosine, the angle, the chord on the unit circle).

const REACH = 2; // the longest arrow; 2.15 fills half the canvas

export function mount(el, options, core) {
  const { add, angle, button, degrees, dot, fixed, normalize, range } = core;
  const arrows = options.arrows.map(([length, at]) => ({ length, at })); // `at` in degrees
  const names = ['x', 'y'];
  const vector = ({ length, at }) => [length * Math.cos((at * Math.PI) / 180), length * Math.sin((at * Math.PI) / 180)];
  const size = (v) => Math.sqrt(dot(v, v));

  function numbers() {
    const [x, y] = arrows.map(vector), [u, v] = [x, y].map(normalize);
    const apart = { distance: size(add(x, y, -1)), chord: size(add(u, v, -1)) };
    return { dot: dot(x, y), cosine: dot(u, v), angle: degrees(angle(u, v)), ...apart };
  }
  let remark = '', since = null; // since: the numbers before a run of changes to one length alone
  function change(i, what) { // what: {length} or {at} or both, on the sliders' own grid
    const old = numbers(), before = { ...arrows[i] };
    if (what.length !== undefined) arrows[i].length = Math.min(REACH, Math.max(0.2, Math.round(what.length / 0.02) * 0.02));
    if (what.at !== undefined) arrows[i].at = Math.round(what.at);
    const now = numbers(), lengthOnly = arrows[i].at === before.at && arrows[i].length !== before.length;
    since = lengthOnly ? (since?.i === i ? since : { i, dot: old.dot }) : null;
    remark = lengthOnly ? ` Only the length of ${names[i]} changed: the dot product went from ${fixed(since.dot, 4)} ` +
      `to ${fixed(now.dot, 4)}, the cosine stayed.` : '';
    refresh();
  }
  function normaliseBoth() {
    arrows.forEach((arrow) => { arrow.length = 1; });
    remark = ' Both have length 1 now: the dot product is the cosine.';
    since = null;
    refresh();
  }
  function refresh() {
    const { dot: product, cosine, angle: theta, distance, chord } = numbers();
    arrows.forEach((arrow, i) => { sliders[i].length.value = arrow.length; sliders[i].at.value = arrow.at; });
    const four = (x) => fixed(x, 4), arrowWords = arrows.map(({ length, at }, i) => `${names[i]} has length ${fixed(length, 2)} at ${at} degrees`);
    [four(product), four(cosine), `${fixed(theta, 1)}°`, four(distance), four(chord), four(2 - 2 * cosine)].forEach((t, i) => tiles.set(i, t));
    line.say(`${arrowWords.join(', ')}. Dot product ${four(product)}, cosine ${four(cosine)}, angle ${fixed(theta, 1)} degrees. ` +
      `Distance of the tips ${four(distance)}, of the directions ${four(chord)}; ` +
      `its square ${four(chord * chord)} is 2 - 2 times the cosine.${remark}`);
    board.redraw();
  }

  // ---------------------------------------------------------------- the picture
  let unit = 1, middle = 1;
  const pixel = ([x, y]) => [middle + unit * x, middle - unit * y];
  function draw(pen, width, _, colours) {
    middle = width / 2;
    unit = width / 2 / 2.15;
    const line = (points, colour, weight, dash = [], alpha = 1) => {
      pen.globalAlpha = alpha;
      pen.strokeStyle = colour;
      pen.lineWidth = weight;
      pen.setLineDash(dash);
      pen.beginPath();
      points.forEach((p, i) => (i ? pen.lineTo(...pixel(p)) : pen.moveTo(...pixel(p))));
      pen.stroke();
      pen.setLineDash([]);
      pen.globalAlpha = 1;
    };
    const disc = (p, r, colour) => { pen.fillStyle = colour; pen.beginPath(); pen.arc(...pixel(p), r, 0, 7); pen.fill(); };
    for (let c = -2; c <= 2; c++) {
      line([[c, -2.15], [c, 2.15]], colours.line, 1, [], c ? 0.5 : 1);
      line([[-2.15, c], [2.15, c]], colours.line, 1, [], c ? 0.5 : 1);
    }
    pen.globalAlpha = 0.75;
    disc([0, 0], unit, colours.ball);
    pen.globalAlpha = 1;
    const arc = (r, start, sweep) => Array.from({ length: 97 }, (_, i) => start + (sweep * i) / 96).map((a) => [r * Math.cos(a), r * Math.sin(a)]);
    line(arc(1, 0, 2 * Math.PI), colours.muted, 1.4);
    const tips = arrows.map(vector), feet = tips.map(normalize), ink = [colours.blue, colours.orange];
    const from = (arrows[0].at * Math.PI) / 180, between = (arrows[1].at * Math.PI) / 180 - from;
    const turn = Math.atan2(Math.sin(between), Math.cos(between)); // from x to y the short way
    line(arc(0.36, from, turn), colours.muted, 1.6);
    line(tips, colours.muted, 1.6, [5, 5]);
    line(feet, colours.green, 3.2);
    pen.font = `600 ${Math.max(15, width / 25)}px system-ui, sans-serif`;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    tips.forEach((tip, i) => {
      const [dx, dy] = feet[i], back = Math.max(0, arrows[i].length - 0.16);
      line([[0, 0], [dx * back, dy * back]], ink[i], 3.4);
      pen.fillStyle = ink[i];
      pen.beginPath();
      for (const [along, across] of [[0, 0], [-0.2, 0.085], [-0.2, -0.085]])
        pen.lineTo(...pixel([tip[0] + along * dx - across * dy, tip[1] + along * dy + across * dx]));
      pen.fill();
      const beside = i === (turn > 0 ? 0 : 1) ? -0.17 : 0.17; // outside the angle
      pen.fillText(names[i], ...pixel([tip[0] - 0.08 * dx - beside * dy, tip[1] - 0.08 * dy + beside * dx]));
    });
    feet.forEach((foot, i) => { disc(foot, 6.5, colours.ball); disc(foot, 5, ink[i]); });
    pen.fillStyle = colours.ink;
    pen.fillText('θ', ...pixel([0.52 * Math.cos(from + turn / 2), 0.52 * Math.sin(from + turn / 2)]));
  }
  const label = 'Two arrows x and y from the centre of the unit circle. Pull their tips, or use the sliders.';
  const board = core.canvas(el, { label, draw });
  board.node.classList.add('hpn-drag');
  core.dragging(board.node, {
    grab: (px, py, event) => {
      const away = arrows.map((arrow) => { const [x, y] = pixel(vector(arrow)); return Math.hypot(x - px, y - py); });
      const i = away[0] <= away[1] ? 0 : 1;
      return away[i] < (event.pointerType === 'touch' ? 34 : 24) ? i : null;
    },
    drag: (i, px, py) => {
      if (i === null) return;
      const x = (px - middle) / unit, y = (middle - py) / unit;
      change(i, { length: Math.hypot(x, y), at: degrees(Math.atan2(y, x)) });
    },
  });

  // ---------------------------------------------------------------- the page
  const sliders = arrows.map((arrow, i) => ({
    length: range({
      label: `Length of ${names[i]}`, min: 0.2, max: REACH, step: 0.02, value: arrow.length,
      show: (v) => fixed(v, 2), input: (length) => change(i, { length }),
    }),
    at: range({
      label: `Direction of ${names[i]}`, min: -180, max: 180, value: arrow.at,
      show: (v) => `${v}°`, input: (at) => change(i, { at }),
    }),
  }));
  const tiles = core.tiles(['dot product', 'cosine', 'angle θ', 'distance of the tips', 'chord of the directions',
    'chord² = 2 − 2 cosine']);
  const line = core.statusLine();
  core.layout(el, [board.node], [
    ...sliders.flatMap(({ length, at }) => [length.node, at.node]),
    core.h('div', { className: 'hpn-row' }, button('Normalise both', normaliseBoth, true)),
    tiles.node, line.node,
  ]);
  refresh();

  return { state: () => ({ x: vector(arrows[0]), y: vector(arrows[1]), ...numbers() }) };
}
