// Turn the lights down: a picture, its brightness, and which class mean it is closest to, by distance and by cosine.

export function mount(el, options, core) {
  const { add, angle, dot, fixed } = core;
  const { pictures, labels, means, names, top } = options;
  const side = Math.round(Math.sqrt(means[0].length));
  const flat = (x) => { const mean = x.reduce((a, b) => a + b, 0) / x.length; return x.map((v) => v - mean); };
  const length = (x) => Math.sqrt(dot(x, x));
  const best = (values, sign) => values.reduce((winner, v, i) => (sign * v > sign * values[winner] ? i : winner), 0);

  let picture = 0, power = 0, offset = 0, centred = false; // brightness is 2^power
  let shown, now;
  function compute() {
    shown = pictures[picture].map((v) => v * 2 ** power + offset);
    const x = centred ? flat(shown) : shown, points = centred ? means.map(flat) : means;
    const distances = points.map((m) => length(add(x, m, -1)));
    const cosines = points.map((m) => (length(x) > 0 ? Math.cos(angle(x.map((v) => v / length(x)), m.map((v) => v / length(m)))) : 0));
    now = { distances, cosines, nearest: best(distances, -1), closest: best(cosines, 1) };
  }
  const verdict = (i) => `${names[i]}, which is ${i === labels[picture] ? 'right' : 'wrong'}`;
  function refresh() {
    compute();
    tiles.set(0, names[labels[picture]]);
    tiles.set(1, names[now.nearest], now.nearest === labels[picture]);
    tiles.set(2, names[now.closest], now.closest === labels[picture]);
    line.say(`A picture of ${names[labels[picture]]}, brightness times ${words(power)}, ${offset} added to every pixel${centred ? ', mean pixel taken off' : ''}. ` +
      `Smallest distance ${fixed(now.distances[now.nearest], 2)}: ${verdict(now.nearest)}. Largest cosine ${fixed(now.cosines[now.closest], 4)}: ${verdict(now.closest)}.`);
    screen.redraw();
    bars.redraw();
  }
  const words = (p) => fixed(2 ** p, 3).replace(/\.?0+$/, '');

  // ---------------------------------------------------------------- the picture and the bars
  function drawPicture(pen, width, height, colours) {
    pen.fillStyle = '#000';
    pen.fillRect(0, 0, width, height);
    const cell = width / side;
    shown.forEach((v, i) => {
      const grey = Math.round(255 * Math.min(1, Math.max(0, v / top))); // a screen shows no more than white
      pen.fillStyle = `rgb(${grey}, ${grey}, ${grey})`;
      pen.fillRect((i % side) * cell, Math.floor(i / side) * cell, cell + 0.5, cell + 0.5);
    });
    pen.strokeStyle = colours.muted;
    pen.strokeRect(0.5, 0.5, width - 1, height - 1);
  }
  function drawBars(pen, width, height, colours) {
    const row = height / (means.length + 1.4), font = Math.min(15, row * 0.62), left = font * 1.6, half = (width - left) / 2, number = font * 3.4;
    const farthest = Math.max(...now.distances);
    pen.textBaseline = 'middle';
    const text = (words, x, y, weight = 400, align = 'left', colour = colours.ink) => {
      pen.font = `${weight} ${font}px system-ui, sans-serif`;
      pen.textAlign = align;
      pen.fillStyle = colour;
      pen.fillText(words, x, y);
    };
    text('distance', left, row * 0.6, 600);
    text('cosine', left + half, row * 0.6, 600);
    means.forEach((_, i) => {
      const y = row * (i + 1.7), right = i === labels[picture];
      text(names[i], 0, y, right ? 700 : 400);
      for (const [value, share, won, x, digits] of [
        [now.distances[i], now.distances[i] / farthest, i === now.nearest, left, 1],
        [now.cosines[i], Math.max(0, now.cosines[i]), i === now.closest, left + half, 3],
      ]) {
        const room = half - number - font * 1.3, size = Math.max(1, room * share);
        pen.globalAlpha = won ? 1 : 0.38;
        pen.fillStyle = won ? colours.orange : colours.blue;
        pen.fillRect(x, y - row * 0.31, size, row * 0.62);
        pen.globalAlpha = 1;
        text(fixed(value, digits), x + size + font * 0.4, y, won ? 700 : 400);
      }
    });
  }
  const screen = core.canvas(el, { label: 'The picture as it is shown to the classifier.', draw: drawPicture });
  screen.node.style.maxWidth = '9.5rem';
  screen.node.style.margin = '0 auto 0.8rem';
  const bars = core.canvas(el, { label: 'For every class, the distance of the picture from the class mean and their cosine, as bars. The shortest distance and the largest cosine are marked.', aspect: 1.12, draw: drawBars });

  // ---------------------------------------------------------------- the page
  const choice = core.select({ label: 'Picture', choices: pictures.map((_, i) => [i, `${i + 1}: ${names[labels[i]]}`]), value: 0, input: (v) => { picture = v; refresh(); } });
  const light = core.range({ label: 'Brightness', min: -5, max: 4, step: 0.25, value: 0, show: (v) => `× ${words(v)}`, input: (v) => { power = v; refresh(); } });
  const haze = core.range({ label: 'Added to every pixel', min: -4, max: top, value: 0, show: (v) => `${v}`, input: (v) => { offset = v; refresh(); } });
  const centre = core.checkbox({ label: 'Take off the mean pixel first', checked: false, input: (v) => { centred = v; refresh(); } });
  const reset = core.button('Lights as they were', () => { light.value = power = 0; haze.value = offset = 0; refresh(); }, true);
  const tiles = core.tiles(['the picture shows', 'smallest distance says', 'largest cosine says']);
  const line = core.statusLine();
  core.layout(el, [screen.node, bars.node], [choice.node, light.node, haze.node, centre.node, core.h('div', { className: 'hpn-row' }, reset), tiles.node, line.node]);
  refresh();

  return { state: () => ({ picture, label: labels[picture], brightness: 2 ** power, offset, centred, shown, ...now }) };
}
