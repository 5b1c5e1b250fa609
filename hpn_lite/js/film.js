// Outputs of a net turning towards their prototypes while it learns, as a film: one frame per recorded epoch, stored as
// bytes (directions times 127). On the circle every class has a ring of its own, so that nothing hides behind anything.

// "AQID..." -> frames[t][i], unit vectors in dim dimensions
export function decode(core, text, count, dim) {
  const bytes = Int8Array.from(atob(text), (c) => c.charCodeAt(0)), frames = [];
  for (let at = 0; at < bytes.length; at += count * dim)
    frames.push(Array.from({ length: count }, (_, i) => core.normalize(Array.from(bytes.subarray(at + i * dim, at + (i + 1) * dim)))));
  return frames;
}

// What can be counted on the outputs of one frame; of class `only` alone if it is not negative.
export function count(core, outputs, prototypes, labels, only = -1) {
  const guesses = outputs.map((z) => {
    const cosines = prototypes.map((p) => core.dot(z, p));
    return cosines.indexOf(Math.max(...cosines));
  });
  const asked = labels.map((y, i) => i).filter((i) => only < 0 || labels[i] === only);
  const right = asked.filter((i) => guesses[i] === labels[i]).length;
  const cosine = asked.reduce((sum, i) => sum + core.dot(outputs[i], prototypes[labels[i]]), 0) / asked.length;
  const taken = prototypes.map((_, k) => asked.filter((i) => guesses[i] === k && labels[i] !== k).length);
  return { guesses, right, of: asked.length, cosine, mistaken: Math.max(...taken) ? taken.indexOf(Math.max(...taken)) : -1, times: Math.max(...taken) };
}

