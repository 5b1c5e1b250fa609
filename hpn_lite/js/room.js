// Room on a high-dimensional sphere: how the inner products of random directions gather around zero as D grows, how
// close the closest of K random directions come, and how little of the sphere a cap holds.

const SIZES = [2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200]; // of K; D goes on:
const LARGER = [256, 320, 400, 512, 640, 800, 1000];

export function mount(el, options, core) {
  const { button, checkbox, density, dot, fixed, logCap, medianLargest, range, uniform } = core;
  let { d, k, angle, seed } = options, zoom = false;
  let points = [], cosines = [];

  function sample() {
    points = uniform(k, d, seed);
    cosines = points.flatMap((p, i) => points.slice(0, i).map((q) => dot(p, q)));
    refresh();
  }
  const numbers = () => ({
    pairs: cosines.length,
    spread: Math.sqrt(cosines.reduce((sum, t) => sum + t * t, 0) / cosines.length),
    largest: cosines.reduce((most, t) => Math.max(most, Math.abs(t)), 0),
    expected: medianLargest(k, d),
    cap_log10: logCap((angle * Math.PI) / 180, d) / Math.LN10,
  });
  const share = (log10) => { // a share far below the smallest double still has an exponent
    if (log10 > -3) return fixed(100 * 10 ** log10, log10 > -1 ? 1 : 3) + '%';
    const power = Math.floor(log10);
    return `${fixed(10 ** (log10 - power), 2)}e${power}`;
  };

  function refresh() {
    const { pairs, spread, largest, expected, cap_log10: cap } = numbers();
    const four = (x) => fixed(x, 4), one = four(1 / Math.sqrt(d));
    [one, four(spread), four(largest), four(expected), share(cap)].forEach((text, i) => tiles.set(i, text));
    line.say(`D = ${d}, K = ${k}: ${pairs} ${pairs === 1 ? 'pair' : 'pairs'}, ` +
      `spread of the cosines ${four(spread)} where 1 over root D is ${one}. ` +
      `Largest cosine in absolute value ${four(largest)}; half of all draws exceed about ${four(expected)}. ` +
      `A cap of ${angle} degrees holds ${share(cap)} of the sphere.`);
    board.redraw();
  }

  // ---------------------------------------------------------------- the picture
  function draw(pen, width, height, colours) {
    const reach = zoom ? Math.min(1, 5 / Math.sqrt(d)) : 1, left = 10, right = width - 10, bottom = height - 26, top = 12;
    const tallest = Math.max(1.15, 1.3 * density(0, d));
    const X = (t) => left + ((t + reach) / (2 * reach)) * (right - left);
    const Y = (p) => bottom - (Math.min(p, tallest) / tallest) * (bottom - top);
    const clip = (t) => Math.max(-reach, Math.min(reach, t));
    const rule = (t, colour, dash, high) => {
      if (Math.abs(t) > reach) return;
      pen.strokeStyle = colour;
      pen.lineWidth = 1.8;
      pen.setLineDash(dash);
      pen.beginPath();
      pen.moveTo(X(t), bottom);
      pen.lineTo(X(t), high);
      pen.stroke();
      pen.setLineDash([]);
    };
    pen.save(); // histogram of the pairs of this draw, as a density
    const bin = Math.min(0.05, 0.35 / Math.sqrt(d)), counts = new Map();
    for (const t of cosines) counts.set(Math.floor(t / bin), (counts.get(Math.floor(t / bin)) ?? 0) + 1);
    pen.fillStyle = colours.blue;
    pen.globalAlpha = 0.38;
    for (const [b, count] of counts) {
      const from = X(clip(b * bin)), to = X(clip((b + 1) * bin)), high = Y(count / cosines.length / bin);
      pen.fillRect(from, high, Math.max(0, to - from - (to - from > 3 ? 1 : 0)), bottom - high);
    }
    pen.restore();
    const steps = 2 * Math.round(width), curve = Array.from({ length: steps + 1 }, (_, i) => reach * ((2 * i) / steps - 1));
    const edge = Math.cos((angle * Math.PI) / 180), cap = curve.filter((t) => t >= edge);
    if (cap.length) { // what lies within the cap, to the right of its cosine
      pen.fillStyle = colours.green;
      pen.globalAlpha = 0.4;
      pen.beginPath();
      pen.moveTo(X(cap[0]), bottom);
      for (const t of cap) pen.lineTo(X(t), Y(density(t, d)));
      pen.lineTo(X(cap.at(-1)), bottom);
      pen.fill();
      pen.globalAlpha = 1;
    }
    pen.strokeStyle = colours.blue;
    pen.lineWidth = 2.4;
    pen.beginPath();
    for (const t of curve) pen.lineTo(X(t), Y(density(t, d)));
    pen.stroke();
    const one = 1 / Math.sqrt(d), { largest } = numbers();
    for (const sign of [-1, 1]) {
      rule(sign * one, colours.muted, [4, 4], top + 8);
      rule(sign * largest, colours.orange, [], bottom - 0.3 * (bottom - top));
    }
    rule(edge, colours.green, [2, 3], bottom - 0.62 * (bottom - top));
    pen.strokeStyle = colours.muted;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(left, bottom);
    pen.lineTo(right, bottom);
    pen.stroke();
    pen.font = '12.5px system-ui, sans-serif';
    const say = (text, t, y, colour) => {
      if (Math.abs(t) > reach) return;
      const half = pen.measureText(text).width / 2;
      const at = Math.max(left, Math.min(right - 2 * half, X(t) - half));
      pen.strokeStyle = colours.paper; // a rim of paper, so that words stay readable over bars and lines
      pen.lineWidth = 4;
      pen.lineJoin = 'round';
      pen.strokeText(text, at, y);
      pen.fillStyle = colour;
      pen.fillText(text, at, y);
    };
    for (const t of [-1, -0.5, 0, 0.5, 1]) say(fixed(t * reach, reach < 1 ? 2 : 1), t * reach, height - 9, colours.muted);
    say('1/√D', one, top + 2, colours.muted);
    say('largest', Math.min(largest, reach * 0.97), bottom - 0.3 * (bottom - top) - 6, colours.orange);
    say(`cos ${angle}°`, edge, bottom - 0.62 * (bottom - top) - 6, colours.green);
  }
  const label = 'Density of the inner product of two random directions, with the pairs of one draw as a histogram. ' +
    'The numbers are in the text below.';
  const board = core.canvas(el, { aspect: 2, label, draw });
  board.node.style.minHeight = '200px';

  // ---------------------------------------------------------------- the page
  const ladder = (label, values, value, input) => { // a slider over a list of sizes
    const all = [...new Set([...values, value])].sort((a, b) => a - b);
    const show = (i) => String(all[i]);
    return range({ label, min: 0, max: all.length - 1, value: all.indexOf(value), show, input: (i) => input(all[i]) });
  };
  const dimension = ladder('Dimension D', [...SIZES, ...LARGER], d, (value) => { d = value; sample(); });
  const number = ladder('Number of random directions K', SIZES, k, (value) => { k = value; sample(); });
  const width = range({
    label: 'Angle of the cap', min: 5, max: 90, value: angle, show: (v) => `${v}°`, input: (value) => { angle = value; refresh(); },
  });
  const tiles = core.tiles(['1/√D', 'spread of the cosines', 'largest |cosine|', 'half of draws exceed', 'share in the cap']);
  const line = core.statusLine();
  core.layout(el, [board.node], [
    dimension.node, number.node, width.node,
    core.h('div', { className: 'hpn-row' }, button('New draw', () => { seed += 1; sample(); }, true),
      checkbox({ label: 'Zoom to ±5/√D', checked: zoom, input: (on) => { zoom = on; refresh(); } }).node),
    tiles.node, line.node,
  ], 'hpn-wide');
  sample();

  return { state: () => ({ d, k, angle, seed, zoom, points, density_at_0: density(0, d), ...numbers() }) };
}
