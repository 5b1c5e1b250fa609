// How strong should the penalty be? Measured runs of a small net, one slider for lambda: the test error with its
// interval, and for every layer the energy and the length of its neurons. All numbers come in the options.

export function mount(el, options, core) {
  const { fixed, h, range, select, write } = core;
  const { forms, layers } = options; // forms: [{ name, rows: [{ weight, error, half, change, spread, energy, length }] }]
  let form = 0, at = options.at;
  const rows = () => forms[form].rows, now = () => rows()[at];
  const words = (w) => (w ? `λ = ${w}` : 'no penalty');

  const frame = { left: 46, right: 10, top: 12, bottom: 40 };
  let X = () => 0;
  function draw(pen, width, height, colours) {
    const low = Math.floor(Math.min(...rows().map((r) => r.error - r.half)) - 1);
    const high = Math.ceil(Math.max(...rows().map((r) => r.error + r.half)) + 1);
    X = (i) => frame.left + ((i + 0.5) / rows().length) * (width - frame.left - frame.right);
    const Y = (v) => frame.top + ((high - v) / (high - low)) * (height - frame.top - frame.bottom);
    const line = (x0, y0, x1, y1) => { pen.beginPath(); pen.moveTo(x0, y0); pen.lineTo(x1, y1); pen.stroke(); };
    pen.font = '12.5px system-ui, sans-serif';
    pen.textBaseline = 'middle';
    pen.lineWidth = 1;
    for (let v = low; v <= high; v += Math.max(1, Math.round((high - low) / 5))) {
      pen.strokeStyle = colours.line;
      line(frame.left, Y(v), width - frame.right, Y(v));
      pen.fillStyle = colours.muted;
      pen.textAlign = 'right';
      pen.fillText(`${v}%`, frame.left - 6, Y(v));
    }
    pen.strokeStyle = colours.muted; // the net without a penalty, across
    pen.setLineDash([5, 4]);
    line(frame.left, Y(rows()[0].error), width - frame.right, Y(rows()[0].error));
    pen.setLineDash([]);
    pen.textAlign = 'center';
    rows().forEach((r, i) => {
      [pen.strokeStyle, pen.fillStyle] = i === at ? [colours.orange, colours.orange] : [colours.blue, colours.blue];
      pen.lineWidth = i === at ? 3 : 2;
      line(X(i), Y(r.error - r.half), X(i), Y(r.error + r.half));
      pen.beginPath();
      if (i === at) pen.rect(X(i) - 6, Y(r.error) - 6, 12, 12);
      else pen.arc(X(i), Y(r.error), 5, 0, 7);
      pen.fill();
      pen.fillStyle = colours.muted;
      pen.fillText(r.weight || 'none', X(i), height - frame.bottom + 13);
    });
    pen.fillText('strength λ of the penalty', (frame.left + width - frame.right) / 2, height - 9);
  }
  const label = 'Test error against the strength of the penalty, with intervals. Left and right arrow keys choose a strength.';
  const choose = (i) => { at = Math.max(0, Math.min(rows().length - 1, i)); slider.value = at; refresh(); };
  const board = core.canvas(el, {
    label, draw, aspect: 1.5, tabindex: 0, role: 'application',
    onkeydown: (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -99, End: 99 }[event.key];
      if (step) { event.preventDefault(); choose(at + step); }
    },
    onclick: (event) => {
      const far = rows().map((_, i) => Math.abs(X(i) - event.offsetX));
      choose(far.indexOf(Math.min(...far)));
    },
  });
  const kind = select({ label: 'Penalty', value: 0, choices: forms.map((f, i) => [i, f.name]), input: (i) => { form = i; refresh(); } });
  const slider = range({
    label: 'Strength', min: 0, max: rows().length - 1, value: at, show: (i) => words(rows()[i].weight),
    input: (i) => { at = i; refresh(); },
  });
  const tiles = core.tiles(['test error', 'against none']);
  const cells = layers.map(() => [h('td'), h('td')]);
  const head = (text) => h('th', { scope: 'col' }, text);
  const table = h('table', { className: 'hpn-all', style: 'width: 100%; border-collapse: collapse; text-align: left' },
    h('thead', {}, h('tr', {}, head('layer'), head('energy'), head('length'))),
    h('tbody', {}, ...layers.map((name, i) => h('tr', {}, h('th', { scope: 'row' }, name), ...cells[i]))));
  const status = core.statusLine();

  function refresh() {
    const r = now(), sign = r.change > 0 ? '+' : r.change < 0 ? '−' : '';
    tiles.set(0, `${fixed(r.error, 1)} ± ${fixed(r.half, 1)}%`);
    tiles.set(1, at ? `${sign}${fixed(Math.abs(r.change), 1)} ± ${fixed(r.spread, 1)}` : '–');
    layers.forEach((_, i) => { write(cells[i][0], fixed(r.energy[i], 3)); write(cells[i][1], fixed(r.length[i], 2)); });
    const clear = Math.abs(r.change) > r.spread ? '' : ', which may be chance';
    status.say(`${at ? forms[form].name + ', ' : ''}${words(r.weight)}: test error ${fixed(r.error, 1)} plus or minus ${fixed(r.half, 1)} per cent` +
      (at ? `, ${fixed(Math.abs(r.change), 1)} plus or minus ${fixed(r.spread, 1)} ${r.change > 0 ? 'more' : 'less'} than with none${clear}. ` : '. ') +
      layers.map((name, i) => `${name}: energy ${fixed(r.energy[i], 3)}, length ${fixed(r.length[i], 2)}`).join('; ') + '.');
    board.redraw();
  }
  core.layout(el, [board.node], [kind.node, slider.node, tiles.node, table, status.node,
    core.hint('Points: means over seeds, with 95% intervals. Pull the slider, or press ', ['←'], ' and ', ['→'], ' in the picture.')]);
  refresh();

  return { state: () => ({ form: forms[form].name, at, ...now() }) };
}
