// The Riesz family: whose say counts? Pulling a pair apart by one percent lowers the energy in proportion to r^-s, for
// every s >= 0, the logarithm included. The bars show how that say is shared out over the distances as s is pulled.

const EXPONENTS = [0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64];
const BARS = 20, NEAR = 1.4; // neighbours: up to 1.4 times the smallest distance, where a gap lies in these sets

export function mount(el, options, core) {
  const { fixed, range, select } = core;
  let { n, s } = options, pairs = [], least = 0;

  function take() {
    const x = options.points[n];
    pairs = x.flatMap((p, i) => x.slice(0, i).map((q) => Math.hypot(...p.map((v, k) => v - q[k]))));
    least = Math.min(...pairs);
    refresh();
  }
  function numbers() {
    const say = pairs.map((r) => (least / r) ** s), total = say.reduce((a, b) => a + b, 0); // at most 1 each: no overflow
    const bars = Array.from({ length: BARS }, () => 0);
    let near = 0, count = 0, squares = 0;
    pairs.forEach((r, i) => {
      bars[Math.min(BARS - 1, Math.floor((r * BARS) / 2))] += say[i] / total;
      squares += say[i] ** 2;
      if (r <= NEAR * least) [near, count] = [near + say[i] / total, count + 1];
    });
    return { near, bars, near_pairs: count / pairs.length, neighbours: (2 * count) / n, felt: (2 * total ** 2) / squares / n };
  }
  const percent = (x) => `${fixed(100 * x, 1)}%`;

  function refresh() {
    const { near, near_pairs: share, neighbours, felt } = numbers();
    [percent(share), percent(near), fixed(felt, 1)].forEach((text, i) => tiles.set(i, text));
    line.say(`${n} points, s = ${s}: a point has ${fixed(neighbours, 1)} neighbours on average, ${percent(share)} of all ` +
      `pairs, and they have ${percent(near)} of the say. It is as if each point felt ${fixed(felt, 1)} of the ${n - 1} others.`);
    board.redraw();
  }

  function draw(pen, width, height, colours) {
    const left = 10, right = width - 10, bottom = height - 26, top = 24, { bars } = numbers();
    const X = (r) => left + (r / 2) * (right - left), tallest = Math.max(0.1, ...bars) * 1.05;
    const Y = (share) => bottom - (share / tallest) * (bottom - top);
    bars.forEach((share, i) => {
      pen.fillStyle = (2 * i) / BARS < NEAR * least ? colours.orange : colours.blue;
      pen.globalAlpha = 0.75;
      pen.fillRect(X((2 * i) / BARS) + 1, Y(share), X(2 / BARS) - X(0) - 2, bottom - Y(share));
    });
    pen.globalAlpha = 1;
    pen.strokeStyle = colours.ink; // f_s itself, relative to its value at the smallest distance
    pen.lineWidth = 2;
    pen.beginPath();
    for (let r = least; r <= 2; r += 0.005) pen.lineTo(X(r), bottom - (least / r) ** s * (bottom - top));
    pen.stroke();
    pen.strokeStyle = colours.muted;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(left, bottom);
    pen.lineTo(right, bottom);
    pen.stroke();
    pen.font = '12.5px system-ui, sans-serif';
    const say = (text, x, y, colour, align) => {
      pen.textAlign = align;
      pen.fillStyle = colour;
      pen.fillText(text, x, y);
    };
    for (const r of [0, 0.5, 1, 1.5, 2]) say(fixed(r, 1), X(r), height - 9, colours.muted, r ? (r < 2 ? 'center' : 'right') : 'left');
    say('1 / distance^s', right, top - 9, colours.ink, 'right');
    say(`largest bar ${percent(Math.max(...bars))}`, left, top - 9, colours.muted, 'left');
  }
  const label = 'Bars: share of the say against the distance of the pair, from 0 to 2, neighbours in orange. ' +
    'Line: one over the distance to the power s. The numbers are in the text below.';
  const board = core.canvas(el, { aspect: 2, label, draw });
  board.node.style.minHeight = '200px';

  const all = [...new Set([...EXPONENTS, s])].sort((a, b) => a - b);
  const exponent = range({
    label: 'Exponent s', min: 0, max: all.length - 1, value: all.indexOf(s), show: (i) => String(all[i]),
    input: (i) => { s = all[i]; refresh(); },
  });
  const sizes = Object.keys(options.points).map(Number).sort((a, b) => a - b);
  const number = select({
    label: 'Number of points n', choices: sizes.map((k) => [k, `${k} points`]), value: n, input: (k) => { n = k; take(); },
  });
  const tiles = core.tiles(['pairs that are neighbours', 'their say', 'others felt']);
  const line = core.statusLine();
  core.layout(el, [board.node], [exponent.node, number.node, tiles.node, line.node], 'hpn-wide');
  take();

  return { state: () => ({ n, s, points: options.points[n], ...numbers() }) };
}