export function mount(el, options, core) {
  const { add, button, calm, fixed, h: node, normalize, range, select } = core;
  const { names, epochs } = options, labels = Array.from(options.labels, (c) => parseInt(c, 36)), last = epochs.length - 1;
  const films = options.films.map((f) => ({
    ...f, prototypes: f.prototypes.map(core.normalize), frames: decode(core, f.frames, labels.length, f.dim),
  }));
  let which = 0, frame = options.frame, shown = frame, follow = -1, playing = false; // shown: between two frames in motion
  const film = () => films[which];

  // ---------------------------------------------------------------- the numbers
  const numbers = (only = follow) => count(core, film().frames[frame], film().prototypes, labels, only);
  const when = () => (epochs[frame] ? `After epoch ${epochs[frame]}` : 'Before training');
  function words() {
    const { right, of, cosine, mistaken, times } = numbers();
    const who = follow < 0 ? `${right} of ${of} digits` : `${right} of ${of} digits ${names[follow]}`;
    const wrong = follow >= 0 && times ? ` Most often taken for ${names[mistaken]} (${times} times).` : '';
    return `${when()}, ${film().words}: ${who} are nearest to their own prototype (${fixed((100 * right) / of, 1)}%), ` +
      `mean cosine to it ${fixed(cosine, 3)}.${wrong}`;
  }
  function positions() { // of all outputs now, also between two frames
    const low = Math.floor(shown), t = shown - low, { frames } = film();
    if (!t) return frames[low];
    return frames[low].map((p, i) => normalize(add(add(p.map((x) => x * (1 - t)), frames[low + 1][i], t), p, 1e-9)));
  }
  function refresh({ speak = true } = {}) {
    const { right, of, cosine } = numbers();
    [String(epochs[frame]), `${fixed((100 * right) / of, 1)}%`, fixed(cosine, 3), String(of - right)].forEach((text, i) => tiles.set(i, text));
    core.write(go, playing ? 'Pause' : 'Play');
    slider.value = frame;
    if (speak) line.say(words());
    flat.node.style.display = film().dim === 2 ? '' : 'none';
    box.style.display = film().dim === 3 ? '' : 'none';
    flat.redraw();
    ball.redraw();
  }

  // ---------------------------------------------------------------- what one can do
  const jump = (f) => { playing = false; frame = shown = Math.min(last, Math.max(0, f)); refresh(); };
  const play = () => {
    playing = !playing;
    if (playing && frame === last) frame = shown = 0;
    shown = frame;
    if (playing) start();
    refresh();
  };
  let waited = 0;
  const start = core.clock(el, (seconds) => {
    if (!playing) return false;
    if (calm()) { // reduced motion: from frame to frame, one in a second, nothing in between
      waited += seconds;
      if (waited > 1) { waited = 0; shown = frame + 1; }
    } else shown = Math.min(last, shown + 2 * seconds);
    frame = Math.floor(shown + 1e-9);
    if (frame >= last) { frame = shown = last; playing = false; }
    refresh({ speak: !playing });
    return playing;
  });

  // ---------------------------------------------------------------- the page
  const faded = (i) => follow >= 0 && labels[i] !== follow;
  const flat = core.canvas(el, {
    label: 'The circle with its prototypes, and inside it the directions of the outputs, one ring for each class; ' +
      'the status says the numbers.',
    draw: (pen, width, height, colours) => {
      if (film().dim !== 2) return;
      const middle = width / 2, size = 0.42 * width, { prototypes } = film(), { guesses } = numbers(-1);
      const at = ([x, y], r) => [middle + size * r * x, middle - size * r * y];
      const ring = (k) => 0.3 + (0.62 * k) / Math.max(1, prototypes.length - 1);
      const circle = (r, colour, thick, fill) => {
        pen.beginPath();
        pen.arc(middle, middle, size * r, 0, 7);
        if (fill) { pen.fillStyle = fill; pen.fill(); }
        pen.strokeStyle = colour;
        pen.lineWidth = thick;
        pen.stroke();
      };
      circle(1, colours.muted, 1.2, colours.ball);
      prototypes.forEach((p, k) => {
        pen.globalAlpha = follow < 0 || follow === k ? 0.55 : 0.2;
        circle(ring(k), follow === k ? colours.ink : colours.line, 1);
        pen.globalAlpha = 1;
        pen.fillStyle = colours.ink;
        pen.beginPath();
        pen.arc(...at(p, 1), 5, 0, 7);
        pen.fill();
        pen.font = `${follow === k ? 'bold ' : ''}15px system-ui, sans-serif`;
        pen.textAlign = 'center';
        pen.fillText(names[k], ...at(p, 1.12).map((v, c) => v + 5 * c));
        pen.strokeStyle = colours.ink; // where this class should be
        pen.lineWidth = 1;
        pen.beginPath();
        pen.arc(...at(p, ring(k)), 7, 0, 7);
        pen.stroke();
      });
      positions().forEach((z, i) => {
        const [x, y] = at(z, ring(labels[i])), wrong = guesses[i] !== labels[i];
        pen.globalAlpha = faded(i) ? 0.12 : 0.75;
        if (wrong) {
          pen.strokeStyle = colours.orange;
          pen.lineWidth = 2;
          pen.beginPath();
          for (const s of [-1, 1]) { pen.moveTo(x - 3.5, y - 3.5 * s); pen.lineTo(x + 3.5, y + 3.5 * s); }
          pen.stroke();
        } else {
          pen.fillStyle = colours.blue;
          pen.beginPath();
          pen.arc(x, y, 3.2, 0, 7);
          pen.fill();
        }
      });
      pen.globalAlpha = 1;
    },
  });
  const ball = core.sphere(el, core, {
    label: 'The sphere with its prototypes and the directions of the outputs. Arrow keys turn it, Space plays; the status says the numbers.',
    scene: () => {
      labelled.redraw();
      if (film().dim !== 3) return { points: [] };
      const k = film().prototypes.length, { guesses } = numbers(-1);
      const keep = labels.map((_, i) => i).filter((i) => !faded(i));
      return {
        points: [...film().prototypes, ...positions().filter((_, i) => !faded(i))],
        colour: (i, colours) => (i < k ? colours.ink : guesses[keep[i - k]] === labels[keep[i - k]] ? colours.blue : colours.orange),
      };
    },
    key: (event) => {
      if (event.key !== ' ') return false;
      play();
      return true;
    },
  });
  const labelled = core.canvas(el, { // the names of the prototypes, over the sphere
    label: '', 'aria-hidden': 'true',
    draw: (pen, width, height, colours) => {
      if (film().dim !== 3) return;
      const { axes, radius } = ball.view();
      film().prototypes.forEach((p, k) => {
        const [x, y, z] = axes.map((axis) => core.dot(axis, p));
        pen.globalAlpha = z < 0 ? 0.3 : 1;
        pen.font = `${follow === k ? 'bold ' : ''}16px system-ui, sans-serif`;
        pen.textAlign = 'center';
        pen.lineWidth = 4;
        pen.strokeStyle = colours.ball;
        pen.fillStyle = colours.ink;
        for (const paint of ['strokeText', 'fillText']) pen[paint](names[k], width / 2 + radius * x, width / 2 - radius * y - 9);
      });
    },
  });
  const box = node('div', { style: 'position: relative' }, ball.node, labelled.node);
  labelled.node.style.cssText += '; position: absolute; inset: 0; pointer-events: none';
  const slider = range({
    label: 'Epoch', min: 0, max: last, value: frame, show: (f) => (epochs[f] ? `after epoch ${epochs[f]}` : 'before training'), input: jump,
  });
  const go = button('Play', play, true);
  const choose = select({
    label: 'Output space', choices: films.map((f, i) => [i, f.words]), value: 0,
    input: (i) => { which = i; refresh(); },
  });
  const watch = select({
    label: 'Follow', choices: [[-1, 'all digits'], ...names.map((name, k) => [k, `digit ${name}`])], value: -1,
    input: (k) => { follow = k; refresh(); },
  });
  const tiles = core.tiles(['epoch', 'accuracy', 'mean cosine', 'wrong']);
  const line = core.statusLine();
  core.layout(el, [flat.node, box], [
    slider.node,
    node('div', { className: 'hpn-row' }, go, button('One back', () => jump(frame - 1)), button('One on', () => jump(frame + 1))),
    ...(films.length > 1 ? [choose.node] : []), watch.node, tiles.node, line.node,
    core.hint('Dots: nearest to their own prototype. Crosses on the circle, orange on the sphere: nearest to another one.'),
  ]);
  refresh();
  return {
    state: () => ({
      film: which, frame, epoch: epochs[frame], follow, playing, labels, outputs: film().frames[frame],
      prototypes: film().prototypes, ...numbers(),
    }),
  };
}
